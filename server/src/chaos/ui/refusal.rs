//! Problem details (RFC 9457) for requests that the page's server refuses.

use poem::http::StatusCode;
use poem::{Error, IntoResponse, Response};
use serde::Serialize;

use crate::web::body::Unread;
use crate::web::json::json_as;

/// Why a request was refused.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// A field that breaks a rule.
#[derive(Debug, Serialize)]
struct FieldError {
    field: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    pub(super) fn field(field: &'static str, message: String) -> Self {
        Self {
            errors: vec![FieldError { field, message }],
            ..Self::new(StatusCode::BAD_REQUEST, "There is no such world.")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("it was made of a status");
        json_as("application/problem+json", status, &self)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::from_response(refusal.into_response())
    }
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        let status = match unread {
            Unread::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Unread::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Unread::Missing | Unread::Broken => StatusCode::BAD_REQUEST,
            Unread::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        };
        Self::new(status, unread.to_string())
    }
}
