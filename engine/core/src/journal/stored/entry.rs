//! The stored form of a journal entry, and of the admission in it.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{BankName, Merchant, OperationId};
use crate::journal::entry::{Admission, Cause, JournalEntry};
use crate::ledger::Movement;
use crate::operation::{IdempotencyKey, PaymentRequest, Request, State, StateName};
use crate::time::Timestamp;

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
