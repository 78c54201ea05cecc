//! Whoever posts whatever to create a payment.

use std::cell::LazyCell;

use bytes::Bytes;
use holdfast_server::api::{InProcess, Routes};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::scripted::{KEYED, ScriptedBank, World, world};

thread_local! {
    static ROUTES: LazyCell<Routes> = LazyCell::new(Routes::undocumented);
}

/// The input is the headers, an empty line and the body of a create.
///
/// # Panics
/// When it is not answered as the contract says, or a repeat is not answered as the first was, or more than
/// one charge comes of both.
pub fn create(input: &[u8]) {
    let (head, body) = super::head_and_body(input);
    let headers: HeaderMap = head.filter_map(super::header).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let world = world(ScriptedBank::new(KEYED));
        let door = ROUTES.with(|routes| InProcess::new(&world.front_door, routes));
        let post = || {
            let mut request = Request::new(Bytes::copy_from_slice(body));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = "/v1/payments".parse().expect("a path");
            *request.headers_mut() = headers.clone();
            door.call(request)
        };
        let (first, again) = (post().await, post().await);
        check(&first);
        check(&again);
        match first.status() {
            StatusCode::CREATED => {
                settled(&world, &first, body);
                assert_eq!(again.status(), StatusCode::CREATED);
                assert_eq!(again.body(), first.body());
                assert_eq!(header(&again, "location"), header(&first, "location"));
                assert_eq!(
                    (
                        header(&first, "idempotent-replayed"),
                        header(&again, "idempotent-replayed")
                    ),
                    ("false", "true")
                );
            }
            StatusCode::ACCEPTED => {
                assert_eq!(header(&first, "idempotent-replayed"), "false");
                // With `handling=strict` the repeat is refused.
                if again.status() != StatusCode::CONFLICT {
                    assert_eq!(header(&again, "location"), header(&first, "location"));
                }
                assert_eq!(header(&again, "idempotent-replayed"), "true");
            }
            refused => {
                assert_eq!(again.status(), refused);
                assert_eq!((world.store.commits(), world.bank.counts()), (0, (0, 0)));
            }
        }
        assert!(world.bank.counts().0 <= 1, "at most one charge");
    });
}

fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
    let value = answer
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("{name} is missing: {answer:?}"));
    value.to_str().expect("visible ASCII")
}

/// What every answer to a create has.
fn check(answer: &Response<Bytes>) {
    let body: Value = serde_json::from_slice(answer.body()).expect("every answer is JSON");
    assert!(!header(answer, "x-request-id").is_empty());
    assert_eq!(header(answer, "cache-control"), "no-store");
    for flag in ["idempotent-replayed", "holdfast-should-retry"] {
        assert!(
            ["true", "false"].contains(&header(answer, flag)),
            "{answer:?}"
        );
    }
    match answer.status().as_u16() {
        201 | 202 => {
            assert_eq!(header(answer, "content-type"), "application/json");
            let id = body["id"].as_str().expect("a payment has an id");
            assert_eq!(header(answer, "location"), format!("/v1/payments/{id}"));
        }
        // What two requests of the same bytes can never be is left out.
        status @ (400 | 409 | 413 | 415) => {
            assert_eq!(header(answer, "content-type"), "application/problem+json");
            assert_eq!(body["status"], status);
            assert_eq!(body["retry"]["same_key_safe"], true);
        }
        status => panic!("{status} is no answer to this: {answer:?}"),
    }
}

/// The payment is the one that was asked for, to whoever reads the request as JSON.
fn settled(world: &World, answer: &Response<Bytes>, asked: &[u8]) {
    let payment: Value = serde_json::from_slice(answer.body()).expect("a payment is JSON");
    let asked: Value = serde_json::from_slice(asked).expect("what was taken is JSON");
    assert_eq!(payment["state"], "settled");
    for member in ["amount", "currency", "debtor", "creditor", "reference"] {
        let asked = asked.get(member).unwrap_or(&Value::Null);
        // `1e3` and `1000.0` are the integer 1000.
        let same = &payment[member] == asked
            || (asked.is_f64() && payment[member].as_f64() == asked.as_f64());
        assert!(same, "{member}: {asked}");
    }
    match asked.get("metadata") {
        None | Some(Value::Null) => assert!(
            payment["metadata"]
                .as_object()
                .is_some_and(serde_json::Map::is_empty)
        ),
        Some(metadata) => assert_eq!(&payment["metadata"], metadata),
    }
    let members = asked.as_object().expect("an object").len();
    assert!(
        members <= 6,
        "members that are none of a payment's were taken"
    );
    assert_eq!(world.bank.counts(), (1, 0));
}
