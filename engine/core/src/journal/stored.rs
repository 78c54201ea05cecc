//! The stored forms of entries, states and causes, separate from the types that the code works with.
//!
//! A stored entry must stay readable and must always give the same digest in the chain. So the forms of earlier
//! versions never change, and new data gets a new form at the end of the list. A value is written in the oldest form
//! that can hold it. In storage a form is identified by its place in the list.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::entry::{Admission, Cause, JournalEntry};
use crate::ids::{BankAddress, BankName, BankTransactionId, OperationId};
use crate::ledger::Movement;
use crate::operation::{
    BankCalled, Capability, Decision, EvidenceText, FailureReason, IdempotencyKey, Mark, Merchant,
    OperatorName, PaymentRequest, Phase, Request, State, StateName,
};
use crate::tenure::Tenure;
use crate::time::Timestamp;

/// The forms of a [`State`].
#[derive(Serialize, Deserialize)]
enum StoredState {
    Received,
    Persisted,
    /// A call to the bank, written by a version that stored no bank names.
    BankCalled(Call),
    Settled {
        bank_transaction_id: BankTransactionId,
        at: Timestamp,
    },
    Failed {
        reason: FailureReason,
        at: Timestamp,
    },
    /// A call to the bank, written by a version that stored no tenures.
    Called(MarkedCall),
    /// A call to the bank.
    Sent(SentCall),
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
struct StoredMark {
    bank: BankName,
    address: BankAddress,
    capability: Capability,
}

/// The members of [`Call`] again, for serde's `flatten` works in text only.
#[derive(Serialize, Deserialize)]
struct MarkedCall {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
    mark: Option<StoredMark>,
    held_back: u32,
    known: bool,
}

#[derive(Serialize, Deserialize)]
struct SentCall {
    phase: Phase,
    next_at: Option<Timestamp>,
    first_called_at: Timestamp,
    last_called_at: Timestamp,
    inquiries: u32,
    exposed: bool,
    mark: StoredMark,
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

impl From<&State> for StoredState {
    fn from(state: &State) -> Self {
        match state {
            State::Received => Self::Received,
            State::Persisted => Self::Persisted,
            State::Settled {
                bank_transaction_id,
                at,
            } => Self::Settled {
                bank_transaction_id: bank_transaction_id.clone(),
                at: *at,
            },
            State::Failed { reason, at } => Self::Failed {
                reason: reason.clone(),
                at: *at,
            },
            State::BankCalled(called) => stored_call(called),
        }
    }
}

fn stored_call(called: &BankCalled) -> StoredState {
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
                bank: bank.clone(),
                address: address.clone(),
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

impl StoredMark {
    fn with(self, tenure: Option<Tenure>) -> Arc<Mark> {
        Arc::new(Mark {
            bank: self.bank,
            address: self.address,
            capability: self.capability,
            tenure,
        })
    }
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

/// The forms of a [`Cause`].
#[derive(Serialize, Deserialize)]
enum StoredCause {
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

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredCause::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredCause::deserialize(deserializer).map(Self::from)
    }
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

/// The same in text formats, where fields have names and may be missing.
#[derive(Serialize, Deserialize)]
struct WrittenAdmission {
    idempotency_key: IdempotencyKey,
    request: Arc<PaymentRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bank: Option<BankName>,
}

/// The existing forms hold payments. Another kind of operation gets new forms, at the end.
fn payment(request: Request) -> Arc<PaymentRequest> {
    match request {
        Request::Payment(payment) => payment,
    }
}

/// A [`JournalEntry`] on its way out.
#[derive(Serialize)]
struct EntryOut<'a> {
    merchant: &'a Merchant,
    /// Exports call it by the first kind's name.
    #[serde(rename = "payment_id")]
    operation_id: OperationId,
    version: u64,
    from: Option<StateName>,
    to: &'a State,
    attempts: u32,
    cause: &'a Cause,
    at: Timestamp,
    movement: Option<&'a Movement>,
    admission: AdmissionOut<'a>,
}

/// A [`JournalEntry`] on its way in.
#[derive(Deserialize)]
struct EntryIn {
    merchant: Merchant,
    #[serde(rename = "payment_id")]
    operation_id: OperationId,
    version: u64,
    from: Option<StateName>,
    to: State,
    attempts: u32,
    cause: Cause,
    at: Timestamp,
    movement: Option<Movement>,
    #[serde(deserialize_with = "admission_in")]
    admission: Option<Admission>,
}

impl Serialize for JournalEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            merchant,
            operation_id,
            version,
            from,
            to,
            attempts,
            cause,
            at,
            movement,
            admission,
        } = self;
        let out = EntryOut {
            merchant,
            operation_id: *operation_id,
            version: *version,
            from: *from,
            to,
            attempts: *attempts,
            cause,
            at: *at,
            movement: movement.as_ref(),
            admission: AdmissionOut(admission.as_ref()),
        };
        out.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JournalEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let EntryIn {
            merchant,
            operation_id,
            version,
            from,
            to,
            attempts,
            cause,
            at,
            movement,
            admission,
        } = EntryIn::deserialize(deserializer)?;
        Ok(Self {
            merchant,
            operation_id,
            version,
            from,
            to,
            attempts,
            cause,
            at,
            movement,
            admission,
        })
    }
}

/// An optional [`Admission`] on its way out.
struct AdmissionOut<'a>(Option<&'a Admission>);

impl Serialize for AdmissionOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let admission = self.0.cloned();
        if serializer.is_human_readable() {
            let written = admission.map(|admission| WrittenAdmission {
                idempotency_key: admission.idempotency_key,
                request: payment(admission.request),
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
                request: payment(request),
            },
            Some(Admission {
                idempotency_key,
                request,
                bank: Some(bank),
            }) => StoredAdmission::Named {
                idempotency_key,
                request: payment(request),
                bank,
            },
        };
        stored.serialize(serializer)
    }
}

fn admission_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Admission>, D::Error> {
    if deserializer.is_human_readable() {
        let written = Option::<WrittenAdmission>::deserialize(deserializer)?;
        return Ok(written.map(|written| Admission {
            idempotency_key: written.idempotency_key,
            request: Request::Payment(written.request),
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
            request: Request::Payment(request),
            bank: None,
        }),
        StoredAdmission::Named {
            idempotency_key,
            request,
            bank,
        } => Some(Admission {
            idempotency_key,
            request: Request::Payment(request),
            bank: Some(bank),
        }),
    })
}
