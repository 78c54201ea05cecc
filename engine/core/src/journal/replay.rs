//! Rebuilds payments and balances from the journal alone, and reports entries that cannot be right.
//!
//! Architecture invariant: this room does no IO and does not trust its input. It keeps only the open payments and one
//! balance per account in memory, however long the journal is.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{Digest, Head};
use super::entry::JournalEntry;
use crate::codec::EncodeError;
use crate::ids::{BankName, OperationId};
use crate::ledger::{Book, LedgerError, MovementKind};
use crate::operation::{Operation, OperationKey, StateName};
use crate::tenure::Tenure;

/// The state that a journal leads to.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    head: Head,
    open: BTreeMap<OperationId, Operation>,
    /// Payments that an operator finished and whose bank is still watched.
    watched: BTreeMap<OperationId, OperationKey>,
    /// The banks that attempts were sent to.
    banks: BTreeSet<BankName>,
    /// The highest tenure that an attempt was sent in.
    tenure: Tenure,
    book: Book,
}

/// The effect of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The payment is still unfinished.
    Open(OperationId),
    /// The payment is finished with this entry; it is not kept.
    Finished(Box<Operation>),
    /// The entry notes something about a payment that was finished before.
    Note(OperationId),
}

/// Why an entry cannot follow the ones before it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its sequence is not the next one.
    #[error("expected sequence {expected}, found {found}: entries are missing or were inserted")]
    Gap {
        /// The next one.
        expected: u64,
        /// The one found.
        found: u64,
    },
    /// It continues a payment that no earlier entry admitted, or that is finished.
    #[error(
        "payment {0} is not open at this entry: its admission is missing, or it is already finished"
    )]
    NotOpen(OperationId),
    /// It admits a payment that is already open.
    #[error("payment {0} is admitted twice")]
    AdmittedTwice(OperationId),
    /// The state machine never makes such an entry.
    #[error("payment {operation_id}: {problem}")]
    Shape {
        /// Whose entry.
        operation_id: OperationId,
        /// What is wrong.
        problem: &'static str,
    },
    /// Its movement does not fit the balances.
    #[error("payment {operation_id}: {source}")]
    Ledger {
        /// Whose entry.
        operation_id: OperationId,
        /// Why.
        source: LedgerError,
    },
    /// It cannot be encoded, so it has no digest.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Replay {
    /// Takes the next entry.
    ///
    /// # Errors
    /// When the entry cannot follow. It is then skipped as far as possible, so that the entries after it are still
    /// checked.
    pub fn apply(&mut self, sequence: u64, entry: &JournalEntry) -> Result<Replayed, ReplayError> {
        let expected = self.head.sequence + 1;
        self.head = Head {
            sequence,
            digest: self.head.digest.after(sequence, entry)?,
        };
        if sequence != expected {
            let found = sequence;
            return Err(ReplayError::Gap { expected, found });
        }
        if entry.cause.is_note() {
            self.watched.remove(&entry.operation_id);
            return note(entry);
        }
        if let Some(bank) = entry.to.sent_to()
            && !self.banks.contains(bank)
        {
            self.banks.insert(bank.clone());
        }
        self.tenure = self.tenure.max(entry.to.sent_in().unwrap_or_default());
        let payment = self.next(entry)?;
        check_movement(&payment, entry)?;
        if let Some(movement) = &entry.movement {
            let moved = self.book.apply(&entry.merchant, movement);
            let operation_id = entry.operation_id;
            moved.map_err(|source| ReplayError::Ledger {
                operation_id,
                source,
            })?;
        }
        if payment.is_finished() {
            self.open.remove(&payment.id);
            if entry.leaves_open() {
                self.watched.insert(payment.id, payment.key.clone());
            }
            return Ok(Replayed::Finished(Box::new(payment)));
        }
        let id = payment.id;
        self.open.insert(id, payment);
        Ok(Replayed::Open(id))
    }

    /// The payment after an entry.
    fn next(&self, entry: &JournalEntry) -> Result<Operation, ReplayError> {
        operation_after(self.open.get(&entry.operation_id), entry)
    }

    /// Continues after a different entry: used where damage was found and reported.
    pub const fn go_on_after(&mut self, head: Head) {
        self.head = head;
    }

    /// The end of the chain so far.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The digest before the next entry.
    pub const fn digest(&self) -> Digest {
        self.head.digest
    }

    /// A payment that is open.
    pub fn open(&self, id: OperationId) -> Option<&Operation> {
        self.open.get(&id)
    }

    /// The key of a payment that needs more work: it is open, or its bank is watched.
    pub fn unfinished(&self, id: OperationId) -> Option<&OperationKey> {
        let open = self.open.get(&id).map(|payment| &payment.key);
        open.or_else(|| self.watched.get(&id))
    }

    /// The banks that attempts were sent to, if the entries name them.
    pub const fn banks(&self) -> &BTreeSet<BankName> {
        &self.banks
    }

    /// The highest tenure that an attempt was sent in, if the entries name them.
    pub const fn tenure(&self) -> Tenure {
        self.tenure
    }

    /// All payments that are watched.
    pub fn all_watched(&self) -> impl Iterator<Item = (OperationId, &OperationKey)> {
        self.watched.iter().map(|(id, key)| (*id, key))
    }

    /// All payments that are open, oldest first.
    pub fn all_open(&self) -> impl Iterator<Item = &Operation> {
        self.open.values()
    }

    /// The balances.
    pub const fn book(&self) -> &Book {
        &self.book
    }
}

