//! Bodies in JSON: the media type, the size, and what is said of one that cannot be read.

use std::{fmt, io};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef};
use serde_json::Value;

use super::problem::{FieldError, Kind, Problem, quoted};
use super::{BodyLimits, FrontDoor};

/// Reads a body that must be declared as JSON and not be too large. It is not parsed yet.
pub(crate) async fn read(request: &Request, body: &mut RequestBody) -> Result<Bytes, Problem> {
    let BodyLimits { bytes_max, timeout } = FrontDoor::of(request).limits.body;
    let too_large = || {
        let detail = format!("The body may have at most {bytes_max} bytes.");
        Problem::new(Kind::ContentTooLarge, detail)
    };
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "Send the body as JSON in UTF-8, with Content-Type: application/json.",
        ));
    }
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let body = body.take().map_err(|_| Problem::field("", "is missing"))?;
    // The framework's own way has a buffer of 4 KiB, which is moved with the request from layer to layer.
    let body = Limited::new(BoxBody::<Bytes, io::Error>::from(body), bytes_max);
    match tokio::time::timeout(timeout, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::field("", "could not be read completely")),
        Err(_) => {
            let detail = format!(
                "The body did not arrive within {} s.",
                timeout.as_secs_f32()
            );
            Err(Problem::new(Kind::RequestTimeout, detail))
        }
    }
}

/// How a body of the schema `T` stands in the document.
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

/// Whether a `Content-Type` means JSON in UTF-8.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    is_in_utf8(content_type, "application/json")
}

/// Whether a `Content-Type` means this media type, in UTF-8.
pub(crate) fn is_in_utf8(content_type: &[u8], media_type: &str) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case(media_type)
        && parts.filter(|part| !part.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_other_than_json_in_utf_8_are_refused() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/json; charset=latin1",
            "application/problem+json",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
