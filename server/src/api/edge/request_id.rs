//! The request id in each answer, by which a client finds its request in the log.

use poem::http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::front_door::FrontDoor;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from the client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The client's request id when it is harmless, else one of our own.
pub(crate) fn request_id(front_door: &FrontDoor, headers: &HeaderMap) -> HeaderValue {
    let harmless = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
    };
    headers
        .get(&REQUEST_ID)
        .filter(harmless)
        .cloned()
        .unwrap_or_else(|| own_request_id(front_door))
}

/// A request id of our own.
pub(crate) fn own_request_id(front_door: &FrontDoor) -> HeaderValue {
    let id = front_door.source.request_id(front_door.clock.now());
    HeaderValue::try_from(id.to_string()).expect("a UUID is ASCII")
}
