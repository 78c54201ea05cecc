//! What the payment routes answer.

use crate::api::document::answers::{CACHE_CONTROL, Case, Content, Operation, case, problem};
use crate::api::document::operations::shared::{
    ETAG, FOREIGN_PAGE, INTERNAL, KEY_ECHO, LOCATION, NO_SUCH_PAYMENT, PREFERENCE_APPLIED,
    RATE_LIMIT, RATE_LIMIT_POLICY, RATE_LIMITED, REPLAYED, RETRY_AFTER, SHOULD_RETRY, UNAUTHORIZED,
    UNAVAILABLE, WWW_AUTHENTICATE,
};

/// What every answer to a create carries.
macro_rules! create_headers {
    ($($more:expr),*) => {
        &[$($more,)* KEY_ECHO, REPLAYED, SHOULD_RETRY, CACHE_CONTROL, PREFERENCE_APPLIED]
    };
}

/// `POST /v1/payments`.
pub(crate) struct Create;

impl Operation for Create {
    const CASES: &'static [Case] = &[
        case(
            201,
            Content::Payment,
            create_headers![LOCATION],
            "Settled: the debit happened. Frozen: every repeat gets the same bytes.",
        ),
        case(
            202,
            Content::Payment,
            create_headers![LOCATION, RETRY_AFTER],
            "Not finished within the wait: the current durable state of the payment. Repeat the request \
             with the same key, or follow Location.",
        ),
        case(
            400,
            Content::Problem,
            create_headers![],
            "`idempotency-key-missing`, `idempotency-key-invalid` or `validation-failed`. The key \
             stays unused.",
        ),
        case(
            401,
            Content::Problem,
            create_headers![WWW_AUTHENTICATE],
            "`unauthorized`: the service requires an API key, and it is missing or wrong.",
        ),
        case(
            402,
            Content::Problem,
            create_headers![LOCATION],
            "`payment-failed`: declined or otherwise failed; no debit happened and none can. Frozen: \
             every repeat gets the same bytes.",
        ),
        case(403, Content::Problem, create_headers![], FOREIGN_PAGE),
        case(
            408,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`request-timeout`: the body did not arrive in time. The key stays unused.",
        ),
        case(
            409,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`idempotency-request-in-progress`: the key's payment is in flight and the request \
             asked with `Prefer: handling=strict` not to join it.",
        ),
        case(
            413,
            Content::Problem,
            create_headers![],
            "`content-too-large`: the body has more than 16 KiB, or the configured limit. The key stays unused.",
        ),
        case(
            415,
            Content::Problem,
            create_headers![],
            "`unsupported-media-type`: the body is not declared as JSON in UTF-8. The key stays \
             unused.",
        ),
        case(
            422,
            Content::Problem,
            create_headers![],
            "`idempotency-key-reused`: the key belongs to another request; `mismatched_fields` \
             lists the differences. `account-full`: an account of the payment would exceed its limit. \
             Nothing changed.",
        ),
        case(
            429,
            Content::Problem,
            create_headers![RETRY_AFTER, RATE_LIMIT, RATE_LIMIT_POLICY],
            "`rate-limited`: the merchant has sent more requests than its rate limit allows. This request did nothing; an earlier \
             one with the key may have created the payment.",
        ),
        case(
            500,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`internal-error`: a bug in Holdfast. Retry with the same key to learn the state of \
             the payment.",
        ),
        case(
            503,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`unavailable`: at capacity, shutting down, the disk almost full, or the store has stopped. This \
             request sent nothing to the bank; keep the key.",
        ),
    ];
}

/// `GET /v1/payments`.
pub(crate) struct List;

impl Operation for List {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::PaymentPage,
            &[CACHE_CONTROL],
            "A page of payments, newest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/payments/{payment_id}`.
pub(crate) struct Get;

impl Operation for Get {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[ETAG, CACHE_CONTROL],
            "The current durable state of the payment.",
        ),
        case(
            304,
            Content::Empty,
            &[ETAG, CACHE_CONTROL],
            "The client has it already: If-None-Match names its version.",
        ),
        problem(
            400,
            "`validation-failed`: If-Match is not a list of entity tags.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        problem(
            412,
            "`version-stale`: If-Match names another version; `payment` shows the current state.",
        ),
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/payments/{payment_id}/events`.
pub(crate) struct Events;

impl Operation for Events {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::EventPage,
            &[CACHE_CONTROL],
            "The payment's events, oldest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `POST /v1/payments/{payment_id}/cancel`.
pub(crate) struct Cancel;

impl Operation for Cancel {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[CACHE_CONTROL],
            "Cancelled, now or before: `failed` with the code `cancelled`.",
        ),
        UNAUTHORIZED,
        problem(403, FOREIGN_PAGE),
        NO_SUCH_PAYMENT,
        problem(
            409,
            "`payment-not-cancellable`: it is finished, or the bank may have it; `payment` shows \
             its current state.",
        ),
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}
