//! Delivering an answer over HTTP, or losing it in the way that was planned.

use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use holdfast_bank_simulator::faults::Delivery;
use holdfast_bank_simulator::{NamedAnswer, Reaction};
use poem::http::{StatusCode, header};
use poem::{Body, Response};
use serde_json::json;

use crate::web::json::json;
use crate::web::marks::Abort;

/// After this time a connection without an answer is closed; callers give up long before.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// How long half an answer gets to leave before its connection breaks.
const FLUSH: Duration = Duration::from_millis(10);

/// A call that is being answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The reference it is about.
    pub(super) reference: &'a str,
    /// What is said when there is no answer to give.
    pub(super) absent: Absent,
    /// The status with which a gateway in front of the bank answers in its place.
    pub(super) gateway: StatusCode,
}

/// There is no answer to give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absent {
    pub(super) status: StatusCode,
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: &'static str,
}

/// Carries out what was planned for an answer.
pub(super) async fn deliver(reaction: Reaction<Option<NamedAnswer>>, asked: Asked<'_>) -> Response {
    let Asked {
        reference,
        absent,
        gateway,
    } = asked;
    if reaction.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reaction.delay_ms)).await;
    }
    match reaction.delivery {
        Delivery::Whole | Delivery::Stray => whole(reaction.answer.as_ref(), absent, reference),
        Delivery::Gateway => from_gateway(gateway),
        Delivery::Silence => {
            tokio::time::sleep(SILENCE_MAX).await;
            abort()
        }
        Delivery::Broken => abort(),
        Delivery::Cut => cut(reaction.answer.as_ref(), absent, reference),
        Delivery::Unreadable => Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body("{\"status\": \"\u{fffd}"),
        Delivery::Error(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            error(
                status,
                "failed",
                "Internal error of the bank.",
                Some(reference),
            )
        }
        Delivery::Throttled {
            status,
            retry_after_ms,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let message = "The bank is busy; nothing was processed.";
            let mut response = error(status, "not_processed", message, Some(reference));
            let seconds = retry_after_ms.div_ceil(1000).into();
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
    }
}

/// An error for programs and people. Where it is about a reference, it names it: that tells the bank's own errors from a
/// gateway's.
pub(super) fn error(
    status: StatusCode,
    code: &str,
    message: &str,
    reference: Option<&str>,
) -> Response {
    let mut body = json!({ "error": message, "code": code });
    if let Some(reference) = reference {
        body["bank_reference"] = reference.into();
    }
    json(status, &body)
}

/// What a gateway says that has lost the bank from sight after it passed the request on.
fn from_gateway(status: StatusCode) -> Response {
    let mut response = json(status, &json!({ "message": "no route" }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, 0.into());
    }
    response
}

fn whole(answer: Option<&NamedAnswer>, absent: Absent, reference: &str) -> Response {
    match answer {
        Some(answer) => json(StatusCode::OK, answer),
        None => error(absent.status, absent.code, absent.message, Some(reference)),
    }
}

/// Tells the accept loop to break the connection without a byte.
fn abort() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Abort);
    response
}

/// The head and half of the body, then a broken connection.
fn cut(answer: Option<&NamedAnswer>, absent: Absent, reference: &str) -> Response {
    let whole = match answer {
        Some(answer) => serde_json::to_string(answer).expect("an answer is plain data"),
        None => json!({ "error": absent.message, "bank_reference": reference }).to_string(),
    };
    let status = if answer.is_some() {
        StatusCode::OK
    } else {
        absent.status
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
