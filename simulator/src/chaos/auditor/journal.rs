//! Checks of every journal entry as it becomes durable.

use holdfast_core::journal::{Digest, Head};
use holdfast_core::{
    BankReference, Cause, FailureReason, JournalEntry, MovementKind, OperationId, Phase, Request,
    State,
};

use super::super::describe;
use super::{Auditor, Failed, Invariant, Known, Read, Standing, Wanted};
use crate::store::read_frame;

impl Auditor {
    /// Takes an entry that has just become durable.
    pub(in crate::chaos) fn entry(&mut self, sequence: u64, entry: &JournalEntry) {
        let expected = self.sequence + 1;
        self.check(sequence == expected, Invariant::Journal, None, || {
            format!("entry {sequence} follows entry {}", expected - 1)
        });
        self.sequence = sequence;
        self.digest = self
            .digest
            .after(sequence, entry)
            .unwrap_or(Digest::GENESIS);
        let after = standing_of(&entry.to);
        if let Some(admission) = &entry.admission {
            self.admitted(entry, admission.idempotency_key.as_str(), after);
            return;
        }
        let Some(known) = self.payments.get(&entry.operation_id) else {
            let detail = format!("entry {sequence} belongs to a payment that was never admitted");
            return self.violated(Invariant::Journal, None, detail);
        };
        let (key, before, version) = (Some(known.key), known.standing(), known.version());
        let (attempts, held_back) = (known.attempts, known.held_back);
        if let Cause::Contradiction(_) | Cause::WatchEnded = entry.cause {
            self.check(
                before.is_final() && after == before,
                Invariant::FinalIsFinal,
                key,
                || format!("a note on a payment that is {before} changes it to {after}"),
            );
            if let Some(known) = self.payments.get_mut(&entry.operation_id) {
                known.watched = false;
            }
            return;
        }
        self.check(!before.is_final(), Invariant::FinalIsFinal, key, || {
            format!("{after} follows {before}, in entry {sequence}")
        });
        self.check(
            entry.version == version + 1,
            Invariant::LegalEdges,
            key,
            || format!("version {} follows version {version}", entry.version),
        );
        self.check(
            is_edge(before, after, &entry.cause),
            Invariant::LegalEdges,
            key,
            || {
                let cause = describe::cause(&entry.cause);
                format!("from {before} to {after}: {cause}")
            },
        );
        self.bounds(entry, key, (attempts, held_back));
        self.moved(entry, after);
        let finished_in = after.is_final().then_some(self.life);
        let known = self
            .payments
            .get_mut(&entry.operation_id)
            .expect("looked up above");
        known.standings.push(after);
        known.attempts = entry.attempts;
        known.resolved |= matches!(entry.cause, Cause::Resolution { .. });
        known.watched |= matches!(entry.cause, Cause::Resolution { watched: true, .. });
        if let State::BankCalled(called) = &entry.to {
            known.held_back = called.held_back;
        }
        if known.finished_in.is_none() {
            known.finished_in = finished_in;
        }
        self.unfinished -= usize::from(after.is_final() && !before.is_final());
    }

    fn admitted(&mut self, entry: &JournalEntry, key: &str, after: Standing) {
        let number = key
            .strip_prefix("key-")
            .and_then(|number| number.parse().ok());
        let Some(key) = number else {
            let detail = format!("no client uses the key \"{key}\"");
            return self.violated(Invariant::Journal, None, detail);
        };
        let fresh = !self.by_key.contains_key(&key) && entry.version == 1;
        self.check(fresh, Invariant::OneDebit, Some(key), || {
            "the key was admitted a second time".to_owned()
        });
        self.check(
            after == Standing::Persisted && entry.from.is_none() && entry.cause == Cause::Request,
            Invariant::LegalEdges,
            Some(key),
            || format!("admitted as {after}: {}", describe::cause(&entry.cause)),
        );
        let Request::Payment(request) = &entry
            .admission
            .as_ref()
            .expect("the caller has seen it")
            .request;
        let wanted = [Wanted::of(key, 0), Wanted::of(key, 1)]
            .into_iter()
            .find(|wanted| {
                request.amount().minor_units() == wanted.amount
                    && request.currency().code() == wanted.currency
                    && request.debtor().as_str() == wanted.debtor
                    && request.creditor().as_str() == wanted.creditor
            });
        let Some(wanted) = wanted else {
            let detail = "no client made the stored request";
            return self.violated(Invariant::AnswerMatchesRequest, Some(key), detail);
        };
        let id = entry.operation_id;
        self.by_key.insert(key, id);
        self.by_reference
            .insert(BankReference::of(id).to_string(), id);
        self.payments.insert(
            id,
            Known {
                key,
                wanted,
                standings: vec![after],
                attempts: 0,
                held_back: 0,
                bank: entry
                    .admission
                    .as_ref()
                    .and_then(|admission| admission.bank.clone()),
                resolved: false,
                watched: false,
                moved: [0; 3],
                frozen: None,
                shown: 0,
                finished_in: None,
            },
        );
        self.unfinished += 1;
        self.moved(entry, after);
    }

