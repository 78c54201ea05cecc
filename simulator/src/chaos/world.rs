//! A world: it runs events in the order of their virtual time, and one life of the service after another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use holdfast_core::{BankName, Merchant, Phase};
use holdfast_engine::bank::Bank;

use super::auditor::{Invariant, Known, Standing};
use super::banks::Banks;
use super::clients::Clients;
use super::event::{Event, Planned};
use super::front_door::FrontDoor;
use super::ground::Ground;
use super::life::Life;
use super::message::Message;
use super::moments::Sometimes;
use super::plan::{Family, Plan};
use super::sabotage::Sabotage;
use super::trace::Track;
use super::which_bank::WhichBank;
use crate::store::{Flaw, Medium};
use holdfast_bank_simulator::Deferred;

/// How long a failed process still answers before it ends, in milliseconds.
const LAST_WORDS_MS: u64 = 100;

/// The world.
pub(super) struct World<'a> {
    pub(super) ground: Arc<Ground>,
    pub(super) front_door: &'a dyn FrontDoor,
    pub(super) medium: Arc<Medium>,
    pub(super) banks: Banks,
    /// The bank that the service is configured with.
    pub(super) bank: WhichBank,
    /// How many restarts were tried.
    pub(super) restarts: u64,
    pub(super) life: Option<Life>,
    pub(super) lives: u32,
    pub(super) queue: BinaryHeap<Planned>,
    planned: u64,
    pub(super) clients: Clients,
    /// The version that someone had already seen when each request arrived.
    pub(super) floors: BTreeMap<Message, u64>,
    pub(super) restarting: bool,
    pub(super) dying: bool,
    pub(super) healed: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(
        plan: Plan,
        sabotage: Option<Sabotage>,
        front_door: &'a dyn FrontDoor,
        in_words: bool,
    ) -> Self {
        let ground = Ground::new(plan, sabotage, in_words);
        let plan = &ground.plan;
        let clients = Clients::new(plan);
        let medium = Medium::default();
        medium.set_flaw(match sabotage {
            Some(Sabotage::FrameUnsynced) => Some(Flaw::FrameUnsynced),
            Some(Sabotage::EndTooEarly) => Some(Flaw::EndTooEarly),
            Some(Sabotage::IndexAhead) => Some(Flaw::IndexAhead),
            Some(Sabotage::IndexStale) => Some(Flaw::IndexStale),
            Some(Sabotage::SegmentReused) => Some(Flaw::SegmentReused),
            _ => None,
        });
        let mut world = Self {
            front_door,
            medium: Arc::new(medium),
            banks: Banks::new(&ground),
            bank: WhichBank::Usual,
            restarts: 0,
            life: None,
            lives: 0,
            queue: BinaryHeap::new(),
            planned: 0,
            clients,
            floors: BTreeMap::new(),
            restarting: false,
            dying: false,
            healed: false,
            ground,
        };
        world.schedule();
        world.begin_life(&Merchant::default_merchant());
        world
    }

    /// The name of the bank that the service is configured with.
    pub(super) fn bank_in_force(&self) -> &BankName {
        self.banks.get(self.bank).name()
    }

    fn schedule(&mut self) {
        let ground = self.ground.clone();
        let plan = &ground.plan;
        for operation in &plan.operations {
            for copy in 0..operation.policy.copies.max(1) {
                let at_ms = operation.at_ms + u64::from(copy) * operation.policy.copy_gap_ms;
                let message = Message {
                    operation: operation.id,
                    attempt: 0,
                    copy,
                };
                self.plan(at_ms, Event::Send(message));
            }
        }
        for at_ms in &plan.crashes.at_ms {
            self.plan(*at_ms, Event::Crash);
        }
        for at_ms in &plan.stops {
            self.plan(*at_ms, Event::Stop);
        }
        for (at_ms, by_ms) in &plan.jumps {
            self.plan(*at_ms, Event::Jump(*by_ms));
        }
        self.plan(plan.heal_ms, Event::Heal);
    }

    pub(super) fn plan(&mut self, at_ms: u64, event: Event) {
        self.planned += 1;
        self.queue
            .push(Planned(Reverse((at_ms, self.planned)), event));
    }

    /// Plans an event relative to now.
    pub(super) fn plan_in(&mut self, in_ms: u64, event: Event) {
        self.plan(self.ground.now_ms() + in_ms, event);
    }

    /// Runs until no events are left, or an invariant is broken.
    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    /// Runs until `done`, or until the time limit.
    pub(super) fn run_until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) {
        while !self.is_violated() && self.ground.now_ms() < limit_ms {
            if !self.step_until(Some(limit_ms), &done) {
                break;
            }
        }
    }

    fn step(&mut self) -> bool {
        self.step_until(None, &|_| false)
    }

    /// Runs the next event. Returns whether there was one.
    fn step_until(&mut self, limit_ms: Option<u64>, done: &impl Fn(&Self) -> bool) -> bool {
        if self.is_violated() || done(self) {
            return false;
        }
        let next_ms = self
            .queue
            .peek()
            .map(|Planned(Reverse((at_ms, _)), _)| *at_ms);
        let Some(until_ms) = next_ms.or(limit_ms) else {
            return false;
        };
        let until_ms = limit_ms.map_or(until_ms, |limit_ms| until_ms.min(limit_ms));
        if until_ms > self.ground.now_ms() || next_ms.is_none() {
            match &self.life {
                Some(life) => life.advance(until_ms),
                None => self.ground.set_now(until_ms),
            }
            self.look();
        }
        let due = self
            .queue
            .peek()
            .is_some_and(|Planned(Reverse((at_ms, _)), _)| *at_ms <= self.ground.now_ms());
        if due && let Some(Planned(_, event)) = self.queue.pop() {
            self.happen(event);
        }
        true
    }

    pub(super) fn is_violated(&self) -> bool {
        self.ground.lock().auditor.violation.is_some()
    }

    /// Takes over everything that the service produced.
    fn look(&mut self) {
        let (answers, late, crash, stopped, flipped) = {
            let mut state = self.ground.lock();
            (
                std::mem::take(&mut state.answers),
                std::mem::take(&mut state.late),
                state.crash,
                state.stopped,
                std::mem::take(&mut state.flipped),
            )
        };
        for (at_ms, which, deferred) in late {
            self.plan(at_ms, Event::Late(which, deferred));
        }
        for answer in answers {
            self.answered(answer);
        }
        if let Some(point) = crash {
            self.crash(Some(point));
        } else if stopped {
            self.die("stopped in order");
        } else if let Some(life) = &self.life
            && life.service.failure().is_set()
            && !self.dying
        {
            self.dying = true;
            self.plan_in(LAST_WORDS_MS, Event::Die);
        } else if flipped && !self.dying {
            let mut state = self.ground.lock();
            let detail = "a damaged record was read, and the service continues";
            state.auditor.violated(Invariant::StopsLoudly, None, detail);
        }
        self.watch_life();
    }

    fn watch_life(&mut self) {
        let Some(life) = &self.life else {
            return;
        };
        if life.service.metrics().breaker_open.get() > 0 {
            self.ground.lock().happened(Sometimes::BreakerOpened);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Send(message) => self.send(message),
            Event::Arrive(message) => self.arrive(message),
            Event::Reset(message) => self.reset(message),
            Event::Hear(answer) => self.hear(&answer),
            Event::TimeUp(message) => self.time_up(message),
            Event::Late(which, deferred) => self.late(which, &deferred),
            Event::Crash if !self.healed => self.crash(None),
            Event::Stop if !self.healed => self.stop(),
            Event::Jump(by_ms) if !self.healed => {
                self.ground.jump(by_ms);
                self.ground.note(Track::World, None, by_ms, || {
                    format!("the wall clock jumps by {by_ms} ms")
                });
            }
            Event::Crash | Event::Stop | Event::Jump(_) => {}
            Event::Restart => self.restart(),
            Event::Die => {
                if self.dying || self.life.as_ref().is_some_and(|life| life.stopping) {
                    self.die("ends");
                }
            }
            Event::Heal => self.heal(),
        }
    }

    fn late(&mut self, which: WhichBank, deferred: &Deferred) {
        self.banks.get(which).bank().process_late(deferred);
        let debits = self.banks.debits_of(deferred.reference());
        let mut state = self.ground.lock();
        state.happened(Sometimes::LateProcessing);
        let key = state.auditor.key_of_reference(deferred.reference());
        let standing = key
            .and_then(|key| state.auditor.of_key(key))
            .map(Known::standing);
        if standing.is_some_and(|standing| {
            standing.is_final() || standing == Standing::Called(Phase::Review)
        }) {
            state.happened(Sometimes::LateAfterReview);
        }
        state.auditor.processed(deferred.amount(), debits);
        drop(state);
        self.ground.note(Track::Bank, key, debits, || {
            "processes a charge after its caller gave up".to_owned()
        });
    }

    fn heal(&mut self) {
        self.healed = true;
        self.ground.lock().healed = true;
        self.banks.heal();
        self.ground
            .note(Track::World, None, 0, || "all faults end".to_owned());
    }

    /// Whether the network misbehaves.
    pub(super) fn network_is_faulty(&self) -> bool {
        !self.healed && self.ground.plan.families.contains(&Family::Network)
    }
}
