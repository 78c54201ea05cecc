//! The contract's answers and headers, one by one, over the real binary.

use std::fmt::Write;

use holdfast_tests::sample::{BODY, DECLINED_BODY};
use holdfast_tests::{Answer, ApiKey, Server};
use http::{Method, StatusCode};
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");
const KEY: (&str, &str) = ("idempotency-key", "\"contract\"");

/// What every answer has.
fn check_every_answer(answer: &Answer) {
    assert!(!answer.header("x-request-id").is_empty(), "{answer:?}");
    // No chunks where the length is known: it shows whether all of it has arrived.
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string(),
        "{answer:?}"
    );
    if answer.status.is_client_error() || answer.status.is_server_error() {
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{answer:?}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status.as_u16());
        for member in ["type", "title", "detail", "instance"] {
            assert!(
                problem[member].is_string(),
                "{member} is missing: {answer:?}"
            );
        }
    }
}

/// What every answer to a create has.
fn check_create(answer: &Answer) {
    check_every_answer(answer);
    assert_eq!(answer.header("cache-control"), "no-store");
    for header in ["idempotent-replayed", "holdfast-should-retry"] {
        assert!(
            ["true", "false"].contains(&answer.header(header)),
            "{header}: {answer:?}"
        );
    }
    if answer.header("content-type") == "application/problem+json" {
        let retry = &answer.json()["retry"];
        assert_eq!(retry["same_key_safe"], true, "{answer:?}");
        assert!(
            retry["new_key_safe"].is_boolean() && retry["after_ms"].is_u64(),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn every_refusal_of_a_create_is_told_apart_and_leaves_the_key_unused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let post = |headers: Vec<(&'static str, &'static str)>, body: String| {
        let client = client.clone();
        async move {
            client
                .send(Method::POST, "/v1/payments", &headers, &body)
                .await
                .unwrap()
        }
    };
    let large = format!("{{\"reference\":\"{}\"}}", "x".repeat(17_000));
    let mut table = String::new();
    for (name, headers, body) in [
        ("no key", vec![JSON], BODY.to_owned()),
        (
            "empty key",
            vec![JSON, ("idempotency-key", "\"\"")],
            BODY.to_owned(),
        ),
        ("two keys", vec![JSON, KEY, KEY], BODY.to_owned()),
        (
            "key with a space",
            vec![JSON, ("idempotency-key", "a b")],
            BODY.to_owned(),
        ),
        ("no media type", vec![KEY], BODY.to_owned()),
        (
            "other media type",
            vec![KEY, ("content-type", "text/plain")],
            BODY.to_owned(),
        ),
        ("too large", vec![KEY, JSON], large),
        ("no body", vec![KEY, JSON], String::new()),
        ("an array", vec![KEY, JSON], "[1999]".to_owned()),
        ("amount 0", vec![KEY, JSON], BODY.replace("1999", "0")),
        (
            "no such currency",
            vec![KEY, JSON],
            BODY.replace("EUR", "EUX"),
        ),
    ] {
        let answer = post(headers, body).await;
        check_create(&answer);
        let (status, kind) = (answer.status.as_u16(), answer.json()["type"].clone());
        let retry = answer.json()["retry"].clone();
        writeln!(
            table,
            "{name:<18} {status} {:<36} new_key_safe={} should_retry={} replayed={} key={:?}",
            kind.as_str().unwrap(),
            retry["new_key_safe"],
            answer.header("holdfast-should-retry"),
            answer.header("idempotent-replayed"),
            answer.header("idempotency-key"),
        )
        .unwrap();
    }
    insta::assert_snapshot!(table);
    // After all that the key is as good as new.
    let settled = post(vec![KEY, JSON], BODY.to_owned()).await;
    check_create(&settled);
    assert_eq!(
        (settled.status, settled.header("idempotent-replayed")),
        (StatusCode::CREATED, "false")
    );
    assert_eq!(
        settled.header("idempotency-key"),
        KEY.1,
        "echoed as it was sent"
    );
    // And now it is used: whether a new key is safe depends on what it stands for.
    let garbled = post(vec![KEY, JSON], "{}".to_owned()).await;
    assert_eq!(garbled.json()["retry"]["new_key_safe"], false);
}

#[tokio::test]
async fn a_declined_payment_is_a_frozen_402_that_makes_a_new_key_safe() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let first = server
        .client()
        .pay("declined", DECLINED_BODY)
        .await
        .unwrap();
    check_create(&first);
    assert_eq!(first.status, StatusCode::PAYMENT_REQUIRED);
    let problem = first.json();
    assert_eq!(problem["type"], "/problems/payment-failed");
    assert_eq!(problem["payment"]["failure"]["code"], "insufficient_funds");
    assert_eq!(problem["retry"]["new_key_safe"], true);
    assert_eq!(
        first.header("location"),
        problem["instance"].as_str().unwrap()
    );
    let again = server
        .client()
        .pay("declined", DECLINED_BODY)
        .await
        .unwrap();
    assert_eq!(again.frozen(), first.frozen());
    assert_eq!(first.header("holdfast-should-retry"), "false");
}

#[tokio::test]
async fn errors_of_the_framework_are_problems_with_pages_too() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let unknown_id = "/v1/payments/0190a000-0000-7000-8000-000000000000";
    let cases = [
        (Method::GET, "/nope", 404, "not-found"),
        (Method::GET, unknown_id, 404, "not-found"),
        (Method::GET, "/v1/payments/nonsense", 404, "not-found"),
        (
            Method::GET,
            "/v1/payments/nonsense/events",
            404,
            "not-found",
        ),
        (Method::DELETE, "/v1/payments", 405, "method-not-allowed"),
        (Method::PUT, unknown_id, 405, "method-not-allowed"),
        (Method::POST, "/livez", 405, "method-not-allowed"),
        (
            Method::GET,
            "/v1/payments?limit=0",
            400,
            "validation-failed",
        ),
        (
            Method::GET,
            "/v1/payments?limit=101",
            400,
            "validation-failed",
        ),
        (
            Method::GET,
            "/v1/payments?limit=x",
            400,
            "validation-failed",
        ),
        (
            Method::GET,
            "/v1/payments?state=gone",
            400,
            "validation-failed",
        ),
        (
            Method::GET,
            "/v1/payments?cursor=gone",
            400,
            "validation-failed",
        ),
        (
            Method::GET,
            "/v1/payments?surprise=1",
            400,
            "validation-failed",
        ),
    ];
    for (method, path, status, kind) in cases {
        let answer = client.send(method.clone(), path, &[], "").await.unwrap();
        check_every_answer(&answer);
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(
            answer.json()["type"],
            format!("/problems/{kind}"),
            "{method} {path}"
        );
        assert_eq!(
            !answer.header("allow").is_empty(),
            status == 405,
            "{method} {path}"
        );
        let page = client
            .get(answer.json()["type"].as_str().unwrap())
            .await
            .unwrap();
        assert_eq!(page.status, StatusCode::OK, "the problem has a page");
        assert!(page.header("content-type").starts_with("text/html"));
    }
}

