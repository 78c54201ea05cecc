//! Delivering an answer over HTTP, or losing it in the way that was planned.

use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use holdfast_simulator::bank::{BankAnswer, Reaction};
use holdfast_simulator::faults::Delivery;
use poem::http::{StatusCode, header};
use poem::{Body, Response};
use serde_json::json;

use crate::accept::Abort;

/// A silence ends after so long by breaking the connection; callers give up long before.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// How long half an answer gets to leave before its connection breaks.
const FLUSH: Duration = Duration::from_millis(10);

/// Carries out what was planned for an answer. `absent` is the status when there is no answer to
/// give.
pub(super) async fn deliver(
    reaction: Reaction<Option<BankAnswer>>,
    absent: (StatusCode, &'static str),
) -> Response {
    if reaction.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reaction.delay_ms)).await;
    }
    match reaction.delivery {
        Delivery::Whole => whole(reaction.answer.as_ref(), absent),
        Delivery::Silence => {
            tokio::time::sleep(SILENCE_MAX).await;
            abort()
        }
        Delivery::Broken => abort(),
        Delivery::Cut => cut(reaction.answer.as_ref(), absent),
        Delivery::Unreadable => Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body("{\"status\": \"\u{fffd}"),
        Delivery::Error(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            error(status, "Something went wrong at the bank.")
        }
        Delivery::Throttled {
            status,
            retry_after_ms,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let mut response = error(status, "The bank is busy; nothing was processed.");
            let seconds = retry_after_ms.div_ceil(1000).into();
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
    }
}

/// An error that a person can read.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    json_response(status, json!({ "error": message }).to_string())
}

pub(super) fn json_response(status: StatusCode, body: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
}

fn whole(answer: Option<&BankAnswer>, absent: (StatusCode, &'static str)) -> Response {
    match answer {
        Some(answer) => {
            let body = serde_json::to_string(answer).expect("an answer is plain data");
            json_response(StatusCode::OK, body)
        }
        None => error(absent.0, absent.1),
    }
}

/// Tells the accept loop to break the connection without a byte.
fn abort() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Abort);
    response
}

/// The head and half of the body, then a broken connection.
fn cut(answer: Option<&BankAnswer>, absent: (StatusCode, &'static str)) -> Response {
    let whole = match answer {
        Some(answer) => serde_json::to_string(answer).expect("an answer is plain data"),
        None => json!({ "error": absent.1 }).to_string(),
    };
    let status = if answer.is_some() {
        StatusCode::OK
    } else {
        absent.0
    };
    let half = whole[..whole.len() / 2].to_owned();
    // What was written leaves only once the body makes it wait.
    let breaks = async {
        tokio::time::sleep(FLUSH).await;
        Err(io::Error::other("injected: the connection breaks here"))
    };
    let parts = stream::iter([Ok(bytes::Bytes::from(half))]).chain(stream::once(breaks));
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, whole.len())
        .body(Body::from_bytes_stream(parts))
}
