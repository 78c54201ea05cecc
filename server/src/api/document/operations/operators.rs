//! What the routes for operators answer.

use crate::api::document::answers::{CACHE_CONTROL, Case, Content, Operation, case, problem};
use crate::api::document::operations::shared::{
    ETAG, FORBIDDEN, INTERNAL, NO_SUCH_PAYMENT, RATE_LIMITED, REQUEST_TIMEOUT, UNAUTHORIZED,
    UNAVAILABLE,
};

/// `POST /v1/payments/{payment_id}/resolve`.
pub(crate) struct Resolve;

impl Operation for Resolve {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[ETAG, CACHE_CONTROL],
            "Resolved, now or before by the same decision.",
        ),
        problem(
            400,
            "`validation-failed`: a field or If-Match breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        FORBIDDEN,
        NO_SUCH_PAYMENT,
        REQUEST_TIMEOUT,
        problem(
            409,
            "`payment-not-resolvable`: its outcome is not in question; `payment` shows its \
             current state.",
        ),
        problem(
            412,
            "`version-stale`: the payment has changed; `payment` shows its current state.",
        ),
        problem(
            413,
            "`content-too-large`: the body has more than 16 KiB, or the configured limit.",
        ),
        problem(
            415,
            "`unsupported-media-type`: the body is not declared as JSON in UTF-8.",
        ),
        problem(428, "`version-required`: If-Match is missing."),
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/contradictions`.
pub(crate) struct Contradictions;

impl Operation for Contradictions {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::EventPage,
            &[CACHE_CONTROL],
            "A page of contradictions, oldest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        FORBIDDEN,
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/journal`.
pub(crate) struct Journal;

impl Operation for Journal {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::JournalPage,
            &[CACHE_CONTROL],
            "A page of the journal in full; `next_cursor` is the next `after`.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        FORBIDDEN,
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}
