//! Responses about one payment: the payment itself, or why the requested change is refused.

use std::sync::Arc;

use holdfast_core::ledger::LedgerError;
use holdfast_core::{Operation, Phase, State};
use holdfast_engine::service::{CreateError, Created};
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use crate::api::headers::{PREFERENCE_APPLIED, REPLAYED, SHOULD_RETRY, boolean};
use crate::api::problem::{Kind, Problem};
use crate::api::request::prefer::Preferences;
use crate::api::routes::PAYMENTS_PATH;
use crate::api::views::payment::PaymentView;
use crate::web::json::json;

/// When to ask again after a 202, in seconds.
const RETRY_AFTER_S: u32 = 1;

pub(crate) fn no_such_payment() -> Problem {
    Problem::new(Kind::NotFound, "There is no such payment.")
}

pub(crate) fn not_cancellable(payment: &Operation) -> Problem {
    let why = match &payment.state {
        State::BankCalled(_) => "The bank may have the payment already.",
        State::Settled { .. } => "The payment is settled.",
        State::Failed { .. } => "The payment has already failed.",
        State::Received | State::Persisted => "The payment is being processed.",
    };
    Problem::new(Kind::NotCancellable, why)
        .instance(location(payment))
        .new_key_safe(matches!(payment.state, State::Failed { .. }))
        .payment(PaymentView::of(payment))
}

pub(crate) fn not_resolvable(payment: &Operation) -> Problem {
    let why = match &payment.state {
        State::Received | State::Persisted => {
            "The bank was not called yet. To stop the payment, cancel it."
        }
        State::BankCalled(called) => match called.phase {
            Phase::Awaiting => "The bank is being called now. Read the payment again in a moment.",
            Phase::Unknown | Phase::Review => "The payment is being processed.",
        },
        State::Settled { .. } => "The payment is settled.",
        State::Failed { .. } => "The payment has already failed.",
    };
    Problem::new(Kind::NotResolvable, why)
        .instance(location(payment))
        .new_key_safe(matches!(payment.state, State::Failed { .. }))
        .payment(PaymentView::of(payment))
}

pub(crate) fn stale(payment: &Operation) -> Problem {
    let detail = format!("The payment now has version {}.", payment.version);
    Problem::new(Kind::VersionStale, detail)
        .instance(location(payment))
        .payment(PaymentView::of(payment))
}

pub(crate) fn location(payment: &Operation) -> String {
    format!("{}/{}", PAYMENTS_PATH, payment.id)
}

/// The answer to a create that has a payment. For a finished payment the body is a pure function of
/// the durable record, so every repeat gets the same bytes.
pub(crate) fn render_created(created: &Created) -> Response {
    let payment: &Arc<Operation> = &created.payment;
    let mut response = match &payment.state {
        State::Settled { .. } => json(StatusCode::CREATED, &PaymentView::of(payment)),
        State::Failed { .. } => payment_failed(payment),
        State::Received | State::Persisted | State::BankCalled(_) => {
            let mut response = json(StatusCode::ACCEPTED, &PaymentView::of(payment));
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            response
        }
    };
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(location(payment)).expect("a UUID in a path is ASCII");
    headers.insert(header::LOCATION, location);
    headers.insert(REPLAYED, boolean(created.replayed));
    headers.insert(SHOULD_RETRY, boolean(!payment.is_finished()));
    response
}

fn payment_failed(payment: &Operation) -> Response {
    let view = PaymentView::of(payment);
    let detail = view.failure.as_ref().map_or_else(String::new, |failure| {
        format!("{}: {}", failure.code, failure.message)
    });
    Problem::new(Kind::PaymentFailed, detail)
        .instance(location(payment))
        .new_key_safe(true)
        .payment(view)
        .respond(PAYMENTS_PATH)
}

pub(crate) fn render_create_error(error: CreateError) -> Response {
    let (problem, replayed) = match error {
        CreateError::Mismatch { fields, payment } => {
            let detail = format!(
                "The key belongs to a payment with another {}. Nothing was changed.",
                fields.join(", ")
            );
            let problem = Problem::new(Kind::KeyReused, detail)
                .new_key_safe(matches!(payment.state, State::Failed { .. }))
                .mismatched_fields(&fields);
            (problem, true)
        }
        CreateError::InProgress(payment) => {
            let detail = format!("The payment {} is still in flight.", payment.id);
            (Problem::new(Kind::InProgress, detail), true)
        }
        CreateError::AccountFull(full) => {
            let (LedgerError::Full { account, currency }
            | LedgerError::NotHeld { account, currency }) = full;
            let detail = format!(
                "The account {account} would exceed its limit in {currency}. Nothing was changed."
            );
            (Problem::new(Kind::AccountFull, detail), false)
        }
        CreateError::Unavailable(reason) => (Problem::from(reason), false),
    };
    let mut response = problem.respond(PAYMENTS_PATH);
    response.headers_mut().insert(REPLAYED, boolean(replayed));
    response
}

pub(crate) fn with_preferences(mut response: Response, preferences: &Preferences) -> Response {
    if let Some(applied) = preferences.applied() {
        let value = HeaderValue::try_from(applied).expect("names and digits are ASCII");
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
    response
}

/// Adds the payment's version as its entity tag, for `If-Match`.
pub(crate) fn with_version(mut response: Response, payment: &Operation) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", payment.version)).expect("digits are ASCII");
    response.headers_mut().insert(header::ETAG, tag);
    response
}
