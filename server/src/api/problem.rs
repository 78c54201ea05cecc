//! Errors as RFC 9457 problem details: one table of kinds, one way to render them.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, Response};
use poem_openapi::Object;
use serde::Serialize;

use super::view::PaymentView;

/// A kind of problem: its name is the last part of its `type`, its page stands at
/// `/problems/NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
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
    InternalError,
    Unavailable,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
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
        Self::InternalError,
        Self::Unavailable,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
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
            Self::InternalError => "internal-error",
            Self::Unavailable => "unavailable",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::ValidationFailed | Self::KeyMissing | Self::KeyInvalid => StatusCode::BAD_REQUEST,
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
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
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
            Self::InternalError => "Something went wrong inside Holdfast",
            Self::Unavailable => "The service takes nothing in right now",
        }
    }

    /// What it means and what to do: the text of its page.
    pub(crate) const fn explanation(self) -> &'static str {
        match self {
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
                 use it. Nothing was looked up or changed."
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
                 stands now. Look at it, decide again, and send its `version`."
            }
            Self::VersionRequired => {
                "A decision is made about a payment as it was seen: send the `version` you looked at in \
                 If-Match (RFC 9110, section 13.1.1), quoted or bare, exactly once."
            }
            Self::ContentTooLarge => {
                "The body may have at most 16 KiB. The idempotency key stays unused."
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
                 that. Nothing was stored or sent; the idempotency key stays unused."
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
            Self::InProgress | Self::Unavailable | Self::InternalError => 1_000,
            Self::ValidationFailed
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
            | Self::ContentTooLarge
            | Self::UnsupportedMediaType
            | Self::KeyReused
            | Self::AccountFull => 0,
        }
    }

    /// Whether the same request with the same key may get another answer later.
    pub(crate) const fn should_retry(self) -> bool {
        self.retry_after_ms() > 0
    }
}

/// What the client may safely do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Object)]
pub(crate) struct Retry {
    /// Repeating the request with the same key never charges a second time. Always true.
    pub(crate) same_key_safe: bool,
    /// Sending the intent under a new key cannot charge a second time: no charge happened under
    /// this key and none can.
    pub(crate) new_key_safe: bool,
    /// How long to wait before a repeat, in milliseconds; 0 when waiting changes nothing.
    pub(crate) after_ms: u32,
}

/// One broken rule of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub(crate) struct FieldError {
    /// The field or parameter; empty when it is the body as a whole.
    pub(crate) field: String,
    /// What is expected of it.
    pub(crate) message: String,
}

/// An error, as RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Problem")]
pub(crate) struct ProblemView {
    /// Identifies the kind of problem, and is the address of its page.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// The kind of problem in words; the same for all problems of the kind.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time and what to do.
    detail: String,
    /// Where it went wrong: the path of the request, or of the payment it is about.
    instance: String,
    /// What the client may safely do next; on the payment routes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    retry: Option<Retry>,
    /// The broken rules, with `validation-failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    errors: Option<Vec<FieldError>>,
    /// The fields that differ from the first request, with `idempotency-key-reused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    mismatched_fields: Option<Vec<String>>,
    /// The payment, with `payment-failed`, `payment-not-cancellable`, `payment-not-resolvable` and
    /// `version-stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    payment: Option<PaymentView>,
}

/// A problem on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", kind.name())]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: String,
    instance: Option<String>,
    new_key_safe: bool,
    errors: Option<Vec<FieldError>>,
    mismatched_fields: Option<Vec<String>>,
    payment: Option<Box<PaymentView>>,
}

/// Longest client input that is quoted back in a message, in characters.
const QUOTED_CHARS_MAX: usize = 120;

/// Client input for use in a message: cut to a bounded length.
pub(crate) fn quoted(input: &str) -> String {
    let mut cut: String = input.chars().take(QUOTED_CHARS_MAX).collect();
    if cut.len() < input.len() {
        cut.push('…');
    }
    cut
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            instance: None,
            new_key_safe: false,
            errors: None,
            mismatched_fields: None,
            payment: None,
        }
    }

    /// A `validation-failed` problem about the given fields.
    pub(crate) fn validation(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [FieldError { field, message }] if field.is_empty() => format!("The body {message}."),
            [FieldError { field, message }] => format!("{} {message}.", quoted(field)),
            errors => format!("{} fields break a rule; see errors.", errors.len()),
        };
        Self {
            errors: Some(errors),
            ..Self::new(Kind::ValidationFailed, detail)
        }
    }

    /// A `validation-failed` problem about one field or parameter.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::validation(vec![FieldError {
            field: quoted(field),
            message: message.into(),
        }])
    }

    pub(crate) fn instance(mut self, instance: String) -> Self {
        self.instance = Some(instance);
        self
    }

    pub(crate) fn new_key_safe(mut self, safe: bool) -> Self {
        self.new_key_safe = safe;
        self
    }

    pub(crate) fn mismatched_fields(mut self, fields: &[&str]) -> Self {
        self.mismatched_fields = Some(fields.iter().map(ToString::to_string).collect());
        self
    }

    pub(crate) fn payment(mut self, payment: PaymentView) -> Self {
        self.payment = Some(Box::new(payment));
        self
    }

    /// The body, for a request to `path`.
    pub(crate) fn view(self, path: &str) -> ProblemView {
        let on_payment_route = path == "/v1/payments" || path.starts_with("/v1/payments/");
        let retry = on_payment_route.then_some(Retry {
            same_key_safe: true,
            new_key_safe: self.new_key_safe,
            after_ms: self.kind.retry_after_ms(),
        });
        ProblemView {
            kind: format!("/problems/{}", self.kind.name()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
            instance: self.instance.unwrap_or_else(|| quoted(path)),
            retry,
            errors: self.errors,
            mismatched_fields: self.mismatched_fields,
            payment: self.payment.map(|payment| *payment),
        }
    }

    /// The whole answer, for a request to `path`.
    pub(crate) fn respond(self, path: &str) -> Response {
        let kind = self.kind;
        let body = serde_json::to_vec(&self.view(path)).expect("a problem is plain data");
        let mut response = Response::builder()
            .status(kind.status())
            .header(header::CONTENT_TYPE, "application/problem+json")
            .body(Body::from(body));
        // For the outermost layer, which knows the route but not what went wrong.
        response.extensions_mut().insert(kind);
        let headers = response.headers_mut();
        if kind.should_retry() {
            let seconds = kind.retry_after_ms().div_ceil(1000);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if kind == Kind::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"holdfast\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let status = problem.kind.status();
        Self::new(problem, status)
    }
}

impl From<holdfast_engine::service::Unavailable> for Problem {
    fn from(reason: holdfast_engine::service::Unavailable) -> Self {
        let detail =
            format!("Nothing was sent to the bank: {reason}. Keep the key and retry with it.");
        Self::new(Kind::Unavailable, detail)
    }
}
