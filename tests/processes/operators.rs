//! What operators do, over the real binary: resolve what is in question, and look at contradictions.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_tests::sample::BODY;
use holdfast_tests::{Answer, ApiKey, Client, Server};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Arguments under which every payment ends in review: the bank is too slow to answer and cannot be
/// asked.
const REVIEW: [&str; 6] = [
    "--bank-capability",
    "neither",
    "--bank-latency-ms",
    "2000",
    "--bank-timeout-ms",
    "50",
];

/// Pays, and waits until an operator has to decide.
async fn reviewed(client: &Client, key: &str, headers: &[(&str, &str)]) -> Value {
    let mut payment = client.pay_with(key, BODY, headers).await.unwrap();
    let started = tokio::time::Instant::now();
    while payment.json()["phase"] != "review" {
        assert!(started.elapsed() < Duration::from_mins(1), "{payment:?}");
        assert_eq!(payment.status, StatusCode::ACCEPTED, "{payment:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        payment = client.pay_with(key, BODY, headers).await.unwrap();
    }
    payment.json()
}

async fn resolve(
    client: &Client,
    id: &Value,
    if_match: Option<&str>,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let path = format!("/v1/payments/{}/resolve", id.as_str().unwrap());
    let mut all = vec![JSON];
    all.extend(if_match.map(|version| ("if-match", version)));
    all.extend_from_slice(headers);
    let body = body.to_string();
    client.send(Method::POST, &path, &all, &body).await.unwrap()
}

fn check_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(
        answer.json()["type"],
        format!("/problems/{kind}"),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["retry"]["same_key_safe"], true);
}

#[tokio::test]
async fn an_operator_resolves_a_payment_in_review_and_its_answer_is_frozen() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &REVIEW);
    let client = server.client();
    let settled = json!({
        "outcome": "settled", "evidence": "statement, line 14", "bank_transaction_id": "b_77",
    });
    let failed = json!({"outcome": "failed", "evidence": "the bank says no"});

    for (key, decision, status) in [
        ("to-settle", &settled, StatusCode::CREATED),
        ("to-fail", &failed, StatusCode::PAYMENT_REQUIRED),
    ] {
        let payment = reviewed(&client, key, &[]).await;
        let (id, version) = (&payment["id"], payment["version"].to_string());
        let path = format!("/v1/payments/{}", id.as_str().unwrap());
        let shown = client.get(&path).await.unwrap();
        assert_eq!(shown.header("etag"), format!("\"{version}\""));

        let older = (payment["version"].as_u64().unwrap() - 1).to_string();
        check_problem(
            &resolve(&client, id, Some(&older), &[], decision).await,
            412,
            "version-stale",
        );
        check_problem(
            &resolve(&client, id, None, &[], decision).await,
            428,
            "version-required",
        );
        let weak = format!("W/\"{version}\"");
        let others = format!("\"{older}\", {weak}");
        for unseen in [weak.as_str(), &others, "\"+3\"", "\"18446744073709551616\""] {
            let refused = resolve(&client, id, Some(unseen), &[], decision).await;
            check_problem(&refused, 412, "version-stale");
        }
        for nonsense in ["", "abc", "\"3", "-1"] {
            let refused = resolve(&client, id, Some(nonsense), &[], decision).await;
            check_problem(&refused, 400, "validation-failed");
        }
        let nonsense = json!({"outcome": "maybe", "evidence": "x"});
        let refused = resolve(&client, id, Some(&version), &[], &nonsense).await;
        check_problem(&refused, 400, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["field"], "outcome");

        // A list that has it, or any version at all (RFC 9110, section 13.1.1).
        let several = format!("\"{older}\", {}", shown.header("etag"));
        let seen = if key == "to-settle" { &several } else { "*" };
        let first = resolve(&client, id, Some(seen), &[], decision).await;
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        assert_eq!(first.json()["state"], decision["outcome"]);
        let again = resolve(&client, id, Some(&version), &[], decision).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        for other in [&settled, &failed] {
            if other != decision {
                let refused = resolve(&client, id, Some(&version), &[], other).await;
                check_problem(&refused, 409, "payment-not-resolvable");
                assert_eq!(refused.json()["payment"], first.json());
            }
        }

        // The client's retry gets what was decided, now and after a restart.
        let retry = client.pay(key, BODY).await.unwrap();
        assert_eq!(retry.status, status);
        assert_eq!(retry.header("idempotent-replayed"), "true");
        if status == StatusCode::PAYMENT_REQUIRED {
            assert_eq!(retry.json()["payment"]["failure"]["code"], "resolved");
            assert_eq!(retry.json()["retry"]["new_key_safe"], true);
        } else {
            assert_eq!(retry.json()["bank_transaction_id"], "b_77");
        }
        let events = client.get(&format!("{path}/events")).await.unwrap().json();
        let last = events["data"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["cause"], &last["operator"]),
            (&json!("resolution"), &json!("default"))
        );
        assert_eq!(last["evidence"], decision["evidence"]);
        let moved = if decision["outcome"] == "settled" {
            "post"
        } else {
            "void"
        };
        assert_eq!(last["movement"]["kind"], moved);
    }
}

