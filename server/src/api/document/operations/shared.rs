//! Headers and cases that several operations have.

use crate::api::document::answers::{
    CACHE_CONTROL, Case, Content, Header, HeaderSchema, case, header, problem,
};

pub(crate) const LOCATION: Header = header("Location", HeaderSchema::Text, "URL of the payment.");
pub(crate) const RETRY_AFTER: Header = header(
    "Retry-After",
    HeaderSchema::Seconds,
    "How long to wait before asking again, in seconds.",
);
pub(crate) const KEY_ECHO: Header = header(
    "Idempotency-Key",
    HeaderSchema::Text,
    "The key of the request, as it was sent. Missing only when none was sent.",
)
.optional();
pub(crate) const REPLAYED: Header = header(
    "Idempotent-Replayed",
    HeaderSchema::Boolean,
    "`false` for the request that opened the payment, and when no payment is involved; `true` for \
     one that joined it or came later.",
);
pub(crate) const SHOULD_RETRY: Header = header(
    "Holdfast-Should-Retry",
    HeaderSchema::Boolean,
    "Whether repeating the request with the same key may usefully give another answer.",
);
pub(crate) const PREFERENCE_APPLIED: Header = header(
    "Preference-Applied",
    HeaderSchema::Text,
    "The preferences that were honoured (RFC 7240).",
)
.optional();
pub(crate) const WWW_AUTHENTICATE: Header = header(
    "WWW-Authenticate",
    HeaderSchema::Text,
    "How to authenticate: `Bearer`.",
);

pub(crate) const RATE_LIMIT: Header = header(
    "RateLimit",
    HeaderSchema::Text,
    "What is left of the merchant's rate limit, if one is configured: `r` requests, and `t` seconds until all of them, or \
     the next one, are available again (draft-ietf-httpapi-ratelimit-headers).",
)
.optional();
pub(crate) const RATE_LIMIT_POLICY: Header = header(
    "RateLimit-Policy",
    HeaderSchema::Text,
    "The rate limit of the merchant, if one is configured: `q` requests in `w` seconds.",
)
.optional();
pub(crate) const ETAG: Header = header(
    "ETag",
    HeaderSchema::Text,
    "The payment's version in quotes, for If-Match.",
);

pub(crate) const UNAUTHORIZED: Case = case(
    401,
    Content::Problem,
    &[WWW_AUTHENTICATE, CACHE_CONTROL],
    "`unauthorized`: the service requires an API key, and it is missing or wrong.",
);
pub(crate) const INTERNAL: Case = problem(
    500,
    "`internal-error`: a bug in Holdfast. Everything that was durable stays durable.",
);
pub(crate) const UNAVAILABLE: Case = case(
    503,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`unavailable`: the service is shutting down, its store has stopped, or it is at capacity. The request sent nothing to \
     the bank.",
);
pub(crate) const REQUEST_TIMEOUT: Case = case(
    408,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`request-timeout`: the body did not arrive in time.",
);
pub(crate) const RATE_LIMITED: Case = case(
    429,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL, RATE_LIMIT, RATE_LIMIT_POLICY],
    "`rate-limited`: the merchant has sent more requests than its rate limit allows. This request did nothing.",
);
pub(crate) const FORBIDDEN: Case = problem(
    403,
    "`forbidden`: the API key does not have the role operator.",
);
pub(crate) const FOREIGN_PAGE: &str =
    "`forbidden`: a browser reports that a page of another origin sent it.";
pub(crate) const NO_SUCH_PAYMENT: Case =
    problem(404, "`not-found`: the merchant has no such payment.");
