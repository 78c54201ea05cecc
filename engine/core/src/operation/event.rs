//! What can happen to an operation, and why an event can be illegal.

use std::sync::Arc;

use super::mark::Mark;
use super::resolution::{Decision, Resolution};
use crate::time::Timestamp;

/// Something that happened to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request was accepted: the intent becomes durable, the hold is placed.
    Admit,
    /// The next attempt is about to be sent, to this bank.
    Dispatch(Arc<Mark>),
    /// The bank decided. On a finished payment that says otherwise, this is a contradiction.
    Decided {
        /// What it decided.
        decision: Decision,
        /// How we know.
        evidence: Evidence,
    },
    /// The attempt under way provably was not processed; try again at `next_at`.
    NotSent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// The attempt under way was not sent, because it would have been too late; try again at `next_at`. It counts
    /// in no budget.
    HeldBack {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// The attempt under way ended without an answer; look again at `next_at`.
    OutcomeUnknown {
        /// When the next step is due.
        next_at: Timestamp,
        /// What ended it.
        interruption: Interruption,
    },
    /// An inquiry decided nothing; look again at `next_at`.
    InquiryInconclusive {
        /// When the next step is due.
        next_at: Timestamp,
    },
    /// An inquiry proved that no attempt was processed and none will be.
    ProvenUnsent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// Every attempt is proven unsent and no more are allowed.
    GiveUp,
    /// The outcome is unknown and no automatic option is left.
    Escalate,
    /// The client wants it undone before the bank is called.
    Cancel,
    /// It waited too long for its turn.
    Expire,
    /// An operator decided a payment whose outcome is unknown.
    Resolve {
        /// What was decided.
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

/// What ended an attempt without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Timeout, reset, 5xx or an unreadable answer.
    NoAnswer,
    /// The bank answered that it has the reference already.
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
    /// The bank may have it, so it can no longer be undone here.
    #[error("the bank may have it")]
    MayBeAtBank,
    /// A call is under way; its end comes first.
    #[error("a call is under way")]
    CallUnderWay,
    /// No call is under way.
    #[error("no call is under way")]
    NoCallUnderWay,
    /// The outcome is not in question.
    #[error("the outcome is not in question")]
    NotInQuestion,
    /// Some attempt may have reached the bank.
    #[error("some attempt may have been processed")]
    Exposed,
    /// An operator decides.
    #[error("the payment is in review")]
    InReview,
    /// No operator has decided it, so nothing is watched.
    #[error("the payment is not watched")]
    NotWatched,
}
