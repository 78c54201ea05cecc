//! The stored forms of a state.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{BankAddress, BankName, BankTransactionId};
use crate::operation::{BankCalled, Capability, FailureReason, Mark, Phase, State};
use crate::tenure::Tenure;
use crate::time::Timestamp;

/// The forms of a [`State`]. Borrowed for writing, owned when read.
#[derive(Serialize, Deserialize)]
enum StoredState<'a> {
    Received,
    Persisted,
    /// A call to the bank, written by a version that stored no bank names.
    BankCalled(Call),
    Settled {
        bank_transaction_id: Cow<'a, BankTransactionId>,
        at: Timestamp,
    },
    Failed {
        reason: Cow<'a, FailureReason>,
        at: Timestamp,
    },
    /// A call to the bank, written by a version that stored no tenures.
    Called(MarkedCall<'a>),
    /// A call to the bank.
    Sent(SentCall<'a>),
}

/// The fields that every form of a call has.
#[derive(Serialize, Deserialize)]
struct Call {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredMark<'a> {
    bank: Cow<'a, BankName>,
    address: Cow<'a, BankAddress>,
    capability: Capability,
}

/// The members of [`Call`] again, for serde's `flatten` works in text only.
#[derive(Serialize, Deserialize)]
struct MarkedCall<'a> {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
    mark: Option<StoredMark<'a>>,
    held_back: u32,
    known: bool,
}

#[derive(Serialize, Deserialize)]
struct SentCall<'a> {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
    mark: StoredMark<'a>,
    tenure: Tenure,
    held_back: u32,
    known: bool,
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredState::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredState::deserialize(deserializer).map(Self::from)
    }
}

impl<'a> From<&'a State> for StoredState<'a> {
    fn from(state: &'a State) -> Self {
        match state {
            State::Received => Self::Received,
            State::Persisted => Self::Persisted,
            State::Settled {
                bank_transaction_id,
                at,
            } => Self::Settled {
                bank_transaction_id: Cow::Borrowed(bank_transaction_id),
                at: *at,
            },
            State::Failed { reason, at } => Self::Failed {
                reason: Cow::Borrowed(reason),
                at: *at,
            },
            State::BankCalled(called) => stored_call(called),
        }
    }
}

fn stored_call(called: &BankCalled) -> StoredState<'_> {
    let BankCalled {
        phase,
        next_at,
        first_called_at,
        last_called_at,
        inquiries,
        exposed,
        ref mark,
        held_back,
        known,
    } = *called;
    if mark.is_none() && held_back == 0 && !known {
        return StoredState::BankCalled(Call {
            phase,
            next_at,
            first_called_at,
            last_called_at,
            inquiries,
            exposed,
        });
    }
    let (mark, tenure) = match mark.as_deref() {
        None => (None, None),
        Some(mark) => {
            let Mark {
                bank,
                address,
                capability,
                tenure,
            } = mark;
            let stored = StoredMark {
                bank: Cow::Borrowed(bank),
                address: Cow::Borrowed(address),
                capability: *capability,
            };
            (Some(stored), *tenure)
        }
    };
    match (mark, tenure) {
        (Some(mark), Some(tenure)) => StoredState::Sent(SentCall {
            phase,
            next_at,
            first_called_at,
            last_called_at,
            inquiries,
            exposed,
            mark,
            tenure,
            held_back,
            known,
        }),
        (mark, None) | (mark @ None, Some(_)) => StoredState::Called(MarkedCall {
            phase,
            next_at,
            first_called_at,
            last_called_at,
            inquiries,
            exposed,
            mark,
            held_back,
            known,
        }),
    }
}

impl StoredMark<'_> {
    fn with(self, tenure: Option<Tenure>) -> Arc<Mark> {
        Arc::new(Mark {
            bank: self.bank.into_owned(),
            address: self.address.into_owned(),
            capability: self.capability,
            tenure,
        })
    }
}

impl From<StoredState<'_>> for State {
    fn from(stored: StoredState<'_>) -> Self {
        match stored {
            StoredState::Received => Self::Received,
            StoredState::Persisted => Self::Persisted,
            StoredState::Settled {
                bank_transaction_id,
                at,
            } => Self::Settled {
                bank_transaction_id: bank_transaction_id.into_owned(),
                at,
            },
            StoredState::Failed { reason, at } => Self::Failed {
                reason: reason.into_owned(),
                at,
            },
            StoredState::BankCalled(call) => Self::BankCalled(BankCalled {
                phase: call.phase,
                next_at: call.next_at,
                first_called_at: call.first_called_at,
                last_called_at: call.last_called_at,
                inquiries: call.inquiries,
                exposed: call.exposed,
                mark: None,
                held_back: 0,
                known: false,
            }),
            StoredState::Called(call) => Self::BankCalled(BankCalled {
                phase: call.phase,
                next_at: call.next_at,
                first_called_at: call.first_called_at,
                last_called_at: call.last_called_at,
                inquiries: call.inquiries,
                exposed: call.exposed,
                mark: call.mark.map(|mark| mark.with(None)),
                held_back: call.held_back,
                known: call.known,
            }),
            StoredState::Sent(call) => Self::BankCalled(BankCalled {
                phase: call.phase,
                next_at: call.next_at,
                first_called_at: call.first_called_at,
                last_called_at: call.last_called_at,
                inquiries: call.inquiries,
                exposed: call.exposed,
                mark: Some(call.mark.with(Some(call.tenure))),
                held_back: call.held_back,
                known: call.known,
            }),
        }
    }
}
