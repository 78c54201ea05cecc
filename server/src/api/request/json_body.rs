//! Bodies in JSON, and what is said of one that cannot be read.

use std::fmt;

use bytes::Bytes;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef};
use serde_json::Value;

use crate::api::front_door::FrontDoor;
use crate::api::problem::{FieldError, Kind, Problem, quoted};
use crate::web::body::{self, Unread};

/// Reads a body that must be declared as JSON and not be too large. It is not parsed yet.
pub(crate) async fn read(request: &Request, body: &mut RequestBody) -> Result<Bytes, Problem> {
    let limits = FrontDoor::of(request).limits.body;
    let read = body::read(request, body, limits).await;
    read.map_err(|unread| match unread {
        Unread::NotJson => Problem::new(Kind::UnsupportedMediaType, unread.to_string()),
        Unread::TooLarge { .. } => Problem::new(Kind::ContentTooLarge, unread.to_string()),
        Unread::Missing => Problem::field("", "is missing"),
        Unread::Broken => Problem::field("", "could not be read completely"),
        Unread::TooSlow { .. } => Problem::new(Kind::RequestTimeout, unread.to_string()),
    })
}

/// The entry in the document for a body of the schema `T`.
// The trait is not imported: it brings an `is_empty` of its own to every string.
pub(crate) fn meta<T: poem_openapi::types::Type>(description: &'static str) -> MetaRequest {
    MetaRequest {
        description: Some(description),
        content: vec![MetaMediaType {
            content_type: "application/json",
            schema: MetaSchemaRef::Reference(T::name().into_owned()),
        }],
        required: true,
    }
}

/// What is said of a body that serde refuses.
pub(crate) fn not_json(error: &serde_json::Error) -> FieldError {
    let message = match error.classify() {
        serde_json::error::Category::Data => quoted(&error.to_string()),
        _ => format!("is not valid JSON: {}", quoted(&error.to_string())),
    };
    FieldError {
        field: String::new(),
        message,
    }
}

/// A JSON string that passes `check`; anything else is told `rule`.
pub(crate) fn text<T, E: fmt::Display>(
    value: &Value,
    rule: &str,
    check: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("must be a string: {rule}"))?;
    check(text).map_err(|error| error.to_string())
}
