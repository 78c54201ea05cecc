//! The problems that operations answer with, by status.

use super::life::Life;
use crate::api::problem::{FieldError, Kind, Problem};
use crate::api::routes::PAYMENTS_PATH;
use crate::api::views::payment::PaymentView;
use crate::web::same_origin;

/// The problems with this status at an address.
pub(super) fn problems(status: &str, path: &str, life: &Life) -> Vec<Problem> {
    match status {
        "400" => not_valid(path),
        "401" => vec![Problem::new(
            Kind::Unauthorized,
            "Send `Authorization: Bearer hf_...` with an API key of this service.",
        )],
        "402" => vec![
            Problem::new(
                Kind::PaymentFailed,
                "insufficient_funds: The account has not enough funds.",
            )
            .instance(format!("{PAYMENTS_PATH}/{}", life.declined.id))
            .new_key_safe(true)
            .payment(PaymentView::of(&life.declined)),
        ],
        "403" => vec![forbidden(path)],
        "404" if path.starts_with("/v1/accounts/") => vec![Problem::new(
            Kind::NotFound,
            "There is no such account: there was never a movement on it.",
        )],
        "404" => vec![Problem::new(Kind::NotFound, "There is no such payment.")],
        "409" => vec![conflict(path, life)],
        "412" => vec![
            Problem::new(Kind::VersionStale, "The payment now has version 3.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.unknown.id))
                .payment(PaymentView::of(&life.unknown)),
        ],
        "428" => vec![Problem::new(
            Kind::VersionRequired,
            "Send the payment's version in If-Match, for example If-Match: \"3\".",
        )],
        "413" => vec![
            Problem::new(
                Kind::ContentTooLarge,
                "The body may have at most 16384 bytes.",
            )
            .new_key_safe(true),
        ],
        "415" => vec![
            Problem::new(
                Kind::UnsupportedMediaType,
                "Send the body as JSON in UTF-8, with Content-Type: application/json.",
            )
            .new_key_safe(true),
        ],
        "422" => unprocessable(),
        "408" => vec![
            Problem::new(Kind::RequestTimeout, "The body did not arrive within 20 s.")
                .new_key_safe(true),
        ],
        "429" => vec![Problem::new(
            Kind::RateLimited,
            "This merchant may send 100 requests per second, and 200 at once. This request did nothing; send it again \
                 in 1 s.",
        )],
        "431" => vec![Problem::new(
            Kind::TooManyHeaders,
            "The request may have at most 64 headers.",
        )],
        "500" => vec![Problem::new(
            Kind::InternalError,
            "Internal error. The log has the details under this X-Request-Id.",
        )],
        "503" => vec![holdfast_engine::service::Unavailable::Draining.into()],
        _ => Vec::new(),
    }
}

fn not_valid(path: &str) -> Vec<Problem> {
    let field = |field: &str, message: &str| {
        Problem::validation(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    };
    if path == PAYMENTS_PATH {
        let rule = "must be an integer from 1 to 999999999999 in minor units";
        let missing =
            "Send an Idempotency-Key header that names this intent to pay, for example a UUID.";
        let malformed = "The Idempotency-Key header is malformed: the closing quote is missing.";
        return vec![
            field("amount", rule).new_key_safe(true),
            Problem::new(Kind::KeyMissing, missing).new_key_safe(true),
            Problem::new(Kind::KeyInvalid, malformed).new_key_safe(true),
        ];
    }
    if path.ends_with("/resolve") {
        return vec![field("evidence", "is required")];
    }
    if path.starts_with("/v1/payments/") && !path.ends_with("/events") {
        let rule = "must be a list of entity tags, or *: If-Match: \"3\"";
        return vec![field("If-Match", rule)];
    }
    vec![field("limit", "must be an integer from 1 to 100")]
}

fn forbidden(path: &str) -> Problem {
    if path == PAYMENTS_PATH || path.ends_with("/cancel") {
        return Problem::new(Kind::Forbidden, same_origin::REFUSED);
    }
    let detail = "This API key has the role merchant; this needs the role operator.";
    Problem::new(Kind::Forbidden, detail)
}

fn conflict(path: &str, life: &Life) -> Problem {
    if path == PAYMENTS_PATH {
        let detail = format!("The payment {} is still in flight.", life.called.id);
        return Problem::new(Kind::InProgress, detail);
    }
    let kind = if path.ends_with("/resolve") {
        Kind::NotResolvable
    } else {
        Kind::NotCancellable
    };
    Problem::new(kind, "The payment is settled.")
        .instance(format!("{PAYMENTS_PATH}/{}", life.settled.id))
        .payment(PaymentView::of(&life.settled))
}

fn unprocessable() -> Vec<Problem> {
    vec![
        Problem::new(
            Kind::KeyReused,
            "The key belongs to a payment with another amount. Nothing was changed.",
        )
        .mismatched_fields(&["amount"]),
        Problem::new(
            Kind::AccountFull,
            "The account acct_shop would exceed its limit in EUR. Nothing was changed.",
        )
        .new_key_safe(true),
    ]
}
