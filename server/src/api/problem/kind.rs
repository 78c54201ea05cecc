//! The kinds of problems, as one table.

use poem::http::StatusCode;

/// A kind of problem: its name is the last part of its `type`, its page stands at
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
            Self::BadRequest => "The request breaks a rule of HTTP",
            Self::ValidationFailed => "The request is not valid",
            Self::KeyMissing => "The Idempotency-Key header is missing",
            Self::KeyInvalid => "The Idempotency-Key header is malformed",
            Self::Unauthorized => "Credentials are missing or wrong",
            Self::Forbidden => "The credentials do not allow this",
            Self::PaymentFailed => "The payment failed",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::InProgress => "A request with this key is in progress",
            Self::NotCancellable => "The payment can no longer be cancelled",
            Self::NotResolvable => "The payment is not in question",
            Self::VersionStale => "The payment has changed since",
            Self::VersionRequired => "The payment's version is missing",
            Self::ContentTooLarge => "The request body is too large",
            Self::UnsupportedMediaType => "The media type is not supported",
            Self::KeyReused => "The key was used for another request",
            Self::AccountFull => "An account has no room for the payment",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::RateLimited => "Too many requests",
            Self::UriTooLong => "The address is too long",
            Self::TooManyHeaders => "The request has too many headers, or too large ones",
            Self::InternalError => "Something went wrong inside Holdfast",
            Self::Unavailable => "The service takes nothing in right now",
        }
    }

    /// What it means and what to do: the text of its page.
    #[expect(clippy::too_many_lines, reason = "one table, by kind")]
    pub(crate) const fn explanation(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "What arrived is no request that HTTP allows (RFC 9110, RFC 9112): for example no Host or two of them, a \
                 header that cannot be read, or two lengths of one body. Nothing was looked up or changed. A client library \
                 does not send such a request; a gateway in between may have broken it."
            }
            Self::UriTooLong => {
                "The address of the request is longer than the server reads. Nothing was looked up or changed."
            }
            Self::ValidationFailed => {
                "A field, a parameter or the body as a whole breaks a rule. `errors` names each field \
                 and says what is expected. The idempotency key stays unused: correct the request and \
                 send it with the same key."
            }
            Self::KeyMissing => {
                "A payment is created under a key that names the intent to pay. Make one per intent \
                 (a UUID will do), keep it, and send it in the Idempotency-Key header with every \
                 retry of that intent."
            }
            Self::KeyInvalid => {
                "The Idempotency-Key header must be sent exactly once and hold 1 to 255 visible ASCII \
                 characters, in double quotes as a structured-field string (RFC 8941) or bare."
            }
            Self::Unauthorized => {
                "This service has API keys configured. Send `Authorization: Bearer hf_...` with a key \
                 that is in force. Nothing was looked up or changed."
            }
            Self::Forbidden => {
                "Only an operator may do this: make a key with `holdfast api-key new --role operator` and \
                 use it. Or a browser sent the request from a page of another origin, which may change nothing \
                 here. Nothing was looked up or changed."
            }
            Self::PaymentFailed => {
                "The payment is finished and failed: no debit happened and none can. `payment.failure` \
                 says why. Every retry with the same key gets this same answer. To try the payment \
                 again, for example after the customer chose another account, use a new key."
            }
            Self::NotFound => {
                "No such address, or no such payment for the merchant whose credentials were used."
            }
            Self::MethodNotAllowed => {
                "The address exists but does not take this method; the Allow header names those it \
                 takes."
            }
            Self::InProgress => {
                "The payment under this key is still in flight, and the request asked with \
                 `Prefer: handling=strict` not to join it. Retry with the same key: it is safe. Without \
                 that preference the request waits and gets the payment's answer."
            }
            Self::NotCancellable => {
                "A payment can be cancelled only before the bank was called. This one is finished, or \
                 the bank may have it; `payment` shows where it stands."
            }
            Self::NotResolvable => {
                "An operator decides only what is in question: a payment in `bank_called` whose phase is \
                 `unknown` or `review`. `payment` shows where this one stands: it is finished, was not \
                 sent yet, or is being sent right now."
            }
            Self::VersionStale => {
                "The payment moved on after the version in If-Match was read; `payment` shows how it \
                 stands now. Look at it again; a decision is then sent with its new `version`."
            }
            Self::VersionRequired => {
                "A decision is made about a payment as it was seen: send the `version` you looked at in \
                 If-Match (RFC 9110, section 13.1.1), quoted or bare; also a list of quoted versions, or `*` for any."
            }
            Self::ContentTooLarge => {
                "The body has more bytes than this service takes, 16 KiB unless it is configured otherwise. The \
                 idempotency key stays unused."
            }
            Self::UnsupportedMediaType => {
                "Send the body as JSON in UTF-8, with `Content-Type: application/json`. The idempotency \
                 key stays unused."
            }
            Self::KeyReused => {
                "The key stands for a payment with other contents; `mismatched_fields` names where they \
                 differ. Nothing was changed. If this is a retry, send the original request again. If it \
                 is a new intent to pay, give it a key of its own."
            }
            Self::AccountFull => {
                "One side of an account, pending and posted together, holds at most 9007199254740991 minor \
                 units, the largest integer that every JSON reader keeps exactly. This payment would pass \
                 that. Nothing was stored or sent; the idempotency key stays unused. The same request may pass later, so keep the \
                 key."
            }
            Self::RequestTimeout => {
                "The body of the request did not arrive within the time that this service gives it. Nothing was \
                 looked up or changed: send it again with the same key. A proxy may still send the same request, so a new \
                 key is not safe."
            }
            Self::RateLimited => {
                "The merchant has sent more requests than this service grants it; the RateLimit headers of each answer \
                 say how many are left. This one did nothing. Keep the key and retry with it after the time in \
                 Retry-After: an earlier request with it may have made the payment."
            }
            Self::TooManyHeaders => {
                "The request has more headers than this service takes, 64 unless it is configured otherwise, or its request \
                 line and headers are larger, 32 KiB unless it is configured otherwise. Nothing was looked up or changed; the idempotency key stays unused."
            }
            Self::InternalError => {
                "A bug in Holdfast. Whatever the request had made durable stays durable: retry with the \
                 same key to learn how the payment stands."
            }
            Self::Unavailable => {
                "The service is at capacity, shutting down, its disk is almost full, or its store has stopped. \
                 This request sent nothing to the bank. Keep the key and retry with it after the time in Retry-After."
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
