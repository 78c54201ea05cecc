//! Answers to bytes that never became a request, because hyper refused to parse them.

use bytes::Bytes;
use poem::http::StatusCode;

use crate::api::edge::request_id::own_request_id;
use crate::api::front_door::FrontDoor;
use crate::api::problem::{Kind, Problem};
use crate::api::request_metrics::RouteLabels;
use crate::refusal::Refused;
use crate::telemetry;

impl FrontDoor {
    /// The whole answer, in bytes, to what was no request that could be answered otherwise.
    pub(crate) fn refuse(&self, refused: Refused<'_>) -> Bytes {
        let Refused { status, date } = refused;
        let (kind, detail) = match status {
            StatusCode::URI_TOO_LONG => (
                Kind::UriTooLong,
                "The URL is longer than the server accepts.",
            ),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
                Kind::TooManyHeaders,
                "The request line and the headers are larger, or more, than the server accepts.",
            ),
            _ => (
                Kind::BadRequest,
                "The request is not valid HTTP/1.1: the request line, a header or the framing breaks a rule.",
            ),
        };
        self.requests.count(RouteLabels::UNREAD, status.as_u16());
        let request_id = own_request_id(self);
        let request_id = request_id.to_str().unwrap_or_default();
        tracing::debug!(target: telemetry::REQUESTS, request_id, status = status.as_u16(), "rejected before it was read");
        let body = Problem::new(kind, detail).view("");
        let body = serde_json::to_string(&body).expect("a problem is plain data");
        let reason = status.canonical_reason().unwrap_or_default();
        let length = body.len();
        Bytes::from(format!(
            "HTTP/1.1 {} {reason}\r\nx-request-id: {request_id}\r\ncontent-type: application/problem+json\r\n\
             content-length: {length}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             connection: close\r\ndate: {date}\r\n\r\n{body}",
            status.as_u16()
        ))
    }
}
