//! The faults of the disk, and crashes within a commit. The store asks for them at each commit and read.

use holdfast_core::{Cause, JournalEntry, OperationId, Phase, State, StateName};

use super::describe;
use super::ground::{Ground, GroundState};
use super::moments::Sometimes;
use super::plan::{Family, MediumRates};
use super::trace::{Track, Words};
use crate::store::{CommitFate, CrashPoint, MediumPlan};
use holdfast_bank_simulator::phrases::counted;

impl Ground {
    fn medium(&self) -> Option<&MediumRates> {
        let in_force = self.plan.families.contains(&Family::Medium) && !self.lock().healed;
        in_force.then_some(&self.plan.medium)
    }
}

impl GroundState {
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
        self.note(Track::Store, None, (n, writes, sync_ms, fate as u8), || {
            let text = format!(
                "commit {n}: {}, a sync of {sync_ms} ms: {}",
                counted(writes as u64, "write"),
                describe::fate(fate)
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
        // Crashes are likelier while unsynced data exists.
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
            state.trace.note(now_ms, Track::Store, key, facts, || {
                Words::durable(format!(
                    "durable: entry {sequence}, {}: {}",
                    entry.to.name(),
                    describe::cause(&entry.cause)
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