/// The operation after an entry that is no note, from the operation before it: `None` before its admission.
///
/// # Errors
/// When the entry cannot follow.
pub fn operation_after(
    before: Option<&Operation>,
    entry: &JournalEntry,
) -> Result<Operation, ReplayError> {
    if let Some(admission) = &entry.admission {
        if before.is_some() {
            return Err(ReplayError::AdmittedTwice(entry.operation_id));
        }
        let key = OperationKey {
            merchant: entry.merchant.clone(),
            idempotency_key: admission.idempotency_key.clone(),
        };
        let received = Operation {
            bank: admission.bank.clone(),
            ..Operation::received(entry.operation_id, key, admission.request.clone(), entry.at)
        };
        return follow(&received, entry);
    }
    let before = before.ok_or(ReplayError::NotOpen(entry.operation_id))?;
    follow(before, entry)
}

fn shape(entry: &JournalEntry, problem: &'static str) -> ReplayError {
    let operation_id = entry.operation_id;
    ReplayError::Shape {
        operation_id,
        problem,
    }
}

fn note(entry: &JournalEntry) -> Result<Replayed, ReplayError> {
    let fits = entry.from == Some(entry.to.name())
        && entry.to.name().is_final()
        && entry.movement.is_none()
        && entry.admission.is_none();
    if fits {
        Ok(Replayed::Note(entry.operation_id))
    } else {
        Err(shape(entry, "a note about a payment that is not finished"))
    }
}

fn follow(before: &Operation, entry: &JournalEntry) -> Result<Operation, ReplayError> {
    let from = before.state.name();
    let told = entry.from.unwrap_or(StateName::Received);
    if told != from || entry.merchant != before.key.merchant {
        return Err(shape(
            entry,
            "it begins from another state than the payment is in",
        ));
    }
    if !from.may_become(entry.to.name()) {
        return Err(shape(
            entry,
            "no transition leads from its state to the next",
        ));
    }
    if entry.version != before.version + 1 {
        return Err(shape(entry, "its version is not the next one"));
    }
    if entry.attempts < before.attempts || entry.attempts > before.attempts + 1 {
        return Err(shape(entry, "its number of attempts does not follow"));
    }
    Ok(Operation {
        state: entry.to.clone(),
        attempts: entry.attempts,
        version: entry.version,
        updated_at: entry.at,
        ..before.clone()
    })
}

/// Each payment holds once at its admission, and posts or voids once at its end.
fn check_movement(payment: &Operation, entry: &JournalEntry) -> Result<(), ReplayError> {
    let kind = match payment.state.name() {
        StateName::Received | StateName::BankCalled => None,
        StateName::Persisted => Some(MovementKind::Hold),
        StateName::Settled => Some(MovementKind::Post),
        StateName::Failed => Some(MovementKind::Void),
    };
    let expected = kind.map(|kind| payment.request.movement(kind));
    if entry.movement == expected {
        Ok(())
    } else {
        Err(shape(
            entry,
            "its movement does not fit its state and request",
        ))
    }
}