#[tokio::test]
async fn pages_of_payments_and_events_follow_their_cursors() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    for n in 0..5 {
        client.pay(&format!("page-{n}"), BODY).await.unwrap();
    }
    let mut keys = Vec::new();
    let mut path = "/v1/payments?limit=2".to_owned();
    loop {
        let page = client.get(&path).await.unwrap().json();
        let data = page["data"].as_array().unwrap();
        keys.extend(
            data.iter()
                .map(|p| p["idempotency_key"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/payments?limit=2&cursor={cursor}");
    }
    assert_eq!(keys, ["page-4", "page-3", "page-2", "page-1", "page-0"]);

    let one = client
        .get("/v1/payments?idempotency_key=page-2")
        .await
        .unwrap()
        .json();
    let id = one["data"][0]["id"].as_str().unwrap().to_owned();
    let events = client
        .get(&format!("/v1/payments/{id}/events"))
        .await
        .unwrap()
        .json();
    let story: Vec<_> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["to"].as_str().unwrap(),
                e["movement"]["kind"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        story,
        [
            ("persisted", "hold"),
            ("bank_called", "-"),
            ("settled", "post")
        ]
    );
    let first = client
        .get(&format!("/v1/payments/{id}/events?limit=1"))
        .await
        .unwrap()
        .json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = client
        .get(&format!("/v1/payments/{id}/events?cursor={cursor}"))
        .await
        .unwrap();
    assert_eq!(
        rest.json()["data"].as_array().unwrap()[..],
        events["data"].as_array().unwrap()[1..]
    );
}

#[tokio::test]
async fn with_api_keys_each_merchant_sees_only_its_own() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("holdfast.toml");
    let mut secrets = Vec::new();
    let mut blocks = String::new();
    for merchant in ["shop", "mall"] {
        let key = ApiKey::of(merchant, "merchant");
        secrets.push(key.bearer);
        blocks.push_str(&key.block);
    }
    std::fs::write(&config, blocks).unwrap();
    let store = data.path().join("data");
    let server = Server::start(&store, &["--config", config.to_str().unwrap()]);
    let client = server.client();

    let refused = client.pay("k", BODY).await.unwrap();
    check_create(&refused);
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["type"], "/problems/unauthorized");
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    let wrong = [("authorization", "Bearer hf_wrong")];
    assert_eq!(
        client.pay_with("k", BODY, &wrong).await.unwrap().status,
        StatusCode::UNAUTHORIZED
    );

    let shop = [("authorization", secrets[0].as_str())];
    let mall = [("authorization", secrets[1].as_str())];
    let mine = client.pay_with("k", BODY, &shop).await.unwrap();
    let theirs = client.pay_with("k", BODY, &mall).await.unwrap();
    assert_eq!(
        (mine.status, theirs.status),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(
        theirs.header("idempotent-replayed"),
        "false",
        "the key is another merchant's"
    );
    let location = mine.header("location").to_owned();
    let get = |path: String, headers: [(&'static str, String); 1]| {
        let client = client.clone();
        async move {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            client.send(Method::GET, &path, &headers, "").await.unwrap()
        }
    };
    let owner = [("authorization", secrets[0].clone())];
    let other = [("authorization", secrets[1].clone())];
    assert_eq!(get(location.clone(), owner).await.status, StatusCode::OK);
    assert_eq!(
        get(location.clone(), other.clone()).await.status,
        StatusCode::NOT_FOUND
    );
    let listed = get("/v1/payments".to_owned(), other).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let cancel = format!("{location}/cancel");
    let cancel = client.send(Method::POST, &cancel, &mall, "").await.unwrap();
    assert_eq!(cancel.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn accounts_hold_on_admission_post_on_settlement_and_void_on_failure() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank-latency-ms", "300"]);
    let client = server.client();
    let account = |name: &'static str| {
        let client = client.clone();
        async move { client.get(&format!("/v1/accounts/{name}")).await.unwrap() }
    };
    let balance = |debits: (u64, u64), credits: (u64, u64)| {
        json!([{
            "currency": "EUR", "debits_pending": debits.0, "debits_posted": debits.1,
            "credits_pending": credits.0, "credits_posted": credits.1,
        }])
    };
    for never in ["acct_alice", "no%20account", "x%00y"] {
        let path = format!("/v1/accounts/{never}");
        let answer = client.get(&path).await.unwrap();
        check_every_answer(&answer);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{never}");
    }
    let in_flight = [("prefer", "wait=0")];
    client.pay_with("held", BODY, &in_flight).await.unwrap();
    let alice = account("acct_alice").await;
    check_every_answer(&alice);
    assert_eq!(alice.json()["account"], "acct_alice");
    assert_eq!(alice.json()["balances"], balance((1999, 0), (0, 0)));
    assert_eq!(
        account("acct_shop").await.json()["balances"],
        balance((0, 0), (1999, 0))
    );

    client.pay("held", BODY).await.unwrap();
    client.pay("declined", DECLINED_BODY).await.unwrap();
    assert_eq!(
        account("acct_alice").await.json()["balances"],
        balance((0, 1999), (0, 0))
    );
    assert_eq!(
        account("acct_shop").await.json()["balances"],
        balance((0, 0), (0, 1999))
    );
    assert_eq!(
        account("acct_declined").await.json()["balances"],
        balance((0, 0), (0, 0))
    );
}
