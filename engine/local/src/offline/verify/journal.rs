//! Checks the journal by replaying it, and the records against the result.

use holdfast_core::journal::{Head, ReplayError, Replayed};
use holdfast_core::record::{Chunk, Record, Stored, sequence_key};
use holdfast_core::{JournalEntry, Operation, OperationId, OperationKey};

use super::verifier::{
    Ahead, BALANCE_WRONG, DAMAGED, Phase, RECORD_LOST, RECORD_WRONG, REWRITTEN, Verifier,
};
use crate::error::printable;
use crate::format;
use crate::values::stored_in;

impl Verifier<'_> {
    pub(super) fn journal(&mut self, total: u64) {
        let journal = self.journal;
        for item in journal.chunks(1) {
            let (first, bytes) = match item {
                Ok(item) => item,
                Err(error) => {
                    let problem = causes(&error);
                    self.find("journal", "?", problem, DAMAGED);
                    break;
                }
            };
            let chunk = match Chunk::decode(&sequence_key(first), &bytes) {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.find("journal", first.to_string(), error.to_string(), DAMAGED);
                    continue;
                }
            };
            let here = Head {
                sequence: first.saturating_sub(1),
                digest: chunk.previous.unwrap_or(self.replay.digest()),
            };
            if here.sequence != self.replay.head().sequence {
                let problem = format!(
                    "entries {} and on are missing",
                    self.replay.head().sequence + 1
                );
                self.find("journal", first.to_string(), problem, REWRITTEN);
            } else if here.digest != self.replay.digest() {
                let problem = "the digest of the entry before it does not match";
                self.find("journal", first.to_string(), problem, REWRITTEN);
            }
            self.replay.go_on_after(here);
            for (sequence, linked) in (first..).zip(chunk.entries) {
                self.entry(sequence, linked.previous, &linked.entry);
                self.report.entries += 1;
                self.tell(Phase::Journal, self.report.entries, total);
            }
        }
        self.report.head = self.replay.head();
    }

    fn entry(&mut self, sequence: u64, previous: Option<u64>, entry: &JournalEntry) {
        let id = entry.operation_id;
        let known = self.open.get(&id).copied();
        match self.replay.apply(sequence, entry) {
            Err(error) => {
                let meaning = match error {
                    ReplayError::Ledger { .. } => BALANCE_WRONG,
                    _ => REWRITTEN,
                };
                self.find("journal", sequence.to_string(), error.to_string(), meaning);
                return;
            }
            Ok(Replayed::Note(_)) => {
                if entry.is_contradiction() {
                    self.notes.insert(sequence, entry.merchant.clone());
                    self.report.contradictions += 1;
                }
                self.follow_up(id, sequence, previous);
                return;
            }
            Ok(Replayed::Open(_)) => {
                let admitted = known.map_or(sequence, |(_, admitted)| admitted);
                self.open.insert(id, (sequence, admitted));
            }
            Ok(Replayed::Finished(payment)) => {
                let admitted = known.map_or(sequence, |(_, admitted)| admitted);
                self.open.remove(&id);
                if entry.leaves_open() {
                    self.watched.insert(id, admitted);
                }
                self.record(&payment, sequence, true);
            }
        }
        if let Some(admission) = &entry.admission {
            self.report.payments += 1;
            let storage_key = format::record_key(&OperationKey {
                merchant: entry.merchant.clone(),
                idempotency_key: admission.idempotency_key.clone(),
            });
            self.admitted.add(&storage_key, id);
        }
        if previous != known.map(|(latest, _)| latest) {
            let problem = format!("payment {id}: its link to the entry before leads elsewhere");
            self.find("journal", sequence.to_string(), problem, REWRITTEN);
        }
    }

    /// A note extends the history of a finished payment. The record points to its last entry.
    fn follow_up(&mut self, id: OperationId, sequence: u64, previous: Option<u64>) {
        self.watched.remove(&id);
        let Some(ahead) = self.ahead.get_mut(&id) else {
            let problem = format!("payment {id} has the entry {sequence}, beyond its latest");
            return self.find("payments", id.to_string(), problem, RECORD_WRONG);
        };
        let linked = previous == Some(ahead.latest);
        ahead.latest = sequence;
        if ahead.told == sequence {
            self.ahead.remove(&id);
        }
        if !linked {
            let problem = format!("payment {id}: its link to the entry before leads elsewhere");
            self.find("journal", sequence.to_string(), problem, REWRITTEN);
        }
    }

    pub(super) fn open_payments(&mut self) {
        let open: Vec<Operation> = self.replay.all_open().cloned().collect();
        self.report.unfinished = open.len() as u64;
        for payment in open {
            let latest = self.open.get(&payment.id).map_or(0, |(latest, _)| *latest);
            self.record(&payment, latest, false);
        }
        let ahead: Vec<_> = self.ahead.drain().collect();
        for (id, Ahead { told, latest }) in ahead {
            let problem = format!("its latest entry is {latest}, but the record says {told}");
            self.find("payments", id.to_string(), problem, RECORD_WRONG);
        }
    }

    /// Checks a record against the payment that the journal leads to.
    fn record(&mut self, payment: &Operation, latest: u64, finished: bool) {
        let storage_key = format::record_key(&payment.key);
        let shown = printable(&storage_key);
        let stored = match stored_in(self.trees, &storage_key) {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                let problem = format!("no record of payment {}", payment.id);
                return self.find("payments", shown, problem, RECORD_LOST);
            }
            Err(error) => return self.find("payments", shown, causes(&error), DAMAGED),
        };
        let told = stored.tip().last_sequence;
        if told > latest && finished {
            self.ahead.insert(payment.id, Ahead { told, latest });
        } else if told != latest {
            let problem = format!("its latest entry is {latest}, but the record says {told}");
            self.find("payments", shown.clone(), problem, RECORD_WRONG);
        }
        let expected = Record::of(payment, told);
        let problem = match stored {
            Stored::Tip(tip) if tip == expected.tip() && payment.is_finished() => return,
            Stored::Record(record) if record == expected => return,
            Stored::Tip(tip) => format!(
                "is payment {} in version {}, but the journal leads to {} {} in version {}",
                tip.id,
                tip.version,
                payment.state.name(),
                payment.id,
                payment.version,
            ),
            Stored::Record(record) => {
                let standing = record.into_operation(payment.key.clone());
                format!(
                    "is {} in version {}, but the journal leads to {} in version {}{}",
                    standing.state.name(),
                    standing.version,
                    payment.state.name(),
                    payment.version,
                    if standing.request == payment.request {
                        ""
                    } else {
                        ", and to another request"
                    },
                )
            }
        };
        self.find("payments", shown, problem, RECORD_WRONG);
    }
}

/// An error and what caused it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
