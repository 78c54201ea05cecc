//! The kinds of problems, as one table.

use poem::http::StatusCode;

/// A kind of problem. Its name is the last part of its `type`; its page is at
/// `/problems/NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    ValidationFailed,
    KeyMissing,
    KeyInvalid,
    Unauthorized,
    Forbidden,
    PaymentFailed,
    NotFound,
    MethodNotAllowed,
    InProgress,
    NotCancellable,
    NotResolvable,
    VersionStale,
    VersionRequired,
    ContentTooLarge,
    UnsupportedMediaType,
    KeyReused,
    AccountFull,
    RequestTimeout,
    RateLimited,
    UriTooLong,
    TooManyHeaders,
    InternalError,
    Unavailable,
}

impl Kind {
    pub(crate) const ALL: [Self; 24] = [
        Self::BadRequest,
        Self::ValidationFailed,
        Self::KeyMissing,
        Self::KeyInvalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::PaymentFailed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InProgress,
        Self::NotCancellable,
        Self::NotResolvable,
        Self::VersionStale,
        Self::VersionRequired,
        Self::ContentTooLarge,
        Self::UnsupportedMediaType,
        Self::KeyReused,
        Self::AccountFull,
        Self::RequestTimeout,
        Self::RateLimited,
        Self::UriTooLong,
        Self::TooManyHeaders,
        Self::InternalError,
        Self::Unavailable,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::ValidationFailed => "validation-failed",
            Self::KeyMissing => "idempotency-key-missing",
            Self::KeyInvalid => "idempotency-key-invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::PaymentFailed => "payment-failed",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::InProgress => "idempotency-request-in-progress",
            Self::NotCancellable => "payment-not-cancellable",
            Self::NotResolvable => "payment-not-resolvable",
            Self::VersionStale => "version-stale",
            Self::VersionRequired => "version-required",
            Self::ContentTooLarge => "content-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::KeyReused => "idempotency-key-reused",
            Self::AccountFull => "account-full",
            Self::RequestTimeout => "request-timeout",
            Self::RateLimited => "rate-limited",
            Self::UriTooLong => "uri-too-long",
            Self::TooManyHeaders => "too-many-headers",
            Self::InternalError => "internal-error",
            Self::Unavailable => "unavailable",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ValidationFailed | Self::KeyMissing | Self::KeyInvalid => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::PaymentFailed => StatusCode::PAYMENT_REQUIRED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::InProgress | Self::NotCancellable | Self::NotResolvable => StatusCode::CONFLICT,
            Self::VersionStale => StatusCode::PRECONDITION_FAILED,
            Self::VersionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyReused | Self::AccountFull => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is not valid HTTP",
            Self::ValidationFailed => "The request is not valid",
            Self::KeyMissing => "The Idempotency-Key header is missing",
            Self::KeyInvalid => "The Idempotency-Key header is malformed",
            Self::Unauthorized => "Credentials are missing or wrong",
            Self::Forbidden => "The credentials do not allow this",
            Self::PaymentFailed => "The payment failed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "The method is not allowed",
            Self::InProgress => "A request with this key is in progress",
            Self::NotCancellable => "The payment can no longer be cancelled",
            Self::NotResolvable => "The outcome of the payment is not in question",
            Self::VersionStale => "The payment has changed",
            Self::VersionRequired => "The payment's version is missing",
            Self::ContentTooLarge => "The request body is too large",
            Self::UnsupportedMediaType => "The media type is not supported",
            Self::KeyReused => "The key was used for another request",
            Self::AccountFull => "An account would exceed its limit",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::RateLimited => "Too many requests",
            Self::UriTooLong => "The URL is too long",
            Self::TooManyHeaders => "The request headers are too many or too large",
            Self::InternalError => "Internal error",
            Self::Unavailable => "The service is not accepting new payments",
        }
    }

    /// What it means and what to do: the text of its page.
    #[expect(clippy::too_many_lines, reason = "one table, by kind")]
    pub(crate) const fn explanation(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "The request is not valid HTTP (RFC 9110, RFC 9112): for example it has no Host \
                 header or two of them, a header that cannot be parsed, or two different lengths \
                 of the body. Nothing was looked up or changed. Client libraries do not send such \
                 requests; a gateway in between may have broken it."
            }
            Self::UriTooLong => {
                "The URL of the request is longer than the server accepts. Nothing was looked up \
                 or changed."
            }
            Self::ValidationFailed => {
                "A field, a parameter or the whole body breaks a rule. `errors` lists each field \
                 and what is expected. The idempotency key stays unused: correct the request and \
                 send it with the same key."
            }
            Self::KeyMissing => {
                "A payment is created under a key that identifies the intent to pay. Create one \
                 key per intent, for example a UUID, store it, and send it in the Idempotency-Key \
                 header with every retry of that intent."
            }
            Self::KeyInvalid => {
                "Send the Idempotency-Key header exactly once, with 1 to 255 visible ASCII \
                 characters, in double quotes as a structured-field string (RFC 8941) or bare."
            }
            Self::Unauthorized => {
                "This service requires an API key. Send `Authorization: Bearer hf_...` with a \
                 valid key. Nothing was looked up or changed."
            }
            Self::Forbidden => {
                "Only an operator may do this: create a key with `holdfast api-key new --role \
                 operator` and use it. Or a browser sent the request from a page of another \
                 origin, which may not change anything here. Nothing was looked up or changed."
            }
            Self::PaymentFailed => {
                "The payment is finished and failed: no debit happened and none can. \
                 `payment.failure` has the reason. Every retry with the same key gets this same \
                 answer. To try the payment again, for example after the customer chose another \
                 account, use a new key."
            }
            Self::NotFound => {
                "There is no such URL, or the merchant of the credentials has no such payment."
            }
            Self::MethodNotAllowed => {
                "The URL exists but does not support this method. The Allow header lists the \
                 supported methods."
            }
            Self::InProgress => {
                "The payment under this key is still in flight, and the request asked with \
                 `Prefer: handling=strict` not to join it. It is safe to retry with the same key. \
                 Without that preference the request waits and gets the answer of the payment."
            }
            Self::NotCancellable => {
                "A payment can be cancelled only before the bank was called. This one is \
                 finished, or the bank may have it. `payment` shows its current state."
            }
            Self::NotResolvable => {
                "An operator can resolve only a payment whose outcome is in question: in \
                 `bank_called`, with the phase `unknown` or `review`. `payment` shows the current \
                 state of this one: it is finished, was not sent yet, or is being sent now."
            }
            Self::VersionStale => {
                "The payment has changed after the version in If-Match. `payment` shows its \
                 current state. Check it again, then send the decision with the new `version`."
            }
            Self::VersionRequired => {
                "A decision is about one version of a payment: send the `version` that you have \
                 seen in If-Match (RFC 9110, section 13.1.1), quoted or bare; also a list of \
                 quoted versions, or `*` for any."
            }
            Self::ContentTooLarge => {
                "The body is larger than this service accepts: 16 KiB unless configured \
                 otherwise. The idempotency key stays unused."
            }
            Self::UnsupportedMediaType => {
                "Send the body as JSON in UTF-8, with `Content-Type: application/json`. The idempotency \
                 key stays unused."
            }
            Self::KeyReused => {
                "The key belongs to a payment with other contents. `mismatched_fields` lists the \
                 fields that differ. Nothing was changed. If this is a retry, send the original \
                 request again. If it is a new intent to pay, use a new key."
            }
            Self::AccountFull => {
                "Each side of an account, pending and posted together, holds at most \
                 9007199254740991 minor units, the largest integer that every JSON parser \
                 represents exactly. This payment would exceed that. Nothing was stored or sent; \
                 the idempotency key stays unused. The same request may succeed later, so keep \
                 the key."
            }
            Self::RequestTimeout => {
                "The body of the request did not arrive within the time limit of this service. \
                 Nothing was looked up or changed: send it again with the same key. A proxy may \
                 still send the same request, so a new key is not safe."
            }
            Self::RateLimited => {
                "The merchant has sent more requests than its rate limit allows. The RateLimit \
                 headers of each answer show how many are left. This request did nothing. Keep \
                 the key and retry with it after the time in Retry-After: an earlier request with \
                 it may have created the payment."
            }
            Self::TooManyHeaders => {
                "The request has more headers than this service accepts (64 unless configured \
                 otherwise), or its request line and headers are larger (32 KiB unless configured \
                 otherwise). Nothing was looked up or changed; the idempotency key stays unused."
            }
            Self::InternalError => {
                "This is a bug in Holdfast. Everything that was durable stays durable: retry with \
                 the same key to learn the state of the payment."
            }
            Self::Unavailable => {
                "The service is at capacity, is shutting down, its disk is almost full, or its \
                 store has stopped. This request sent nothing to the bank. Keep the key and retry \
                 with it after the time in Retry-After."
            }
        }
    }

    /// How long to wait before a repeat can be useful, in milliseconds; 0 when a wait changes
    /// nothing.
    pub(crate) const fn retry_after_ms(self) -> u32 {
        match self {
            Self::InProgress
            | Self::RequestTimeout
            | Self::RateLimited
            | Self::Unavailable
            | Self::InternalError => 1_000,
            Self::BadRequest
            | Self::UriTooLong
            | Self::ValidationFailed
            | Self::KeyMissing
            | Self::KeyInvalid
            | Self::Unauthorized
            | Self::PaymentFailed
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::NotCancellable
            | Self::NotResolvable
            | Self::VersionStale
            | Self::VersionRequired
            | Self::Forbidden
            | Self::TooManyHeaders
            | Self::ContentTooLarge
            | Self::UnsupportedMediaType
            | Self::KeyReused
            | Self::AccountFull => 0,
        }
    }

    /// Whether the same request, sent again, could be taken in: it was refused for what it met, not for what it is.
    pub(crate) const fn may_turn_out_otherwise(self) -> bool {
        match self {
            Self::Unauthorized
            | Self::Forbidden
            | Self::AccountFull
            | Self::RequestTimeout
            | Self::RateLimited
            | Self::InternalError
            | Self::Unavailable => true,
            Self::BadRequest
            | Self::UriTooLong
            | Self::ValidationFailed
            | Self::KeyMissing
            | Self::KeyInvalid
            | Self::PaymentFailed
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::InProgress
            | Self::NotCancellable
            | Self::NotResolvable
            | Self::VersionStale
            | Self::VersionRequired
            | Self::TooManyHeaders
            | Self::ContentTooLarge
            | Self::UnsupportedMediaType
            | Self::KeyReused => false,
        }
    }

    /// Whether the same request with the same key may get another answer later.
    pub(crate) const fn should_retry(self) -> bool {
        self.retry_after_ms() > 0
    }
}
