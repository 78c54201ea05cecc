//! What outlives every life of the service: time, the auditor, what is still on its way to the bank, and the
//! faults of medium and process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use holdfast_core::{
    BankName, Cause, JournalEntry, OperationId, Phase, State, StateName, Timestamp,
};
use holdfast_engine::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::auditor::{Auditor, Standing};
use super::banks::Which;
use super::draw::Draw;
use super::plan::{Family, MediumRates, Plan};
use super::sabotage::Sabotage;
use super::sometimes::{Moments, Sometimes};
use super::trace::{Lane, Trace, Words};
use super::words;
use crate::bank::Deferred;
use crate::store::{CommitFate, CrashPoint, MediumPlan};

/// Where wall clocks begin: 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// A request on its way: operation, attempt, copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Message {
    pub(super) operation: u32,
    pub(super) attempt: u32,
    pub(super) copy: u32,
}

/// An answer as it leaves the service.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: Message,
    pub(super) status: u16,
    pub(super) replayed: bool,
    pub(super) body: Bytes,
}

/// The ground.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) plan: Plan,
    pub(super) sabotage: Option<Sabotage>,
    /// Virtual milliseconds, as the bank keeps them too.
    pub(super) time: Arc<AtomicU64>,
    /// Ends a stretch of time before its end.
    pub(super) wake: Notify,
    state: Mutex<Standpoint>,
}

/// All that changes.
#[derive(Debug)]
pub(super) struct Standpoint {
    pub(super) auditor: Auditor,
    pub(super) moments: Moments,
    pub(super) trace: Trace,
    /// How often each fault was injected, besides the bank's.
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// What reaches which bank later, and when.
    pub(super) late: Vec<(u64, Which, Deferred)>,
    pub(super) answers: Vec<Answer>,
    /// Where the process ended, until the world has seen to it.
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
    commits: u64,
    points: u64,
    reads: u64,
}

