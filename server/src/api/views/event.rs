//! What the API shows of the journal.

use holdfast_core::{Cause, Decision, JournalEntry, Movement, MovementKind};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::api::views::payment::{FailureView, PhaseView, StateView, rfc3339};

/// The cause of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "Cause", rename_all = "snake_case")]
pub(crate) enum CauseView {
    /// A client's request was admitted.
    Request,
    /// An attempt is about to be sent.
    Dispatch,
    /// The bank answered the attempt.
    BankAnswer,
    /// The bank provably did not process the attempt.
    NotSent,
    /// The attempt ended without a readable answer.
    NoAnswer,
    /// The bank rejected the attempt as a duplicate: it already has the reference, and is asked for the outcome.
    Duplicate,
    /// The bank was asked by our reference.
    Inquiry,
    /// The service found the attempt interrupted when it started.
    Recovery,
    /// The automatic attempts or inquiries are used up.
    BudgetSpent,
    /// The client cancelled.
    Cancel,
    /// A time limit passed.
    Timer,
    /// An operator decided; `operator` and `evidence` have the name and the reason.
    Resolution,
    /// The bank contradicted a finished payment; `contradiction` has what it said. The payment
    /// did not change.
    Contradiction,
    /// After an operator's decision the bank was asked as often as configured, or confirmed it. The payment
    /// did not change.
    WatchEnded,
}

impl CauseView {
    const fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Request => Self::Request,
            Cause::Dispatch => Self::Dispatch,
            Cause::BankAnswer => Self::BankAnswer,
            Cause::NotSent => Self::NotSent,
            Cause::NoAnswer => Self::NoAnswer,
            Cause::Known => Self::Duplicate,
            Cause::Inquiry => Self::Inquiry,
            Cause::Recovery => Self::Recovery,
            Cause::BudgetSpent => Self::BudgetSpent,
            Cause::Cancel => Self::Cancel,
            Cause::Timer => Self::Timer,
            Cause::Resolution { .. } => Self::Resolution,
            Cause::Contradiction(_) => Self::Contradiction,
            Cause::WatchEnded => Self::WatchEnded,
        }
    }
}

/// The step of the two-phase movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "MovementKind", rename_all = "snake_case")]
pub(crate) enum MovementKindView {
    /// Placed as pending.
    Hold,
    /// Pending became posted.
    Post,
    /// Pending was released.
    Void,
}

/// A movement in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Movement")]
pub(crate) struct MovementView {
    /// Which part of it.
    kind: MovementKindView,
    /// The account debited.
    debit: String,
    /// The account credited.
    credit: String,
    /// Minor units.
    amount: u64,
    /// ISO 4217 code.
    currency: String,
}

impl MovementView {
    fn of(movement: &Movement) -> Self {
        Self {
            kind: match movement.kind {
                MovementKind::Hold => MovementKindView::Hold,
                MovementKind::Post => MovementKindView::Post,
                MovementKind::Void => MovementKindView::Void,
            },
            debit: movement.debit.as_str().to_owned(),
            credit: movement.credit.as_str().to_owned(),
            amount: movement.amount.minor_units(),
            currency: movement.currency.code().to_owned(),
        }
    }
}

/// One transition of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Event")]
pub(crate) struct EventView {
    /// Its place in the journal of the whole store: dense and total.
    sequence: u64,
    /// The payment it is about.
    payment_id: String,
    /// The state before; null for the first event.
    from: Option<StateView>,
    /// The state after.
    to: StateView,
    /// The phase after; in `bank_called` only.
    phase: Option<PhaseView>,
    /// How many tries at the bank were made durable by then.
    attempt: u32,
    /// What brought it about.
    cause: CauseView,
    /// When (RFC 3339, UTC).
    at: String,
    /// What moved in the ledger, if anything.
    movement: Option<MovementView>,
    /// Who decided; with the cause `resolution` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    operator: Option<String>,
    /// Why the operator was sure; with the cause `resolution` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    evidence: Option<String>,
    /// What the bank said; with the cause `contradiction` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    contradiction: Option<ContradictionView>,
}

/// What the bank said of a payment that was finished otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Contradiction")]
pub(crate) struct ContradictionView {
    /// `confirmed` or `declined`.
    status: String,
    /// The bank's id for the debit; with `confirmed` only.
    bank_transaction_id: Option<String>,
    /// The bank's reason; with `declined` only.
    failure: Option<FailureView>,
}

impl ContradictionView {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Confirmed {
                bank_transaction_id,
            } => Self {
                status: "confirmed".to_owned(),
                bank_transaction_id: Some(bank_transaction_id.to_string()),
                failure: None,
            },
            Decision::Declined { code, message } => Self {
                status: "declined".to_owned(),
                bank_transaction_id: None,
                failure: Some(FailureView {
                    code: code.to_string(),
                    message: message.to_string(),
                    source: None,
                }),
            },
        }
    }
}

impl EventView {
    pub(crate) fn of(sequence: u64, entry: &JournalEntry) -> Self {
        let (operator, evidence) = match &entry.cause {
            Cause::Resolution {
                operator, evidence, ..
            } => (Some(operator.to_string()), Some(evidence.to_string())),
            _ => (None, None),
        };
        let contradiction = match &entry.cause {
            Cause::Contradiction(decision) => Some(ContradictionView::of(decision)),
            _ => None,
        };
        Self {
            sequence,
            payment_id: entry.operation_id.to_string(),
            from: entry.from.map(StateView::of),
            to: StateView::of(entry.to.name()),
            phase: PhaseView::of(&entry.to),
            attempt: entry.attempts,
            cause: CauseView::of(&entry.cause),
            at: rfc3339(entry.at),
            movement: entry.movement.as_ref().map(MovementView::of),
            operator,
            evidence,
            contradiction,
        }
    }
}

/// A page of events, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "EventPage")]
pub(crate) struct EventPageView {
    /// The events.
    pub(crate) data: Vec<EventView>,
    /// Send it as `after` to `/v1/events`, elsewhere as `cursor`, to get the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
}

/// A page of the journal in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "JournalPage")]
pub(crate) struct JournalPageView {
    /// The entries, each with its `sequence`, as an export has them.
    pub(crate) data: Vec<serde_json::Value>,
    /// Up to which sequence the journal was read: beyond the last entry shown when entries of other
    /// merchants follow it.
    pub(crate) read_to: u64,
    /// Send it as `after` to get the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
}
