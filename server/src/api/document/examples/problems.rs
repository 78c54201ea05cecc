//! The problems that operations answer with, by status.

use super::life::Life;
use crate::api::problem::{FieldError, Kind, Problem};
use crate::api::routes::PAYMENTS_PATH;
use crate::api::views::payment::PaymentView;
use crate::web::same_origin;

/// The problems with this status at an address.
#[expect(clippy::too_many_lines, reason = "one table, by status")]
pub(super) fn problems(status: &str, path: &str, life: &Life) -> Vec<Problem> {
    let field = |field: &str, message: &str| {
        Problem::validation(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    };
    let is_create = path == PAYMENTS_PATH;
    let is_resolve = path.ends_with("/resolve");
    match status {
        "400" if is_create => {
            vec![
            field("amount", "must be an integer from 1 to 999999999999 in minor units")
                .new_key_safe(true),
            Problem::new(
                Kind::KeyMissing,
                "Send an Idempotency-Key header that names this intent to pay, for example a UUID.",
            )
            .new_key_safe(true),
            Problem::new(
                Kind::KeyInvalid,
                "The Idempotency-Key header is malformed: the closing quote is missing.",
            )
            .new_key_safe(true),
        ]
        }
        "400" if is_resolve => vec![field("evidence", "is required")],
        "400" if path.starts_with("/v1/payments/") && !path.ends_with("/events") => {
            vec![field(
                "If-Match",
                "must be a list of entity tags, or *: If-Match: \"3\"",
            )]
        }
        "400" => vec![field("limit", "must be an integer from 1 to 100")],
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
        "403" if is_create || path.ends_with("/cancel") => {
            vec![Problem::new(Kind::Forbidden, same_origin::REFUSED)]
        }
        "403" => vec![Problem::new(
            Kind::Forbidden,
            "This API key has the role merchant; this needs the role operator.",
        )],
        "404" if path.starts_with("/v1/accounts/") => vec![Problem::new(
            Kind::NotFound,
            "There is no such account: nothing ever moved.",
        )],
        "404" => vec![Problem::new(Kind::NotFound, "There is no such payment.")],
        "409" if is_create => vec![Problem::new(
            Kind::InProgress,
            format!("The payment {} is still in flight.", life.called.id),
        )],
        "409" if is_resolve => vec![
            Problem::new(Kind::NotResolvable, "The payment is settled.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.settled.id))
                .payment(PaymentView::of(&life.settled)),
        ],
        "412" => vec![
            Problem::new(Kind::VersionStale, "The payment has version 3 by now.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.unknown.id))
                .payment(PaymentView::of(&life.unknown)),
        ],
        "428" => vec![Problem::new(
            Kind::VersionRequired,
            "Send the payment's version in If-Match, for example If-Match: \"3\".",
        )],
        "409" => vec![
            Problem::new(Kind::NotCancellable, "The payment is settled.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.settled.id))
                .payment(PaymentView::of(&life.settled)),
        ],
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
        "422" => vec![
            Problem::new(
                Kind::KeyReused,
                "The key stands for a payment with another amount. Nothing was changed.",
            )
            .mismatched_fields(&["amount"]),
            Problem::new(
                Kind::AccountFull,
                "The account acct_shop cannot take more in EUR. Nothing was changed.",
            )
            .new_key_safe(true),
        ],
        "408" => vec![
            Problem::new(Kind::RequestTimeout, "The body did not arrive within 20 s.")
                .new_key_safe(true),
        ],
        "429" => vec![Problem::new(
            Kind::RateLimited,
            "This merchant may send 100 requests a second, and 200 at once. This one did nothing; send it again \
                 in 1 s.",
        )],
        "431" => vec![Problem::new(
            Kind::TooManyHeaders,
            "The request may have at most 64 headers.",
        )],
        "500" => vec![Problem::new(
            Kind::InternalError,
            "Something went wrong inside Holdfast; the log has it under this X-Request-Id.",
        )],
        "503" => vec![holdfast_engine::service::Unavailable::Draining.into()],
        _ => Vec::new(),
    }
}