    /// A record became durable: the journal must lead to its version.
    pub(in crate::chaos) fn recorded(&mut self, id: OperationId, version: u64) {
        let known = self.payments.get(&id);
        let (key, led_to) = known.map_or((None, 0), |known| (Some(known.key), known.version()));
        self.check(led_to == version, Invariant::Journal, key, || {
            format!("the record has version {version}, but the journal leads to {led_to}")
        });
    }

    fn bounds(
        &mut self,
        entry: &JournalEntry,
        key: Option<u32>,
        (attempts, held_back): (u32, u32),
    ) {
        let expected = attempts + u32::from(entry.cause == Cause::Dispatch);
        // An attempt that was held back was never sent.
        let most = self.bounds.attempts + held_back;
        self.check(
            entry.attempts == expected && expected <= most,
            Invariant::Bounds,
            key,
            || {
                format!(
                    "{} attempts after {attempts}, at most {most}",
                    entry.attempts
                )
            },
        );
        if let State::BankCalled(called) = &entry.to {
            let most = self.bounds.inquiries;
            self.check(called.inquiries <= most, Invariant::Bounds, key, || {
                format!("{} inquiries, at most {most}", called.inquiries)
            });
            if let Some(due) = called.next_at {
                let (wait, most) = (due.ms_since(entry.at), self.bounds.wait_ms);
                self.check(wait <= most, Invariant::Bounds, key, || {
                    format!("waits {wait} ms, at most {most}")
                });
            }
        }
    }

    /// Each payment holds on admission, then posts when it settles or voids when it fails.
    fn moved(&mut self, entry: &JournalEntry, after: Standing) {
        let known = &self.payments[&entry.operation_id];
        let (key, wanted) = (Some(known.key), known.wanted.clone());
        let expected = match (&entry.admission, after) {
            (Some(_), _) => Some(MovementKind::Hold),
            (None, Standing::Settled) => Some(MovementKind::Post),
            (None, Standing::Failed(_)) => Some(MovementKind::Void),
            (None, Standing::Persisted | Standing::Called(_)) => None,
        };
        let kind = entry.movement.as_ref().map(|movement| movement.kind);
        self.check(kind == expected, Invariant::Ledger, key, || {
            format!(
                "the ledger moves {} on becoming {after}",
                describe::moves(kind)
            )
        });
        let Some(movement) = &entry.movement else {
            return;
        };
        let amount = movement.amount.minor_units();
        self.check(
            amount == wanted.amount
                && movement.debit.as_str() == wanted.debtor
                && movement.credit.as_str() == wanted.creditor
                && movement.currency.code() == wanted.currency,
            Invariant::Ledger,
            key,
            || format!("{} for {wanted}", describe::movement(movement)),
        );
        let known = self
            .payments
            .get_mut(&entry.operation_id)
            .expect("looked up above");
        known.moved[movement.kind as usize] += 1;
        let moved = known.moved;
        self.check(
            moved.iter().all(|times| *times <= 1),
            Invariant::Ledger,
            key,
            || {
                let [held, posted, voided] = moved;
                format!("times held: {held}, posted: {posted}, voided: {voided}")
            },
        );
        for (account, pending, posted) in [(wanted.debtor, 0, 1), (wanted.creditor, 2, 3)] {
            let place = (account, wanted.currency.to_owned());
            let sums = self.balances.entry(place).or_default();
            match movement.kind {
                MovementKind::Hold => sums[pending] += amount,
                MovementKind::Post => {
                    sums[pending] = sums[pending].saturating_sub(amount);
                    sums[posted] += amount;
                }
                MovementKind::Void => sums[pending] = sums[pending].saturating_sub(amount),
            }
        }
    }