impl Ground {
    pub(super) fn new(plan: Plan, sabotage: Option<Sabotage>, in_words: bool) -> Arc<Self> {
        let state = Standpoint {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Standpoint> {
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

    /// Takes the time over from the life's own clock. Only within its runtime.
    pub(super) fn touch(&self) -> u64 {
        let began = self.lock().began;
        if let Some((instant, base_ms)) = began {
            let elapsed = u64::try_from(instant.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.set_now(base_ms + elapsed);
        }
        self.now_ms()
    }

    /// Sets the wall clock off.
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

    /// Notes something.
    pub(super) fn note<W: Into<Words>>(
        &self,
        lane: Lane,
        key: Option<u32>,
        facts: impl std::hash::Hash,
        words: impl FnOnce() -> W,
    ) {
        let now_ms = self.now_ms();
        self.lock().trace.note(now_ms, lane, key, facts, words);
    }

    pub(super) fn is_sabotaged_by(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Sees to it that a bank processes something later.
    pub(super) fn schedule(&self, after_ms: u64, which: Which, deferred: Deferred) {
        let at_ms = self.touch() + after_ms;
        self.lock().late.push((at_ms, which, deferred));
        self.wake.notify_one();
    }

    fn medium(&self) -> Option<&MediumRates> {
        let in_force = self.plan.families.contains(&Family::Medium) && !self.lock().healed;
        in_force.then_some(&self.plan.medium)
    }
}

impl Standpoint {
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
        let watched = |known: &super::auditor::Known| known.is_watched_by(bank);
        let none_watched = !self.auditor.payments.values().any(watched);
        none_watched && self.none_waits()
    }

    fn none_waits(&self) -> bool {
        self.auditor.unfinished() == 0
            || self.auditor.payments.values().all(|known| {
                matches!(
                    known.standing(),
                    Standing::Settled | Standing::Failed(_) | Standing::Called(Phase::Review)
                )
            })
    }

    fn moment_of(&mut self, entry: &JournalEntry) {
        let moment = match (&entry.cause, &entry.to) {
            (Cause::Inquiry, State::Settled { .. } | State::Failed { .. }) => {
                Sometimes::InquiryDecided
            }
            (Cause::Inquiry, State::BankCalled(called)) if called.phase == Phase::Awaiting => {
                Sometimes::ProvenUnsent
            }
            (Cause::Inquiry, _) => Sometimes::InquiryNotFound,
            (Cause::Recovery, _) => Sometimes::RecoveryClosed,
            (Cause::Timer, _) => Sometimes::Expired,
            (Cause::Cancel, _) => Sometimes::Cancelled,
            (Cause::BankAnswer, State::Failed { .. }) => Sometimes::Declined,
            (Cause::BudgetSpent, State::BankCalled(_)) => Sometimes::Reviewed,
            (Cause::Resolution { .. }, _) => Sometimes::Resolved,
            (Cause::Contradiction(_), _) => Sometimes::Contradicted,
            (Cause::WatchEnded, _) => Sometimes::WatchEnded,
            (Cause::NotSent, State::BankCalled(called)) if called.held_back > 0 => {
                Sometimes::HeldBack
            }
            _ => return,
        };
        self.happened(moment);
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

impl MediumPlan for Ground {
    fn commit(&self, writes: usize) -> (u64, CommitFate) {
        let now_ms = self.touch();
        let n = {
            let mut state = self.lock();
            state.commits += 1;
            if writes >= 8 {
                state.happened(Sometimes::BatchOfMany);
            }
            state.commits
        };
        let draw = self.draw("medium").with(n);
        let sync_ms = draw.stream("sync").between(0, self.plan.medium.sync_ms);
        let (sync_ms, fate) = match self.medium() {
            Some(rates) => {
                let full = rates
                    .full
                    .is_some_and(|(from, to)| (from..to).contains(&now_ms));
                let mut state = self.lock();
                if full {
                    state.happened(Sometimes::DiskFull);
                    state.injected("disk_full");
                    (0, CommitFate::NoRoom)
                } else if draw.stream("fails").happens(rates.fails) {
                    state.happened(Sometimes::SyncFailed);
                    state.injected("sync_failed");
                    (sync_ms, CommitFate::SyncFails)
                } else if draw.stream("slow").happens(rates.slow) {
                    state.happened(Sometimes::SyncSlow);
                    state.injected("sync_slow");
                    (
                        draw.stream("slow-ms").between(1, rates.slow_ms),
                        CommitFate::Synced,
                    )
                } else {
                    (sync_ms, CommitFate::Synced)
                }
            }
            None => (sync_ms, CommitFate::Synced),
        };
        self.note(Lane::Store, None, (n, writes, sync_ms, fate as u8), || {
            let text = format!(
                "commit {n}: {}, a sync of {sync_ms} ms: {}",
                words::counted(writes as u64, "write"),
                words::fate(fate)
            );
            Words::gave_way(text, fate != CommitFate::Synced)
        });
        (sync_ms, fate)
    }

    fn ends_at(&self, point: CrashPoint) -> bool {
        let mut state = self.lock();
        if state.healed || !self.plan.families.contains(&Family::Crash) {
            return false;
        }
        state.points += 1;
        let n = state.points;
        // Ends are likelier while something is written and not synced.
        let rate = match point {
            CrashPoint::BeforeWrite => self.plan.crashes.in_commit / 2.0,
            CrashPoint::BeforeSync => self.plan.crashes.in_commit * 1.5,
            CrashPoint::AfterSync => self.plan.crashes.in_commit,
        };
        let ends = self.draw("crash-point").with(n).happens(rate);
        if ends {
            state.crash = Some(point);
            self.wake.notify_one();
        }
        ends
    }

    fn flips(&self) -> bool {
        let rate = self.medium().map_or(0.0, |rates| rates.flips);
        let mut state = self.lock();
        state.reads += 1;
        let flips = self.draw("flip").with(state.reads).happens(rate);
        if flips {
            state.flipped = true;
            state.happened(Sometimes::BitFlipped);
            state.injected("bit_flipped");
        }
        flips
    }

    fn durable(
        &self,
        first_sequence: u64,
        entries: &[JournalEntry],
        versions: &[(OperationId, u64)],
    ) {
        let now_ms = self.touch();
        let mut state = self.lock();
        for (n, (sequence, entry)) in (first_sequence..).zip(entries).enumerate() {
            state.auditor.entry(sequence, entry);
            state.moment_of(entry);
            let sent_at_once = entries.get(n + 1).is_some_and(|next| {
                next.operation_id == entry.operation_id && next.to.name() == StateName::BankCalled
            });
            if entry.admission.is_some() && !sent_at_once {
                state.happened(Sometimes::Waited);
            }
            let key = state.auditor.payments.get(&entry.operation_id);
            let key = key.map(|known| known.key);
            let facts = (sequence, entry.version, entry.attempts, entry.to.name());
            state.trace.note(now_ms, Lane::Store, key, facts, || {
                Words::durable(format!(
                    "durable: entry {sequence}, {}: {}",
                    entry.to.name(),
                    words::cause(&entry.cause)
                ))
            });
        }
        for (id, version) in versions {
            state.auditor.recorded(*id, *version);
        }
        if state.healed && state.none_waits() {
            self.wake.notify_one();
        }
    }
}
