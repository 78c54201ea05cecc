//! Responses in JSON.

use poem::http::{StatusCode, header};
use poem::{Body, Response};
use serde::Serialize;

/// A response whose body is this value.
pub(crate) fn json<T: Serialize>(status: StatusCode, view: &T) -> Response {
    json_as("application/json", status, view)
}

/// The same, for a media type that is JSON underneath.
pub(crate) fn json_as<T: Serialize>(
    content_type: &'static str,
    status: StatusCode,
    view: &T,
) -> Response {
    let body = serde_json::to_vec(view).expect("a view is plain data");
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
}
