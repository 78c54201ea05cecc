//! A journal entry: one transition, with its cause and its ledger movement. The journal alone is
//! enough to rebuild every record.

use crate::ids::{BankName, OperationId};
use crate::ledger::Movement;
use crate::operation::{
    Decision, EvidenceText, IdempotencyKey, Merchant, OperatorName, Request, State, StateName,
};
use crate::time::Timestamp;

/// One transition of one payment, as it is written to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Whose payment.
    pub merchant: Merchant,
    /// Which operation.
    pub operation_id: OperationId,
    /// The payment's version after this transition.
    pub version: u64,
    /// The state before; `None` for the admission.
    pub from: Option<StateName>,
    /// The state after, with all its data.
    pub to: State,
    /// The number of attempts after.
    pub attempts: u32,
    /// What brought it about.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// What moved in the ledger.
    pub movement: Option<Movement>,
    /// Key and request, in the admission only: what no later entry repeats.
    pub admission: Option<Admission>,
}

impl JournalEntry {
    /// Whether the bank contradicted a finished payment.
    pub const fn is_contradiction(&self) -> bool {
        matches!(self.cause, Cause::Contradiction(_))
    }

    /// Whether something is left to do about the payment after this entry: it is unfinished, or an operator
    /// finished it and the bank is still asked what it says of it.
    pub const fn leaves_open(&self) -> bool {
        match self.cause {
            Cause::Resolution { watched, .. } => watched,
            Cause::Request
            | Cause::Dispatch
            | Cause::BankAnswer
            | Cause::NotSent
            | Cause::NoAnswer
            | Cause::Known
            | Cause::Inquiry
            | Cause::Recovery
            | Cause::BudgetSpent
            | Cause::Cancel
            | Cause::Timer
            | Cause::Contradiction(_)
            | Cause::WatchEnded => !self.to.name().is_final(),
        }
    }
}

/// What the admission adds to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The client's key.
    pub idempotency_key: IdempotencyKey,
    /// What was asked for.
    pub request: Request,
    /// The bank that it is for; `None` where an earlier version admitted it.
    pub bank: Option<BankName>,
}

/// What brought a transition about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A client's request was admitted.
    Request,
    /// An attempt is about to be sent.
    Dispatch,
    /// The bank answered the attempt.
    BankAnswer,
    /// The attempt provably never reached the bank's processing.
    NotSent,
    /// The attempt ended without a readable answer.
    NoAnswer,
    /// The bank answered the attempt that it has the reference already.
    Known,
    /// The bank was asked by our reference.
    Inquiry,
    /// The process found the attempt interrupted when it started.
    Recovery,
    /// The automatic attempts or inquiries are used up.
    BudgetSpent,
    /// The client cancelled.
    Cancel,
    /// A time limit passed.
    Timer,
    /// An operator decided.
    Resolution {
        /// Who.
        operator: OperatorName,
        /// Why the operator was sure.
        evidence: EvidenceText,
        /// Whether the bank is asked afterwards what it says of it, until it contradicts or the watch ends.
        watched: bool,
    },
    /// The bank said otherwise of a finished payment. Nothing was changed by it.
    Contradiction(Decision),
    /// After an operator's decision the bank was asked as often as it should be, or said the same.
    WatchEnded,
}

impl Cause {
    /// Whether nothing was changed by it: the entry notes something about a finished payment.
    pub const fn is_note(&self) -> bool {
        match self {
            Self::Contradiction(_) | Self::WatchEnded => true,
            Self::Request
            | Self::Dispatch
            | Self::BankAnswer
            | Self::NotSent
            | Self::NoAnswer
            | Self::Known
            | Self::Inquiry
            | Self::Recovery
            | Self::BudgetSpent
            | Self::Cancel
            | Self::Timer
            | Self::Resolution { .. } => false,
        }
    }
}
