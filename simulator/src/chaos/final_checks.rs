//! The checks at the end of a world, after all faults have ended.

use std::collections::BTreeSet;

use super::auditor::{Invariant, Wanted};
use super::event::Event;
use super::moments::Sometimes;
use super::plan::Action;
use super::world::World;
use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::Fault;

/// Longest time that payments may take to end after the faults have ended, in milliseconds.
const LIVENESS_MS: u64 = 600_000;

impl World<'_> {
    /// The final checks: every payment ends, every request gets an answer, every repeat gets the first answer, and all
    /// ledgers agree.
    pub(super) fn judge(&mut self) {
        let limit_ms = self.ground.now_ms() + LIVENESS_MS;
        self.run_until(limit_ms, |world| {
            world.queue.is_empty()
                && world.life.is_some()
                && world.ground.lock().all_ended(world.bank_in_force())
        });
        if self.is_violated() {
            return;
        }
        let bank = self.bank_in_force().clone();
        self.ground
            .lock()
            .auditor
            .all_ended(&self.ground.plan, &bank);
        self.ask_all(
            |key, _| Action::Resolve {
                key,
                carelessly: false,
            },
            true,
        );
        self.ask_all(
            |key, variant| Action::Pay {
                key,
                variant,
                strict: false,
                wait_s: 10,
            },
            false,
        );
        if self.is_violated() {
            return;
        }
        self.requests_are_answered();
        self.read_books();
        let lines = self.banks.audit();
        let mut state = self.ground.lock();
        state.auditor.books(&lines);
        state.auditor.sums();
        self.medium
            .read_frames(|_, frames| state.auditor.all_frames(frames));
        drop(state);
        if let Some(life) = &self.life {
            self.take_moments(life);
        }
    }

    fn requests_are_answered(&mut self) {
        let unanswered = self
            .life
            .as_ref()
            .and_then(|life| life.at_work.keys().next().copied());
        let mut state = self.ground.lock();
        state.auditor.checks += 1;
        if let Some(message) = unanswered {
            let key = self.clients.action(message).map(Action::key);
            let detail = "a request never gets an answer";
            state
                .auditor
                .violated(Invariant::EveryRequestAnswered, key, detail);
        }
    }

    /// Sends a request for every key that is not masked, and waits for the answers.
    fn ask_all(&mut self, action: impl Fn(u32, u32) -> Action, only_open: bool) {
        let keys: BTreeSet<u32> = self
            .ground
            .plan
            .operations
            .iter()
            .map(|operation| operation.action.key())
            .collect();
        let known: Vec<(u32, u32)> = {
            let state = self.ground.lock();
            keys.into_iter()
                .filter_map(|key| match state.auditor.of_key(key) {
                    Some(known) if only_open && known.standing().is_final() => None,
                    Some(known) => Some((key, u32::from(known.wanted != Wanted::of(key, 0)))),
                    // Faults have kept it out until now.
                    None => (!only_open).then_some((key, 0)),
                })
                .collect()
        };
        for (key, variant) in known {
            let message = self.clients.ask(action(key, variant));
            self.plan_in(1, Event::Send(message));
        }
        let limit_ms = self.ground.now_ms() + LIVENESS_MS;
        self.run_until(limit_ms, |world| {
            world.queue.is_empty()
                && world
                    .life
                    .as_ref()
                    .is_some_and(|life| life.at_work.is_empty())
        });
    }

    /// Counts the faults that the bank injected, and the moments that follow from them.
    pub(super) fn bank_moments(&self) {
        let injected = self.banks.injected();
        let mut state = self.ground.lock();
        let count = |fault| injected.get(&fault).copied().unwrap_or(0);
        if count(Fault::Throttled) > 0 {
            state.happened(Sometimes::Throttled);
        }
        if count(Fault::Forgotten) > 0 && self.ground.plan.mode == Mode::Keyed {
            state.happened(Sometimes::BankForgot);
        }
        for (fault, moment) in [
            (Fault::Stray, Sometimes::StrayAnswer),
            (Fault::Gateway, Sometimes::GatewayAnswered),
            (Fault::RepeatRefused, Sometimes::RepeatRefused),
        ] {
            if count(fault) > 0 {
                state.happened(moment);
            }
        }
        for (fault, times) in injected {
            *state.faults.entry(fault.name()).or_default() += times;
        }
    }
}
