//! The answers of each operation: one table per operation, to be read beside the contract.

use super::answers::{
    CACHE_CONTROL, Case, Content, Header, HeaderSchema, Operation, case, header, problem,
};

const LOCATION: Header = header("Location", HeaderSchema::Text, "Where the payment stands.");
const RETRY_AFTER: Header = header(
    "Retry-After",
    HeaderSchema::Seconds,
    "How long to wait before asking again, in seconds.",
);
const KEY_ECHO: Header = header(
    "Idempotency-Key",
    HeaderSchema::Text,
    "The key of the request, as it was sent. Left out only when none was sent.",
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
    "`unauthorized`: API keys are configured, and none or a wrong one was sent.",
);
const INTERNAL: Case = problem(
    500,
    "`internal-error`: a bug in Holdfast. What was made durable stays durable.",
);
const UNAVAILABLE: Case = case(
    503,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`unavailable`: the service is shutting down, its store has stopped, or it serves as many at once as it can. The \
     request sent nothing to the bank.",
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
    "`rate-limited`: the merchant has sent more requests than it is granted. This one did nothing.",
);
const RATE_LIMIT: Header = header(
    "RateLimit",
    HeaderSchema::Text,
    "What is left of the merchant's requests, where a rate is configured: `r` requests, `t` seconds until all are \
     granted again, or the next one is (draft-ietf-httpapi-ratelimit-headers).",
)
.optional();
const RATE_LIMIT_POLICY: Header = header(
    "RateLimit-Policy",
    HeaderSchema::Text,
    "What the merchant is granted, where a rate is configured: `q` requests in `w` seconds.",
)
.optional();
const FORBIDDEN: Case = problem(403, "`forbidden`: the API key has not the role operator.");
const FOREIGN_PAGE: &str = "`forbidden`: a browser says that a page of another origin sent it.";
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
            "Not finished within the wait: the payment as it durably stands. Repeat the request \
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
            "`unauthorized`: API keys are configured, and none or a wrong one was sent.",
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
            "`content-too-large`: the body has more than 16 KiB, or what is configured. The key stays unused.",
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
            "`idempotency-key-reused`: the key stands for another request; `mismatched_fields` \
             names where they differ. `account-full`: an account of the payment has no room for it. \
             Nothing changed.",
        ),
        case(
            429,
            Content::Problem,
            create_headers![RETRY_AFTER, RATE_LIMIT, RATE_LIMIT_POLICY],
            "`rate-limited`: the merchant has sent more requests than it is granted. This one did nothing; an earlier one \
             with the key may have made the payment.",
        ),
        case(
            500,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`internal-error`: a bug in Holdfast. Retry with the same key to learn how the payment \
             stands.",
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
            "The payment as it durably stands.",
        ),
        case(
            304,
            Content::Empty,
            &[ETAG, CACHE_CONTROL],
            "The client has it already: If-None-Match names its version.",
        ),
        problem(
            400,
            "`validation-failed`: If-Match is no list of entity tags.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        problem(
            412,
            "`version-stale`: If-Match names another version; `payment` shows how it stands now.",
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
             where it stands.",
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
            "`payment-not-resolvable`: its outcome is not in question; `payment` shows where it \
             stands.",
        ),
        problem(
            412,
            "`version-stale`: it has changed since; `payment` shows how it stands now.",
        ),
        problem(
            413,
            "`content-too-large`: the body has more than 16 KiB, or what is configured.",
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
            "The account as it durably stands.",
        ),
        UNAUTHORIZED,
        problem(
            404,
            "`not-found`: nothing ever moved on an account of that name.",
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
    "`too-many-headers`: the headers are more than 64, or the request line and they are larger than 32 KiB, or what is \
     configured. Over HTTP/2 a larger head may get a bare 431.",
);

/// Readiness.
pub(crate) struct Probe;

impl Operation for Probe {
    const CASES: &'static [Case] = &[
        case(200, Content::Text, &[CACHE_CONTROL], "As asked for."),
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
        case(200, Content::Text, &[CACHE_CONTROL], "As asked for."),
        HEAD_TOO_LARGE,
    ];
}
