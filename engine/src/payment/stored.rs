//! How states, causes and admissions are written down, beside how they are worked with.
//!
//! What was written once is read for ever and gives the same digest in the chain. So what an earlier version wrote keeps
//! its form, and what has more to say has a form of its own, at the end of the list: a value is written in the
//! oldest form that can hold it. In storage a form is its place in the list.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Admission, BankCalled, BankName, BankTransactionId, Cause, Decision, EvidenceText,
    FailureReason, IdempotencyKey, Mark, OperatorName, PaymentRequest, Phase, State, Timestamp,
};

/// The forms of a [`State`].
#[derive(Serialize, Deserialize)]
pub(super) enum StoredState {
    Received,
    Persisted,
    /// A call to the bank, by a version that kept no names of banks.
    BankCalled(UnmarkedCall),
    Settled {
        bank_transaction_id: BankTransactionId,
        at: Timestamp,
    },
    Failed {
        reason: FailureReason,
        at: Timestamp,
    },
    /// A call to the bank.
    Called(MarkedCall),
}

#[derive(Serialize, Deserialize)]
pub(super) struct UnmarkedCall {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MarkedCall {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
    mark: Option<Arc<Mark>>,
    held_back: u32,
    known: bool,
}

impl From<State> for StoredState {
    fn from(state: State) -> Self {
        match state {
            State::Received => Self::Received,
            State::Persisted => Self::Persisted,
            State::Settled {
                bank_transaction_id,
                at,
            } => Self::Settled {
                bank_transaction_id,
                at,
            },
            State::Failed { reason, at } => Self::Failed { reason, at },
            State::BankCalled(called) => stored_call(called),
        }
    }
}

fn stored_call(called: BankCalled) -> StoredState {
    let BankCalled {
        phase,
        next_at,
        first_called_at,
        last_called_at,
        inquiries,
        exposed,
        mark,
        held_back,
        known,
    } = called;
    if mark.is_none() && held_back == 0 && !known {
        return StoredState::BankCalled(UnmarkedCall {
            phase,
            next_at,
            first_called_at,
            last_called_at,
            inquiries,
            exposed,
        });
    }
    StoredState::Called(MarkedCall {
        phase,
        next_at,
        first_called_at,
        last_called_at,
        inquiries,
        exposed,
        mark,
        held_back,
        known,
    })
}

impl From<StoredState> for State {
    fn from(stored: StoredState) -> Self {
        match stored {
            StoredState::Received => Self::Received,
            StoredState::Persisted => Self::Persisted,
            StoredState::Settled {
                bank_transaction_id,
                at,
            } => Self::Settled {
                bank_transaction_id,
                at,
            },
            StoredState::Failed { reason, at } => Self::Failed { reason, at },
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
                mark: call.mark,
                held_back: call.held_back,
                known: call.known,
            }),
        }
    }
}

/// The forms of a [`Cause`].
#[derive(Serialize, Deserialize)]
pub(super) enum StoredCause {
    Request,
    Dispatch,
    BankAnswer,
    NotSent,
    NoAnswer,
    Inquiry,
    Recovery,
    BudgetSpent,
    Cancel,
    Timer,
    Resolution {
        operator: OperatorName,
        evidence: EvidenceText,
    },
    Contradiction(Decision),
    Known,
    WatchedResolution {
        operator: OperatorName,
        evidence: EvidenceText,
    },
    WatchEnded,
}

impl From<Cause> for StoredCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Request => Self::Request,
            Cause::Dispatch => Self::Dispatch,
            Cause::BankAnswer => Self::BankAnswer,
            Cause::NotSent => Self::NotSent,
            Cause::NoAnswer => Self::NoAnswer,
            Cause::Inquiry => Self::Inquiry,
            Cause::Recovery => Self::Recovery,
            Cause::BudgetSpent => Self::BudgetSpent,
            Cause::Cancel => Self::Cancel,
            Cause::Timer => Self::Timer,
            Cause::Resolution {
                operator,
                evidence,
                watched: false,
            } => Self::Resolution { operator, evidence },
            Cause::Resolution {
                operator,
                evidence,
                watched: true,
            } => Self::WatchedResolution { operator, evidence },
            Cause::Contradiction(decision) => Self::Contradiction(decision),
            Cause::Known => Self::Known,
            Cause::WatchEnded => Self::WatchEnded,
        }
    }
}

