//! What the API shows of a payment, and how it is rendered.
//!
//! Rendering is a pure function of the durable record: that is why every retry of a finished payment
//! gets the same bytes, also after a restart. A snapshot test pins the bytes.

use std::collections::BTreeMap;

use holdfast_core::{FailureReason, Operation, Phase, Request, State, StateName, Timestamp};
use poem_openapi::{Enum, Object};
use serde::Serialize;

/// The state of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "State", rename_all = "snake_case")]
pub(crate) enum StateView {
    /// The intent is durable; the bank was not called yet.
    Persisted,
    /// The bank may have it.
    BankCalled,
    /// Final: the debit happened.
    Settled,
    /// Final: no debit happened and none can.
    Failed,
}

impl StateView {
    pub(crate) const fn name(self) -> StateName {
        match self {
            Self::Persisted => StateName::Persisted,
            Self::BankCalled => StateName::BankCalled,
            Self::Settled => StateName::Settled,
            Self::Failed => StateName::Failed,
        }
    }

    pub(crate) fn of(name: StateName) -> Self {
        match name {
            // A received payment is in memory only; nothing that is shown is in that state.
            StateName::Received | StateName::Persisted => Self::Persisted,
            StateName::BankCalled => Self::BankCalled,
            StateName::Settled => Self::Settled,
            StateName::Failed => Self::Failed,
        }
    }
}

/// The phase of a payment that the bank may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "Phase", rename_all = "snake_case")]
pub(crate) enum PhaseView {
    /// A bank call is running, or the next attempt is scheduled.
    Awaiting,
    /// The outcome is unknown; Holdfast inquires or re-sends.
    Unknown,
    /// An operator decides.
    Review,
}

impl PhaseView {
    pub(crate) const fn phase(self) -> Phase {
        match self {
            Self::Awaiting => Phase::Awaiting,
            Self::Unknown => Phase::Unknown,
            Self::Review => Phase::Review,
        }
    }

    pub(crate) fn of(state: &State) -> Option<Self> {
        state.phase().map(|phase| match phase {
            Phase::Awaiting => Self::Awaiting,
            Phase::Unknown => Self::Unknown,
            Phase::Review => Self::Review,
        })
    }
}

/// Who decided a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "FailureSource", rename_all = "snake_case")]
pub(crate) enum SourceView {
    /// The bank declined; the code is the bank's.
    Bank,
    /// Holdfast or an operator ended it; the code is Holdfast's.
    Holdfast,
}

/// Why a payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Failure")]
pub(crate) struct FailureView {
    /// The bank's decline code, or one of `cancelled`, `expired`, `not_sent`, `resolved`.
    pub(crate) code: String,
    /// The reason in words.
    pub(crate) message: String,
    /// Whose code it is, for a bank may use one of Holdfast's. Not in payments that an earlier version admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) source: Option<SourceView>,
}

