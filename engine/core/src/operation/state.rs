//! The five states of an operation. Data lives in the variant that owns it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::OperationKey;
use super::mark::{Capability, Mark};
use super::request::Request;
use crate::ids::{
    BankName, BankReference, BankTransactionId, DeclineCode, DeclineMessage, OperationId,
};
use crate::tenure::Tenure;
use crate::time::Timestamp;

/// An operation after some transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Merchant and idempotency key.
    pub key: OperationKey,
    /// The request. It never changes.
    pub request: Request,
    /// The bank that it was admitted for. It never changes. `None` if an earlier version admitted it, which stored no
    /// bank names.
    pub bank: Option<BankName>,
    /// Its state.
    pub state: State,
    /// How many attempts have been made durable so far.
    pub attempts: u32,
    /// The number of transitions so far. Every transition is a compare-and-swap on it.
    pub version: u64,
    /// When the intent was admitted.
    pub created_at: Timestamp,
    /// When the last transition happened.
    pub updated_at: Timestamp,
}

impl Operation {
    /// A valid request that nothing has happened to yet: in memory only, version 0.
    pub fn received(id: OperationId, key: OperationKey, request: Request, now: Timestamp) -> Self {
        Self {
            id,
            key,
            request,
            bank: None,
            state: State::Received,
            attempts: 0,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same, for a bank.
    pub fn for_bank(mut self, bank: BankName) -> Self {
        self.bank = Some(bank);
        self
    }

    /// The bank that it is for, or that its last attempt was sent to; `None` where an earlier version, which kept no names,
    /// admitted and sent it.
    pub fn at_bank(&self) -> Option<&BankName> {
        self.bank.as_ref().or_else(|| self.state.sent_to())
    }

    /// Our reference at the bank: the same on every attempt.
    pub const fn bank_reference(&self) -> BankReference {
        BankReference::of(self.id)
    }

    /// Whether the payment is Settled or Failed. Then it never changes again.
    pub const fn is_finished(&self) -> bool {
        self.state.name().is_final()
    }
}

/// The state machine's state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Valid, in memory only. Never stored.
    Received,
    /// The intent is durable. The bank has provably not been called: safe to cancel.
    Persisted,
    /// Durable before the bytes leave: the bank may have it.
    BankCalled(BankCalled),
    /// Final: the bank confirmed the debit.
    Settled {
        /// The bank's id for it.
        bank_transaction_id: BankTransactionId,
        /// When the confirmation was received.
        at: Timestamp,
    },
    /// Final: no debit happened and none can.
    Failed {
        /// Why.
        reason: FailureReason,
        /// When it was decided.
        at: Timestamp,
    },
}

impl State {
    /// The phase of a payment that the bank may have; `None` in every other state.
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::BankCalled(called) => Some(called.phase),
            Self::Received | Self::Persisted | Self::Settled { .. } | Self::Failed { .. } => None,
        }
    }

    /// The bank of the last attempt; `None` in every other state, and for an attempt of an earlier version.
    pub fn sent_to(&self) -> Option<&BankName> {
        match self {
            Self::BankCalled(called) => called.mark.as_ref().map(|mark| &mark.bank),
            Self::Received | Self::Persisted | Self::Settled { .. } | Self::Failed { .. } => None,
        }
    }

    /// The tenure that sent the last attempt; `None` in every other state, and for an attempt of an earlier version.
    pub fn sent_in(&self) -> Option<Tenure> {
        match self {
            Self::BankCalled(called) => called.mark.as_ref().and_then(|mark| mark.tenure),
            Self::Received | Self::Persisted | Self::Settled { .. } | Self::Failed { .. } => None,
        }
    }

    /// The state without its data.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Received => StateName::Received,
            Self::Persisted => StateName::Persisted,
            Self::BankCalled(_) => StateName::BankCalled,
            Self::Settled { .. } => StateName::Settled,
            Self::Failed { .. } => StateName::Failed,
        }
    }
}

/// The data of a payment that the bank may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BankCalled {
    /// Its phase.
    pub phase: Phase,
    /// When the next automatic step is due; `None` while a call is under way, and in review.
    pub next_at: Option<Timestamp>,
    /// When the first attempt that may have reached the bank was made durable. The bank's own memory
    /// of our reference is counted from here.
    pub first_called_at: Timestamp,
    /// When the latest attempt was made durable.
    pub last_called_at: Timestamp,
    /// How many inquiries came back without a decision since the latest attempt.
    pub inquiries: u32,
    /// Whether some attempt may have reached the bank. While `false`, every attempt so far is
    /// proven not to have been processed.
    pub exposed: bool,
    /// The bank that the attempts were sent to, with the weakest promise of all attempts that may have reached it.
    /// `None` if an earlier version sent them.
    pub mark: Option<Arc<Mark>>,
    /// How many attempts were held back because their time limit had passed before they were sent. They do not count
    /// in any budget.
    pub held_back: u32,
    /// Whether the bank said that it already has the reference. Then it is asked for the outcome; sending again cannot
    /// help.
    pub known: bool,
}

impl BankCalled {
    /// The promise that can be relied on: the weaker of today's and the one at the time of the call.
    pub fn capability(&self, present: Capability) -> Capability {
        match &self.mark {
            Some(mark) => mark.capability.weaker(present),
            None => present,
        }
    }
}

/// How a payment in [`State::BankCalled`] is being handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// A call is under way, or the next attempt waits for its time.
    Awaiting,
    /// The outcome is unknown. The service asks the bank or sends the attempt again.
    Unknown,
    /// No automatic option is left: an operator decides.
    Review,
}

/// Why a payment failed. Every reason means that no debit happened and none can.
///
/// New reasons go to the end: their place is their number in storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// The bank declined it.
    Declined {
        /// The bank's code.
        code: DeclineCode,
        /// The bank's words.
        message: DeclineMessage,
    },
    /// The client cancelled it before the bank was called.
    Cancelled,
    /// It waited too long for a free slot and was never sent.
    Expired,
    /// Every attempt is proven not to have reached the bank, and no attempts are left.
    NotSent,
    /// An operator found that no debit happened. The journal says who and why.
    Resolved,
}

/// A state without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is documented at `State`")]
pub enum StateName {
    Received,
    Persisted,
    BankCalled,
    Settled,
    Failed,
}

impl StateName {
    /// Whether a transition from this state to another is legal. This is the only list of legal transitions.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Received, Self::Persisted)
            | (Self::Persisted, Self::BankCalled | Self::Failed)
            | (Self::BankCalled, Self::BankCalled | Self::Settled | Self::Failed) => true,
            (
                Self::Received | Self::Persisted | Self::BankCalled | Self::Settled | Self::Failed,
                Self::Received | Self::Persisted | Self::BankCalled | Self::Settled | Self::Failed,
            ) => false,
        }
    }

    /// Whether the state is final.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Received | Self::Persisted | Self::BankCalled => false,
            Self::Settled | Self::Failed => true,
        }
    }
}

impl fmt::Display for StateName {
    /// Its name in the API.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Received => "received",
            Self::Persisted => "persisted",
            Self::BankCalled => "bank_called",
            Self::Settled => "settled",
            Self::Failed => "failed",
        })
    }
}
