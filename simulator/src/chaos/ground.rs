//! Everything that survives a crash of the service: time, the auditor, and the charges that have not reached the bank
//! yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_core::{BankName, Phase, Timestamp};
use holdfast_engine::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::auditor::{Auditor, Known, Standing};
use super::message::Answer;
use super::moments::{Moments, Sometimes};
use super::plan::Plan;
use super::random::Draw;
use super::sabotage::Sabotage;
use super::trace::{Trace, Track, Words};
use super::which_bank::WhichBank;
use crate::store::CrashPoint;
use holdfast_bank_simulator::Deferred;

/// The start of the wall clock: 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// The part of a world that survives every life of the service.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) plan: Plan,
    pub(super) sabotage: Option<Sabotage>,
    /// Virtual milliseconds, as the bank keeps them too.
    pub(super) time: Arc<AtomicU64>,
    /// Ends a wait of the world early.
    pub(super) wake: Notify,
    state: Mutex<GroundState>,
}

/// Its changing part.
#[derive(Debug)]
pub(super) struct GroundState {
    pub(super) auditor: Auditor,
    pub(super) moments: Moments,
    pub(super) trace: Trace,
    /// How often each fault was injected, besides the bank's.
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// Delayed charges: when, at which bank, and which charge.
    pub(super) late: Vec<(u64, WhichBank, Deferred)>,
    pub(super) answers: Vec<Answer>,
    /// Where the process crashed, until the world has handled it.
    pub(super) crash: Option<CrashPoint>,
    /// Whether an orderly stop is complete.
    pub(super) stopped: bool,
    /// Whether a flipped bit was read in this life.
    pub(super) flipped: bool,
    pub(super) healed: bool,
    /// Keys that were unfinished when this life began.
    pub(super) recovering: BTreeSet<u32>,
    /// How far the wall clock is from the time of the world.
    skew_ms: i64,
    /// How far it was set back in all, and ahead.
    set_ms: [u64; 2],
    /// When this life began, by its own runtime and by the world.
    began: Option<(Instant, u64)>,
    pub(super) commits: u64,
    pub(super) points: u64,
    pub(super) reads: u64,
}

impl Ground {
    pub(super) fn new(plan: Plan, sabotage: Option<Sabotage>, in_words: bool) -> Arc<Self> {
        let state = GroundState {
            auditor: Auditor::new(&plan),
            moments: Moments::new(),
            trace: Trace::new(in_words),
            faults: BTreeMap::new(),
            late: Vec::new(),
            answers: Vec::new(),
            crash: None,
            stopped: false,
            flipped: false,
            healed: false,
            recovering: BTreeSet::new(),
            skew_ms: 0,
            set_ms: [0; 2],
            began: None,
            commits: 0,
            points: 0,
            reads: 0,
        };
        Arc::new(Self {
            plan,
            sabotage,
            time: Arc::new(AtomicU64::new(0)),
            wake: Notify::new(),
            state: Mutex::new(state),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, GroundState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The draws of a component.
    pub(super) fn draw(&self, stream: &str) -> Draw {
        Draw::new(self.plan.seed).stream(stream)
    }

    /// The time, as last touched.
    pub(super) fn now_ms(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    /// Sets the time while no life runs.
    pub(super) fn set_now(&self, now_ms: u64) {
        self.time.store(now_ms, Ordering::Relaxed);
        self.lock().auditor.now_ms = now_ms;
    }

    /// A life begins; its runtime must be entered.
    pub(super) fn life_begins(&self, life: u32) {
        let mut state = self.lock();
        state.began = Some((Instant::now(), self.now_ms()));
        state.auditor.life = life;
        state.crash = None;
        state.stopped = false;
        state.flipped = false;
    }

    pub(super) fn life_ends(&self) {
        self.lock().began = None;
    }

    /// Takes over the time of the life's clock. Call it only within the life's runtime.
    pub(super) fn touch(&self) -> u64 {
        let began = self.lock().began;
        if let Some((instant, base_ms)) = began {
            let elapsed = u64::try_from(instant.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.set_now(base_ms + elapsed);
        }
        self.now_ms()
    }

    /// Changes the wall clock.
    pub(super) fn jump(&self, by_ms: i64) {
        let mut state = self.lock();
        state.skew_ms += by_ms;
        if by_ms < 0 {
            state.set_ms[0] += by_ms.unsigned_abs();
            state.happened(Sometimes::ClockBack);
        } else {
            state.set_ms[1] += by_ms.unsigned_abs();
            state.happened(Sometimes::ClockForward);
        }
        let window_ms = self.plan.bank.key_window_ms.unwrap_or(0);
        if by_ms.unsigned_abs() > window_ms.max(self.plan.grace_ms) {
            state.happened(Sometimes::ClockFar);
        }
        *state.faults.entry("clock_jump").or_default() += 1;
    }

    /// Records an event in the trace.
    pub(super) fn note<W: Into<Words>>(
        &self,
        track: Track,
        key: Option<u32>,
        facts: impl std::hash::Hash,
        words: impl FnOnce() -> W,
    ) {
        let now_ms = self.now_ms();
        self.lock().trace.note(now_ms, track, key, facts, words);
    }

    pub(super) fn is_sabotaged_by(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Schedules a delayed charge at a bank.
    pub(super) fn schedule(&self, after_ms: u64, which: WhichBank, deferred: Deferred) {
        let at_ms = self.touch() + after_ms;
        self.lock().late.push((at_ms, which, deferred));
        self.wake.notify_one();
    }
}

impl GroundState {
    /// Whether a life of the service is under way.
    pub(super) const fn is_alive(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn happened(&mut self, moment: Sometimes) {
        *self.moments.entry(moment).or_default() += 1;
    }

    pub(super) fn injected(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Whether every payment is final or in review, and this bank is watched about none.
    pub(super) fn all_ended(&self, bank: &BankName) -> bool {
        let watched = |known: &Known| known.is_watched_by(bank);
        let none_watched = !self.auditor.payments.values().any(watched);
        none_watched && self.none_waits()
    }

    /// Whether every payment is final or in review.
    pub(super) fn none_waits(&self) -> bool {
        self.auditor.unfinished() == 0
            || self.auditor.payments.values().all(|known| {
                matches!(
                    known.standing(),
                    Standing::Settled | Standing::Failed(_) | Standing::Called(Phase::Review)
                )
            })
    }
}

impl Clock for Ground {
    fn now(&self) -> Timestamp {
        let now_ms = EPOCH_MS + self.touch();
        Timestamp::from_unix_ms(now_ms.saturating_add_signed(self.lock().skew_ms))
    }

    fn steady(&self) -> Duration {
        let now_ms = EPOCH_MS + self.touch();
        let [back_ms, ahead_ms] = self.lock().set_ms;
        // What is planted here follows the wall clock in one direction.
        Duration::from_millis(match self.sabotage {
            Some(Sabotage::ClockTrusted) => now_ms.saturating_sub(back_ms),
            Some(Sabotage::ClockAheadTrusted) => now_ms + ahead_ms,
            _ => now_ms,
        })
    }
}