impl FailureView {
    /// `sourced` is whether it may say whose code it is: what was answered before it did is answered so for ever.
    fn of(reason: &FailureReason, sourced: bool) -> Self {
        let source = match reason {
            FailureReason::Declined { .. } => SourceView::Bank,
            FailureReason::Cancelled
            | FailureReason::Expired
            | FailureReason::NotSent
            | FailureReason::Resolved => SourceView::Holdfast,
        };
        let (code, message) = match reason {
            FailureReason::Declined { code, message } => (code.as_str(), message.as_str()),
            FailureReason::Cancelled => (
                "cancelled",
                "The payment was cancelled before the bank was called.",
            ),
            FailureReason::Expired => (
                "expired",
                "The payment waited too long for its turn and was never sent.",
            ),
            FailureReason::Resolved => {
                ("resolved", "An operator found out that no debit happened.")
            }
            FailureReason::NotSent => (
                "not_sent",
                "The bank could not be reached; no attempt was processed.",
            ),
        };
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
            source: sourced.then_some(source),
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Payment")]
pub(crate) struct PaymentView {
    /// Its id, a UUIDv7.
    pub(crate) id: String,
    /// The key under which it was created, without quotes.
    idempotency_key: String,
    /// The state.
    state: StateView,
    /// The phase; in `bank_called` only.
    phase: Option<PhaseView>,
    /// Minor units.
    amount: u64,
    /// ISO 4217 code.
    currency: String,
    /// The account that pays.
    debtor: String,
    /// The account that is paid.
    creditor: String,
    /// The client's own text.
    reference: Option<String>,
    /// The client's own key-value pairs.
    metadata: BTreeMap<String, String>,
    /// Number of attempts at the bank that are durable.
    attempts: u32,
    /// Our reference at the bank: the same on every attempt.
    bank_reference: String,
    /// The bank's id for the debit; in `settled` only.
    bank_transaction_id: Option<String>,
    /// Why it failed; in `failed` only.
    pub(crate) failure: Option<FailureView>,
    /// Rises with every transition.
    version: u64,
    /// When it was created (RFC 3339, UTC).
    created_at: String,
    /// When it last changed (RFC 3339, UTC).
    updated_at: String,
    /// The configured name of the bank that it was admitted for. Not in payments that an earlier version admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    bank: Option<String>,
}

impl PaymentView {
    pub(crate) fn of(payment: &Operation) -> Self {
        let Request::Payment(request) = &payment.request;
        let (bank_transaction_id, failure) = match &payment.state {
            State::Settled {
                bank_transaction_id,
                ..
            } => (Some(bank_transaction_id.as_str().to_owned()), None),
            State::Failed { reason, .. } => {
                (None, Some(FailureView::of(reason, payment.bank.is_some())))
            }
            State::Received | State::Persisted | State::BankCalled(_) => (None, None),
        };
        Self {
            id: payment.id.to_string(),
            idempotency_key: payment.key.idempotency_key.as_str().to_owned(),
            state: StateView::of(payment.state.name()),
            phase: PhaseView::of(&payment.state),
            amount: request.amount().minor_units(),
            currency: request.currency().code().to_owned(),
            debtor: request.debtor().as_str().to_owned(),
            creditor: request.creditor().as_str().to_owned(),
            reference: request
                .reference()
                .map(|reference| reference.as_str().to_owned()),
            metadata: request.metadata().entries().clone(),
            attempts: payment.attempts,
            bank_reference: payment.bank_reference().to_string(),
            bank_transaction_id,
            failure,
            version: payment.version,
            created_at: rfc3339(payment.created_at),
            updated_at: rfc3339(payment.updated_at),
            bank: payment.bank.as_ref().map(|bank| bank.as_str().to_owned()),
        }
    }
}

/// A page of payments, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "PaymentPage")]
pub(crate) struct PaymentPageView {
    /// The payments.
    pub(crate) data: Vec<PaymentView>,
    /// Send it as `cursor` to get the next page; null at the end. A page may contain fewer payments
    /// than `limit` although there are more.
    pub(crate) next_cursor: Option<String>,
}

/// RFC 3339 in UTC with milliseconds, always of the same width.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    const PRINTER: jiff::fmt::temporal::DateTimePrinter =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
    let ms = i64::try_from(at.as_unix_ms()).unwrap_or(i64::MAX);
    // Beyond the year 9999 there is no RFC 3339; a clock that far off is shown as its last moment.
    let timestamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    PRINTER.timestamp_to_string(&timestamp)
}

#[cfg(test)]
mod tests {
    use holdfast_core::{DeclineCode, DeclineMessage};

    use super::*;

    /// A bank may decline with a word of ours: the two must be told apart.
    #[test]
    fn a_failure_says_whose_code_it_is() {
        for word in ["cancelled", "expired", "not_sent", "resolved"] {
            let reason = FailureReason::Declined {
                code: DeclineCode::new(word).unwrap(),
                message: DeclineMessage::new("m").unwrap(),
            };
            let of_bank = FailureView::of(&reason, true);
            assert_eq!(
                (of_bank.code.as_str(), of_bank.source),
                (word, Some(SourceView::Bank))
            );
        }
        let ours = [
            FailureReason::Cancelled,
            FailureReason::Expired,
            FailureReason::NotSent,
            FailureReason::Resolved,
        ];
        for reason in &ours {
            assert_eq!(
                FailureView::of(reason, true).source,
                Some(SourceView::Holdfast)
            );
        }
        // Answers that were given before there were sources stay as they were, byte for byte.
        for reason in &ours {
            let view = serde_json::to_string(&FailureView::of(reason, false)).unwrap();
            assert!(!view.contains("source"), "{view}");
        }
    }
}
