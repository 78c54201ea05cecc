//! Steps: legal transitions as data. A step holds the new record and journal entries, the checks of the same commit,
//! and the effect that is allowed once it is durable.

use smallvec::SmallVec;

use super::key::OperationKey;
use super::request::Request;
use super::state::Operation;
use crate::ids::BankReference;
use crate::journal::JournalEntry;
use crate::ledger::LedgerError;

/// One or more consecutive transitions of one operation, applied together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation afterwards.
    pub operation: Operation,
    /// Its journal entries with the ledger's movements, oldest first; never empty.
    pub entries: SmallVec<[JournalEntry; 1]>,
    /// The conditions that the commit checks.
    pub guards: SmallVec<[Guard; 1]>,
    /// The effect that is allowed once it is durable. Private: only a transition allows one, so nobody can put an attempt
    /// on a step that does not mark it.
    pub(super) effect: Option<Attempt>,
}

/// A condition that the commit of an admission checks. If a guard does not hold, the whole step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Both accounts have room for the movement: see [`SIDE_MAX`](crate::ledger::SIDE_MAX).
    AccountsHaveRoom,
}

/// One numbered attempt that may be sent to the bank. Only a transition makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The order that is sent.
    pub order: Order,
}

/// The order to the bank. It is the same for every attempt of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// Our reference, by which the bank can recognise a repeat.
    pub bank_reference: BankReference,
    /// The request.
    pub request: Request,
}

impl Attempt {
    /// The attempt that an operation has just been marked for.
    pub(super) fn of(operation: &Operation) -> Self {
        Self {
            number: operation.attempts,
            order: Order {
                bank_reference: operation.bank_reference(),
                request: operation.request.clone(),
            },
        }
    }
}

impl Step {
    /// The effect that is allowed once the step is durable.
    pub const fn effect(&self) -> Option<&Attempt> {
        self.effect.as_ref()
    }

    /// The step without its effect, and the effect: for the pipeline, which gives it out once the step is durable.
    pub fn into_parts(mut self) -> (Self, Option<Attempt>) {
        let effect = self.effect.take();
        (self, effect)
    }

    /// The operation's key.
    pub const fn key(&self) -> &OperationKey {
        &self.operation.key
    }

    /// The version that the stored record must have for the step to apply; 0 means that there must be no record. This
    /// is the compare of the compare-and-swap. A note about a finished operation leaves the record, and its version, as it is.
    pub fn expected_version(&self) -> u64 {
        let first = &self.entries[0];
        if first.cause.is_note() {
            first.version
        } else {
            first.version - 1
        }
    }

    /// Adds the step that follows.
    ///
    /// # Panics
    /// When `next` does not follow directly on this one: a bug in the caller.
    pub fn then(mut self, next: Self) -> Self {
        assert_eq!(next.key(), self.key(), "a step is about one operation");
        assert_eq!(
            next.expected_version(),
            self.operation.version,
            "a step is of consecutive transitions"
        );
        self.operation = next.operation;
        self.entries.extend(next.entries);
        self.guards.extend(next.guards);
        self.effect = next.effect;
        self
    }
}

/// The guard of a step that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An account has no room for the movement.
    #[error(transparent)]
    AccountFull(LedgerError),
}