impl From<StoredCause> for Cause {
    fn from(stored: StoredCause) -> Self {
        match stored {
            StoredCause::Request => Self::Request,
            StoredCause::Dispatch => Self::Dispatch,
            StoredCause::BankAnswer => Self::BankAnswer,
            StoredCause::NotSent => Self::NotSent,
            StoredCause::NoAnswer => Self::NoAnswer,
            StoredCause::Inquiry => Self::Inquiry,
            StoredCause::Recovery => Self::Recovery,
            StoredCause::BudgetSpent => Self::BudgetSpent,
            StoredCause::Cancel => Self::Cancel,
            StoredCause::Timer => Self::Timer,
            StoredCause::Resolution { operator, evidence } => Self::Resolution {
                operator,
                evidence,
                watched: false,
            },
            StoredCause::WatchedResolution { operator, evidence } => Self::Resolution {
                operator,
                evidence,
                watched: true,
            },
            StoredCause::Contradiction(decision) => Self::Contradiction(decision),
            StoredCause::Known => Self::Known,
            StoredCause::WatchEnded => Self::WatchEnded,
        }
    }
}

/// The forms of an optional [`Admission`]. The first two are those of an `Option` around key and request, byte for byte.
#[derive(Serialize, Deserialize)]
enum StoredAdmission {
    None,
    Nameless {
        idempotency_key: IdempotencyKey,
        request: Arc<PaymentRequest>,
    },
    Named {
        idempotency_key: IdempotencyKey,
        request: Arc<PaymentRequest>,
        bank: BankName,
    },
}

/// The same in text, where members have names and may be left out.
#[derive(Serialize, Deserialize)]
struct WrittenAdmission {
    idempotency_key: IdempotencyKey,
    request: Arc<PaymentRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bank: Option<BankName>,
}

/// For `#[serde(with)]`.
pub(super) mod admission {
    use super::{
        Admission, Deserialize, Deserializer, Serialize, Serializer, StoredAdmission,
        WrittenAdmission,
    };

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(in super::super) fn serialize<S: Serializer>(
        admission: &Option<Admission>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let admission = admission.clone();
        if serializer.is_human_readable() {
            let written = admission.map(|admission| WrittenAdmission {
                idempotency_key: admission.idempotency_key,
                request: admission.request,
                bank: admission.bank,
            });
            return written.serialize(serializer);
        }
        let stored = match admission {
            None => StoredAdmission::None,
            Some(Admission {
                idempotency_key,
                request,
                bank: None,
            }) => StoredAdmission::Nameless {
                idempotency_key,
                request,
            },
            Some(Admission {
                idempotency_key,
                request,
                bank: Some(bank),
            }) => StoredAdmission::Named {
                idempotency_key,
                request,
                bank,
            },
        };
        stored.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Admission>, D::Error> {
        if deserializer.is_human_readable() {
            let written = Option::<WrittenAdmission>::deserialize(deserializer)?;
            return Ok(written.map(|written| Admission {
                idempotency_key: written.idempotency_key,
                request: written.request,
                bank: written.bank,
            }));
        }
        Ok(match StoredAdmission::deserialize(deserializer)? {
            StoredAdmission::None => None,
            StoredAdmission::Nameless {
                idempotency_key,
                request,
            } => Some(Admission {
                idempotency_key,
                request,
                bank: None,
            }),
            StoredAdmission::Named {
                idempotency_key,
                request,
                bank,
            } => Some(Admission {
                idempotency_key,
                request,
                bank: Some(bank),
            }),
        })
    }
}
