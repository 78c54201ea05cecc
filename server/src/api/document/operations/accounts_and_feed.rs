//! What the routes for accounts and the feed answer.

use crate::api::document::answers::{CACHE_CONTROL, Case, Content, Operation, case, problem};
use crate::api::document::operations::shared::{INTERNAL, RATE_LIMITED, UNAUTHORIZED, UNAVAILABLE};

/// `GET /v1/accounts/{account}`.
pub(crate) struct Account;

impl Operation for Account {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Account,
            &[CACHE_CONTROL],
            "The current durable state of the account.",
        ),
        UNAUTHORIZED,
        problem(
            404,
            "`not-found`: there was never a movement on an account with this name.",
        ),
        RATE_LIMITED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/events`.
pub(crate) struct Feed;

impl Operation for Feed {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Feed,
            &[CACHE_CONTROL],
            "A page of events in the journal's order; `next_cursor` is the next `after`. With \
             `Accept: text/event-stream`: the events as they happen.",
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
