//! A journal entry: one transition, with its cause and its ledger movement. The journal alone is
//! enough to rebuild every record.

use crate::ids::{BankName, Merchant, OperationId};
use crate::ledger::Movement;
use crate::operation::{
    Decision, EvidenceText, IdempotencyKey, OperatorName, Request, State, StateName,
};
use crate::time::Timestamp;

/// One transition of one payment, as it is written to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The merchant.
    pub merchant: Merchant,
    /// The operation's id.
    pub operation_id: OperationId,
    /// The payment's version after this transition.
    pub version: u64,
    /// The state before; `None` for the admission.
    pub from: Option<StateName>,
    /// The state after, with all its data.
    pub to: State,
    /// The number of attempts after.
    pub attempts: u32,
    /// Its cause.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// The movement in the ledger.
    pub movement: Option<Movement>,
    /// Key and request, in the admission only. Later entries do not repeat them.
    pub admission: Option<Admission>,
}

impl JournalEntry {
    /// Whether the bank contradicted a finished payment.
    pub const fn is_contradiction(&self) -> bool {
        matches!(self.cause, Cause::Contradiction(_))
    }

    /// Whether the payment needs more work after this entry: it is unfinished, or an operator finished it and the bank
    /// is still being watched.
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

/// The part of an entry that only an admission has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The client's key.
    pub idempotency_key: IdempotencyKey,
    /// The request.
    pub request: Request,
    /// The bank that it is for; `None` where an earlier version admitted it.
    pub bank: Option<BankName>,
}

/// The cause of a transition.
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
    /// The bank answered the attempt by saying that it already has the reference.
    Known,
    /// An inquiry by our reference.
    Inquiry,
    /// The process found the attempt interrupted when it started.
    Recovery,
    /// No automatic attempts or inquiries are left.
    BudgetSpent,
    /// The client cancelled.
    Cancel,
    /// A time limit passed.
    Timer,
    /// An operator decided.
    Resolution {
        /// The operator.
        operator: OperatorName,
        /// Why the operator was sure.
        evidence: EvidenceText,
        /// Whether the bank is watched afterwards, until it contradicts the decision or the watch ends.
        watched: bool,
    },
    /// The bank contradicted a finished payment. This changes nothing.
    Contradiction(Decision),
    /// The watch after an operator's decision ended: the inquiries are used up, or the bank confirmed the decision.
    WatchEnded,
}

impl Cause {
    /// Whether it changed nothing: the entry is a note about a finished payment.
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
