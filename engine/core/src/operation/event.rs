//! The events of an operation, and the reasons why an event can be illegal.

use std::sync::Arc;

use super::mark::Mark;
use super::resolution::{Decision, Resolution};
use crate::time::Timestamp;

/// An event that concerns an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request was accepted: the intent becomes durable, the hold is placed.
    Admit,
    /// The next attempt is about to be sent, to this bank.
    Dispatch(Arc<Mark>),
    /// The bank decided. If a finished payment says otherwise, this is a contradiction.
    Decided {
        /// Its decision.
        decision: Decision,
        /// How we know.
        evidence: Evidence,
    },
    /// The bank provably did not process the current attempt. Try again at `next_at`.
    NotSent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// The current attempt was not sent, because it would have been too late. Try again at `next_at`. It does not
    /// count in any budget.
    HeldBack {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// The current attempt ended without an answer. Continue at `next_at`.
    OutcomeUnknown {
        /// When the next step is due.
        next_at: Timestamp,
        /// How it ended.
        interruption: Interruption,
    },
    /// An inquiry gave no decision. Continue at `next_at`.
    InquiryInconclusive {
        /// When the next step is due.
        next_at: Timestamp,
    },
    /// An inquiry proved that the bank processed no attempt and will process none.
    ProvenUnsent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// Every attempt is proven unsent, and no attempts are left.
    GiveUp,
    /// The outcome is unknown, and no automatic option is left.
    Escalate,
    /// The client cancels it before the bank is called.
    Cancel,
    /// It waited too long for a free slot.
    Expire,
    /// An operator decided a payment whose outcome is unknown.
    Resolve {
        /// The decision.
        resolution: Resolution,
        /// Whether the bank is watched afterwards.
        watched: bool,
    },
    /// The watch after an operator's decision is over.
    EndWatch,
}

/// How the bank's decision became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It answered the attempt.
    Answer,
    /// It answered an inquiry by our reference.
    Inquiry,
}

/// How an attempt ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Timeout, reset, 5xx or an unreadable answer.
    NoAnswer,
    /// The bank answered that it already has the reference.
    Known,
    /// The process stopped while the attempt was under way.
    Restart,
}

/// Why an event cannot happen to an operation in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Settled and Failed never change.
    #[error("the payment is finished and never changes")]
    Final,
    /// Nothing is durable yet.
    #[error("the intent is not durable yet")]
    NotAdmitted,
    /// It was admitted before.
    #[error("the payment was admitted before")]
    AlreadyAdmitted,
    /// No attempt was ever made durable.
    #[error("the bank was never called")]
    NeverCalled,
    /// The bank may have it, so it cannot be cancelled any more.
    #[error("the bank may have it")]
    MayBeAtBank,
    /// A call is under way. It must end first.
    #[error("a call is under way")]
    CallUnderWay,
    /// No call is under way.
    #[error("no call is under way")]
    NoCallUnderWay,
    /// The outcome is not unknown.
    #[error("the outcome is not in question")]
    NotInQuestion,
    /// Some attempt may have reached the bank.
    #[error("some attempt may have been processed")]
    Exposed,
    /// The operation is in review: an operator decides.
    #[error("the payment is in review")]
    InReview,
    /// No operator has decided it, so nothing is watched.
    #[error("the payment is not watched")]
    NotWatched,
}