#[tokio::test]
async fn only_an_operator_resolves_and_only_its_own_merchants_payments() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("holdfast.toml");
    let mut blocks = String::new();
    let mut secrets = Vec::new();
    for (merchant, role) in [
        ("shop", "merchant"),
        ("shop", "operator"),
        ("mall", "operator"),
    ] {
        let key = ApiKey::of(merchant, role);
        secrets.push(key.bearer);
        let name = format!("name = \"{role}.of.{merchant}\"\nhash");
        blocks.push_str(&key.block.replace("hash", &name));
    }
    std::fs::write(&config, blocks).unwrap();
    let store = data.path().join("data");
    let mut arguments = REVIEW.to_vec();
    arguments.extend(["--config", config.to_str().unwrap()]);
    let server = Server::start(&store, &arguments);
    let client = server.client();
    let [merchant, operator, stranger] =
        [0, 1, 2].map(|n| [("authorization", secrets[n].as_str())]);

    let payment = reviewed(&client, "k", &merchant).await;
    let (id, version) = (&payment["id"], payment["version"].to_string());
    let decision = json!({"outcome": "failed", "evidence": "seen"});
    let by = |headers| resolve(&client, id, Some(&version), headers, &decision);
    check_problem(&by(&[]).await, 401, "unauthorized");
    check_problem(&by(&merchant).await, 403, "forbidden");
    check_problem(&by(&stranger).await, 404, "not-found");
    assert_eq!(by(&operator).await.status, StatusCode::OK);

    let list = |headers| client.send(Method::GET, "/v1/contradictions", headers, "");
    assert_eq!(list(&merchant).await.unwrap().status, StatusCode::FORBIDDEN);
    let page = list(&operator).await.unwrap();
    assert_eq!(page.json(), json!({"data": [], "next_cursor": null}));
    let path = format!("/v1/payments/{}/events", id.as_str().unwrap());
    let events = client
        .send(Method::GET, &path, &operator, "")
        .await
        .unwrap()
        .json();
    let newest = events["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(newest["operator"], "operator.of.shop");
}

/// The bank is asked after an operator decided without it; what it says otherwise is listed, and
/// changes nothing.
#[tokio::test]
async fn a_debit_that_shows_after_all_is_listed_and_the_answer_stays() {
    let bank = Server::start_bank(&["--mode", "inquiry-only"]);
    let faults = |body: Value| {
        let client = bank.client();
        async move {
            let body = body.to_string();
            let changed = client
                .send(Method::PUT, "/admin/faults", &[JSON], &body)
                .await
                .unwrap();
            assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        }
    };
    // The answer is lost, and every inquiry fails.
    faults(json!({"error_after": 1})).await;
    let data = tempfile::tempdir().unwrap();
    let url = bank.url();
    let server = Server::start(
        data.path(),
        &[
            "--bank",
            &url,
            "--bank-capability",
            "inquiry-only",
            "--bank-timeout-ms",
            "1000",
            "--bank-grace-ms",
            "60000",
            "--inquiries-max",
            "3",
            "--backoff-base-ms",
            "10",
            "--backoff-cap-ms",
            "300",
        ],
    );
    let client = server.client();
    let payment = reviewed(&client, "k", &[]).await;
    let (id, version) = (&payment["id"], payment["version"].to_string());
    // In review nobody asks any more; the watch after the decision will.
    faults(json!({"profile": "healthy"})).await;
    let decision = json!({"outcome": "failed", "evidence": "nobody answers at the bank"});
    let resolved = resolve(&client, id, Some(&version), &[], &decision).await;
    assert_eq!(resolved.status, StatusCode::OK);

    let mut listed = json!({"data": []});
    let started = tokio::time::Instant::now();
    while listed["data"] == json!([]) {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "nothing is listed"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        listed = client.get("/v1/contradictions").await.unwrap().json();
    }
    let event = &listed["data"][0];
    assert_eq!(
        (&event["payment_id"], &event["cause"]),
        (id, &json!("contradiction"))
    );
    assert_eq!(event["contradiction"]["status"], "confirmed");
    assert_eq!(
        (&event["from"], &event["to"]),
        (&json!("failed"), &json!("failed"))
    );
    let retry = client.pay("k", BODY).await.unwrap();
    assert_eq!(retry.json()["payment"], resolved.json());
    let metrics = client.get("/metrics").await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(
        metrics.contains("holdfast_contradictions_total 1"),
        "{metrics}"
    );
}
