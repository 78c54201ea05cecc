//! Rebuilding payments and balances from the journal alone, and telling where it makes no sense.
//!
//! Architecture invariant: this room does no IO and trusts nothing it is given. Memory holds the
//! payments that are open and one balance per account, however long the journal.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{Digest, Head};
use crate::codec::EncodeError;
use crate::ledger::{Book, LedgerError};
use crate::payment::{
    BankName, JournalEntry, Movement, MovementKind, Payment, PaymentId, PaymentKey, StateName,
};

/// The state that a journal leads to.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    head: Head,
    open: BTreeMap<PaymentId, Payment>,
    /// Finished by an operator; the bank is still asked what it says of them.
    watched: BTreeMap<PaymentId, PaymentKey>,
    /// The banks that attempts were sent to.
    banks: BTreeSet<BankName>,
    book: Book,
}

/// What an entry came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The payment is unfinished still.
    Open(PaymentId),
    /// The payment is finished with this entry; it is not kept.
    Finished(Box<Payment>),
    /// The entry notes something about a payment that was finished before.
    Note(PaymentId),
}

/// An entry that cannot follow on those before it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its sequence is not the next one.
    #[error("sequence {found} where {expected} should be: entries are missing or were put in")]
    Gap {
        /// The next one.
        expected: u64,
        /// The one found.
        found: u64,
    },
    /// It goes on with a payment that no entry before it admitted, or that is finished.
    #[error("payment {0} is not open here: its admission is missing, or it was finished before")]
    NotOpen(PaymentId),
    /// It admits a payment that is open already.
    #[error("payment {0} is admitted a second time")]
    AdmittedTwice(PaymentId),
    /// Its shape is none that the state machine makes.
    #[error("payment {payment_id}: {problem}")]
    Shape {
        /// Whose entry.
        payment_id: PaymentId,
        /// What is wrong.
        problem: &'static str,
    },
    /// Its movement does not fit the balances.
    #[error("payment {payment_id}: {source}")]
    Ledger {
        /// Whose entry.
        payment_id: PaymentId,
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
    /// When it cannot follow. It is passed over then, as far as it goes: what comes after is
    /// looked at all the same.
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
            self.watched.remove(&entry.payment_id);
            return note(entry);
        }
        if let Some(bank) = entry.to.sent_to()
            && !self.banks.contains(bank)
        {
            self.banks.insert(bank.clone());
        }
        let payment = self.next(entry)?;
        check_movement(&payment, entry)?;
        if let Some(movement) = &entry.movement {
            let moved = self.book.apply(&entry.merchant, movement);
            let payment_id = entry.payment_id;
            moved.map_err(|source| ReplayError::Ledger { payment_id, source })?;
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
    fn next(&self, entry: &JournalEntry) -> Result<Payment, ReplayError> {
        let before = self.open.get(&entry.payment_id);
        if let Some(admission) = &entry.admission {
            if before.is_some() {
                return Err(ReplayError::AdmittedTwice(entry.payment_id));
            }
            let key = PaymentKey {
                merchant: entry.merchant.clone(),
                idempotency_key: admission.idempotency_key.clone(),
            };
            let received = Payment {
                bank: admission.bank.clone(),
                ..Payment::received(entry.payment_id, key, admission.request.clone(), entry.at)
            };
            return follow(&received, entry);
        }
        let before = before.ok_or(ReplayError::NotOpen(entry.payment_id))?;
        follow(before, entry)
    }

    /// Goes on after another entry than the one before: where damage was found and told of.
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
    pub fn open(&self, id: PaymentId) -> Option<&Payment> {
        self.open.get(&id)
    }

    /// The key of a payment about which something is left to do: it is open, or watched.
    pub fn unfinished(&self, id: PaymentId) -> Option<&PaymentKey> {
        let open = self.open.get(&id).map(|payment| &payment.key);
        open.or_else(|| self.watched.get(&id))
    }

    /// The banks that attempts were sent to, as far as the entries name them.
    pub const fn banks(&self) -> &BTreeSet<BankName> {
        &self.banks
    }

    /// All payments that are watched.
    pub fn all_watched(&self) -> impl Iterator<Item = (PaymentId, &PaymentKey)> {
        self.watched.iter().map(|(id, key)| (*id, key))
    }

    /// All payments that are open, oldest first.
    pub fn all_open(&self) -> impl Iterator<Item = &Payment> {
        self.open.values()
    }

    /// The balances.
    pub const fn book(&self) -> &Book {
        &self.book
    }
}

fn shape(entry: &JournalEntry, problem: &'static str) -> ReplayError {
    let payment_id = entry.payment_id;
    ReplayError::Shape {
        payment_id,
        problem,
    }
}

fn note(entry: &JournalEntry) -> Result<Replayed, ReplayError> {
    let fits = entry.from == Some(entry.to.name())
        && entry.to.name().is_final()
        && entry.movement.is_none()
        && entry.admission.is_none();
    if fits {
        Ok(Replayed::Note(entry.payment_id))
    } else {
        Err(shape(entry, "a note about a payment that is not finished"))
    }
}

fn follow(before: &Payment, entry: &JournalEntry) -> Result<Payment, ReplayError> {
    let from = before.state.name();
    let told = entry.from.unwrap_or(StateName::Received);
    if told != from || entry.merchant != before.key.merchant {
        return Err(shape(
            entry,
            "it begins from another state than the payment is in",
        ));
    }
    if !is_edge(from, entry.to.name()) {
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
    Ok(Payment {
        state: entry.to.clone(),
        attempts: entry.attempts,
        version: entry.version,
        updated_at: entry.at,
        ..before.clone()
    })
}

/// Whether some transition leads from one state to another.
const fn is_edge(from: StateName, to: StateName) -> bool {
    match (from, to) {
        (StateName::Received, StateName::Persisted)
        | (StateName::Persisted, StateName::BankCalled | StateName::Failed)
        | (StateName::BankCalled, StateName::BankCalled | StateName::Settled | StateName::Failed) => {
            true
        }
        (
            StateName::Received
            | StateName::Persisted
            | StateName::BankCalled
            | StateName::Settled
            | StateName::Failed,
            StateName::Received
            | StateName::Persisted
            | StateName::BankCalled
            | StateName::Settled
            | StateName::Failed,
        ) => false,
    }
}

/// Each payment holds once at its admission, and posts or voids once at its end.
fn check_movement(payment: &Payment, entry: &JournalEntry) -> Result<(), ReplayError> {
    let kind = match payment.state.name() {
        StateName::Received | StateName::BankCalled => None,
        StateName::Persisted => Some(MovementKind::Hold),
        StateName::Settled => Some(MovementKind::Post),
        StateName::Failed => Some(MovementKind::Void),
    };
    let expected = kind.map(|kind| Movement::of(kind, &payment.request));
    if entry.movement == expected {
        Ok(())
    } else {
        Err(shape(
            entry,
            "its movement does not fit its state and request",
        ))
    }
}
