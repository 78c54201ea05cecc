//! Errors as RFC 9457 problem details: one table of kinds, one way to render them.

mod kind;

use std::time::Duration;

use poem::Response;
use poem::http::{HeaderValue, header};
use poem_openapi::Object;
use serde::Serialize;

use crate::api::views::payment::PaymentView;
use crate::web::json::json_as;
pub(crate) use kind::Kind;

/// What the client may safely do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Object)]
pub(crate) struct Retry {
    /// Repeating the request with the same key never charges a second time. Always true.
    pub(crate) same_key_safe: bool,
    /// Sending the intent under a new key cannot charge a second time: no charge happened under
    /// this key and none can, even if a proxy sends this very request again later.
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
    retry_after_ms: u32,
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
            retry_after_ms: kind.retry_after_ms(),
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
            errors => format!("{} fields are not valid; see errors.", errors.len()),
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

    /// Says that no charge happened under the key, and none can. Of a refusal that could turn out otherwise another
    /// time nobody can say so: a proxy may send the very request again.
    pub(crate) fn new_key_safe(mut self, safe: bool) -> Self {
        self.new_key_safe = safe && !self.kind.may_turn_out_otherwise();
        self
    }

    /// Says how long to wait instead of what is usual for the kind.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        let ms = wait.as_micros().div_ceil(1000);
        self.retry_after_ms = u32::try_from(ms).unwrap_or(u32::MAX);
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
            after_ms: self.retry_after_ms,
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
        let (kind, retry_after_ms) = (self.kind, self.retry_after_ms);
        let view = self.view(path);
        let mut response = json_as("application/problem+json", kind.status(), &view);
        // For the outermost layer, which knows the route but not what went wrong.
        response.extensions_mut().insert(kind);
        let headers = response.headers_mut();
        if kind.should_retry() {
            let seconds = retry_after_ms.div_ceil(1000);
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
        let detail = format!(
            "This request sent nothing to the bank: {reason}. Retry later; retry a payment with the same key."
        );
        Self::new(Kind::Unavailable, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_could_turn_out_otherwise_makes_no_new_key_safe() {
        for kind in Kind::ALL {
            let view = Problem::new(kind, "d")
                .new_key_safe(true)
                .view("/v1/payments");
            let said = view.retry.unwrap().new_key_safe;
            // What depends on the credentials, the time or the load of a moment; an account may have room again.
            let status = kind.status().as_u16();
            let depends =
                [401, 403, 408, 429, 500, 503].contains(&status) || kind == Kind::AccountFull;
            assert_eq!(said, !depends, "{}", kind.name());
            let unsaid = Problem::new(kind, "d").view("/v1/payments").retry.unwrap();
            assert!(
                !unsaid.new_key_safe && unsaid.same_key_safe,
                "{}",
                kind.name()
            );
        }
    }
}
