//! Request bodies in JSON: checks media type, size and time. Parsing is the caller's.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use poem::http::header;
use poem::{Request, RequestBody};

use super::media_type::is_json;

/// What the body of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyLimits {
    /// Most bytes.
    pub(crate) bytes_max: usize,
    /// Time limit for the body to arrive.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes_max: 16 * 1024,
            timeout: Duration::from_secs(20),
        }
    }
}

/// Why a body was not read. Each says so in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("Send the body as JSON in UTF-8, with Content-Type: application/json.")]
    NotJson,
    #[error("The body may have at most {bytes_max} bytes.")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    #[error("The body is missing.")]
    Missing,
    #[error("The body could not be read completely.")]
    Broken,
    #[error("The body did not arrive within {} s.", timeout.as_secs_f32())]
    TooSlow {
        /// The limit.
        timeout: Duration,
    },
}

/// Reads a body that must be declared as JSON and not be too large.
pub(crate) async fn read(
    request: &Request,
    body: &mut RequestBody,
    limits: BodyLimits,
) -> Result<Bytes, Unread> {
    let BodyLimits { bytes_max, timeout } = limits;
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
        return Err(Unread::NotJson);
    }
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(Unread::TooLarge { bytes_max });
    }
    let body = body.take().map_err(|_| Unread::Missing)?;
    // The framework's own way has a buffer of 4 KiB, which is moved with the request from layer to layer.
    let body = Limited::new(BoxBody::<Bytes, io::Error>::from(body), bytes_max);
    match tokio::time::timeout(timeout, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge { bytes_max }),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow { timeout }),
    }
}
