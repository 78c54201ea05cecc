//! The answers of each operation: one table per operation, to be read beside the contract.

use super::answers::{Case, Content, Header, HeaderSchema, Operation, case, header, problem};

const LOCATION: Header = header("Location", HeaderSchema::Text, "URL of the payment.");
const RETRY_AFTER: Header = header(
    "Retry-After",
    HeaderSchema::Seconds,
    "How long to wait before asking again, in seconds.",
);
const KEY_ECHO: Header = header(
    "Idempotency-Key",
    HeaderSchema::Text,
    "The key of the request, as it was sent. Missing only when none was sent.",
)
.optional();
const REPLAYED: Header = header(
    "Idempotent-Replayed",
    HeaderSchema::Boolean,
    "`false` for the request that opened the payment, and when no payment is involved; `true` for \
     one that joined it or came later.",
);
const SHOULD_RETRY: Header = header(
    "Holdfast-Should-Retry",
    HeaderSchema::Boolean,
    "Whether repeating the request with the same key may usefully give another answer.",
);
pub(super) const CACHE_CONTROL: Header =
    header("Cache-Control", HeaderSchema::Text, "Always `no-store`.");
const PREFERENCE_APPLIED: Header = header(
    "Preference-Applied",
    HeaderSchema::Text,
    "The preferences that were honoured (RFC 7240).",
)
.optional();
const WWW_AUTHENTICATE: Header = header(
    "WWW-Authenticate",
    HeaderSchema::Text,
    "How to authenticate: `Bearer`.",
);

/// What every answer to a create carries.
macro_rules! create_headers {
    ($($more:expr),*) => {
        &[$($more,)* KEY_ECHO, REPLAYED, SHOULD_RETRY, CACHE_CONTROL, PREFERENCE_APPLIED]
    };
}

const UNAUTHORIZED: Case = case(
    401,
    Content::Problem,
    &[WWW_AUTHENTICATE, CACHE_CONTROL],
    "`unauthorized`: the service requires an API key, and it is missing or wrong.",
);
const INTERNAL: Case = problem(
    500,
    "`internal-error`: a bug in Holdfast. Everything that was durable stays durable.",
);
const UNAVAILABLE: Case = case(
    503,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`unavailable`: the service is shutting down, its store has stopped, or it is at capacity. The request sent nothing to \
     the bank.",
);
const REQUEST_TIMEOUT: Case = case(
    408,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`request-timeout`: the body did not arrive in time.",
);
const RATE_LIMITED: Case = case(
    429,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL, RATE_LIMIT, RATE_LIMIT_POLICY],
    "`rate-limited`: the merchant has sent more requests than its rate limit allows. This request did nothing.",
);
const RATE_LIMIT: Header = header(
    "RateLimit",
    HeaderSchema::Text,
    "What is left of the merchant's rate limit, if one is configured: `r` requests, and `t` seconds until all of them, or \
     the next one, are available again (draft-ietf-httpapi-ratelimit-headers).",
)
.optional();
const RATE_LIMIT_POLICY: Header = header(
    "RateLimit-Policy",
    HeaderSchema::Text,
    "The rate limit of the merchant, if one is configured: `q` requests in `w` seconds.",
)
.optional();
const FORBIDDEN: Case = problem(
    403,
    "`forbidden`: the API key does not have the role operator.",
);
const FOREIGN_PAGE: &str = "`forbidden`: a browser reports that a page of another origin sent it.";
const ETAG: Header = header(
    "ETag",
    HeaderSchema::Text,
    "The payment's version in quotes, for If-Match.",
);
const NO_SUCH_PAYMENT: Case = problem(404, "`not-found`: the merchant has no such payment.");

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