    /// A new life begins: what is on the medium must be all that ever was durable. What it has beyond
    /// that was never told to anyone, and counts from now on.
    pub(in crate::chaos) fn reopened(&mut self, journal: &[JournalEntry], frames: &[Vec<u8>]) {
        let there = journal.len() as u64;
        let known = self.sequence;
        self.check(there >= known, Invariant::AcknowledgedStays, None, || {
            format!("{there} entries are left of {known}")
        });
        if there < known {
            return;
        }
        for (sequence, entry) in (known + 1..).zip(&journal[usize::try_from(known).unwrap_or(0)..])
        {
            self.entry(sequence, entry);
        }
        self.new_frames(frames);
    }

    /// Reads all durable bytes once more.
    pub(in crate::chaos) fn all_frames(&mut self, frames: &[Vec<u8>]) {
        self.read = Read::default();
        self.new_frames(frames);
    }

    /// Reads the durable bytes that were not read yet as a stranger would, and follows the chain.
    fn new_frames(&mut self, frames: &[Vec<u8>]) {
        let known = self.read.frames;
        let Head {
            mut sequence,
            mut digest,
        } = self.read.end;
        for frame in frames.get(known..).unwrap_or_default() {
            let Some(chunks) = read_frame(sequence + 1, frame) else {
                let detail = format!("the bytes after entry {sequence} cannot be read");
                return self.violated(Invariant::AcknowledgedStays, None, detail);
            };
            for chunk in chunks {
                let linked = chunk.previous == Some(digest);
                self.check(linked, Invariant::Journal, None, || {
                    format!("the chain is broken after entry {sequence}")
                });
                for linked in &chunk.entries {
                    sequence += 1;
                    let next = digest.after(sequence, &linked.entry);
                    digest = next.unwrap_or(Digest::GENESIS);
                }
            }
        }
        self.read = Read {
            frames: frames.len(),
            end: Head { sequence, digest },
        };
        let (expected, last) = (self.digest, self.sequence);
        self.check(
            digest == expected && sequence == last,
            Invariant::AcknowledgedStays,
            None,
            || format!("{sequence} entries can be read, and {last} were durable"),
        );
    }
}

fn standing_of(state: &State) -> Standing {
    match state {
        State::Received | State::Persisted => Standing::Persisted,
        State::BankCalled(called) => Standing::Called(called.phase),
        State::Settled { .. } => Standing::Settled,
        State::Failed { reason, .. } => Standing::Failed(match reason {
            FailureReason::Declined { .. }
            | FailureReason::Cancelled
            | FailureReason::Expired
            | FailureReason::NotSent => Failed::Uncharged,
            FailureReason::Resolved => Failed::Resolved,
        }),
    }
}

/// The legal transitions of the state machine, with the causes that each may have.
fn is_edge(before: Standing, after: Standing, cause: &Cause) -> bool {
    use Phase::{Awaiting, Review, Unknown};
    use Standing::{Called, Failed as Fails, Persisted, Settled};
    match (before, after) {
        (Persisted, Called(Awaiting)) => *cause == Cause::Dispatch,
        (Persisted, Fails(Failed::Uncharged)) => matches!(cause, Cause::Cancel | Cause::Timer),
        (Called(Awaiting), Called(Awaiting)) => matches!(cause, Cause::NotSent | Cause::Dispatch),
        (Called(Awaiting), Called(Unknown)) => matches!(
            cause,
            Cause::NotSent | Cause::NoAnswer | Cause::Known | Cause::Recovery
        ),
        (Called(Unknown), Called(Unknown)) => *cause == Cause::Inquiry,
        (Called(Unknown), Called(Awaiting)) => matches!(cause, Cause::Inquiry | Cause::Dispatch),
        (Called(Unknown), Called(Review)) => *cause == Cause::BudgetSpent,
        (Called(_), Settled) => matches!(
            cause,
            Cause::BankAnswer | Cause::Inquiry | Cause::Resolution { .. }
        ),
        (Called(_), Fails(Failed::Uncharged)) => {
            matches!(
                cause,
                Cause::BankAnswer | Cause::Inquiry | Cause::BudgetSpent
            )
        }
        (Called(Unknown | Review), Fails(Failed::Resolved)) => {
            matches!(cause, Cause::Resolution { .. })
        }
        _ => false,
    }
}
