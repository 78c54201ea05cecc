//! What the probes answer.

use crate::api::document::answers::{CACHE_CONTROL, Case, Content, Operation, case};
use crate::api::document::operations::shared::RETRY_AFTER;

/// The one client error of a route that takes no input; it comes before any route is looked at.
const HEAD_TOO_LARGE: Case = case(
    431,
    Content::Problem,
    &[CACHE_CONTROL],
    "`too-many-headers`: there are more than 64 headers, or the request line and headers are larger than 32 KiB (or the \
     configured limits). Over HTTP/2 a larger head may get a 431 without a body.",
);

/// Readiness.
pub(crate) struct Probe;

impl Operation for Probe {
    const CASES: &'static [Case] = &[
        case(200, Content::Text, &[CACHE_CONTROL], "The requested text."),
        HEAD_TOO_LARGE,
        case(
            503,
            Content::Problem,
            &[RETRY_AFTER, CACHE_CONTROL],
            "`unavailable`: the service is shutting down, its disk is almost full, or its store has stopped.",
        ),
    ];
}

/// Probes that always answer while the process runs.
pub(crate) struct AlwaysText;

impl Operation for AlwaysText {
    const CASES: &'static [Case] = &[
        case(200, Content::Text, &[CACHE_CONTROL], "The requested text."),
        HEAD_TOO_LARGE,
    ];
}
