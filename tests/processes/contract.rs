//! The contract's answers and headers, one by one, over the real binary.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fmt::Write;
use std::time::Duration;

use holdfast_tests::sample::{BODY, DECLINED_BODY};
use holdfast_tests::{Answer, ApiKey, Server, need_tool};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What comes back for these bytes, until the server closes. `half_close` says that nothing more will be sent.
async fn raw(server: &Server, bytes: &str, half_close: bool) -> String {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    // It may be answered, and reset, before all of it was taken.
    let _ = stream.write_all(bytes.as_bytes()).await;
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset after the answer is as good an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_is_no_request_of_http_1_1_is_a_problem_with_a_request_id() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let line = "GET /livez HTTP/1.1\r\n";
    let close = "Connection: close\r\n\r\n";
    let large = format!(
        "{line}Host: a\r\nX-Large: {}\r\n{close}",
        "x".repeat(200_000)
    );
    let many = (0..400).fold(format!("{line}Host: a\r\n"), |all, n| {
        all + &format!("X-{n}: 1\r\n")
    });
    for (request, status, kind) in [
        (format!("{line}{close}"), 400, "bad-request"),
        (
            format!("{line}Host: a\r\nHost: b\r\n{close}"),
            400,
            "bad-request",
        ),
        (
            format!("{line}Host: a\r\nHost: a\r\n{close}"),
            400,
            "bad-request",
        ),
        (format!("{line}Host: a b/c\r\n{close}"), 400, "bad-request"),
        (format!("{line}Host: user@a\r\n{close}"), 400, "bad-request"),
        // What follows hyper refuses by itself.
        (
            format!("{line}Host: a\r\nno colon\r\n{close}"),
            400,
            "bad-request",
        ),
        (
            format!("{line}Host: a\r\nContent-Length: x\r\n{close}"),
            400,
            "bad-request",
        ),
        ("NONSENSE\r\n\r\n".to_owned(), 400, "bad-request"),
        (
            format!("GET /livez HTTP/7.1\r\nHost: a\r\n{close}"),
            400,
            "bad-request",
        ),
        (large, 431, "too-many-headers"),
        (format!("{many}{close}"), 431, "too-many-headers"),
    ] {
        let answer = raw(&server, &request, false).await;
        let shown: String = request.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\nx-request-id: "), "{shown}: {head}");
        assert!(
            head.contains("\r\ncontent-type: application/problem+json"),
            "{shown}: {head}"
        );
        assert!(
            head.contains(&format!("\r\ncontent-length: {}", body.len())),
            "{shown}: {head}"
        );
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{shown}");
        assert_eq!(problem["status"], status, "{shown}");
    }
    for fine in [
        format!("{line}Host: pay.example:8080\r\n{close}"),
        format!("{line}Host:\r\n{close}"),
        "GET /livez HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET http://a/livez HTTP/1.1\r\nHost: a\r\n{close}"),
    ] {
        let answer = raw(&server, &fine, false).await;
        assert!(answer.contains(" 200 OK\r\n"), "{fine}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_has_said_all_still_hears_the_answer() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank-latency-ms", "300"]);
    let length = BODY.len();
    let request = format!(
        "POST /v1/payments HTTP/1.1\r\nHost: a\r\nIdempotency-Key: half\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{BODY}"
    );
    let answer = raw(&server, &request, true).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let answer = raw(&server, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", true).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Who says nothing at all gets nothing.
    assert_eq!(raw(&server, "", true).await, "");
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let paid = client.pay("seen", BODY).await.unwrap().json();
    let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
    let get = async |headers: &[(&str, &str)]| {
        let sent = client.send(Method::GET, &path, headers, "");
        sent.await.unwrap()
    };
    let tag = get(&[]).await.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", paid["version"]));
    let weak = format!("W/{tag}");
    let list = format!("\"777\" , {weak}");
    for seen in [tag.as_str(), &weak, &list, "*"] {
        let answer = get(&[("if-none-match", seen)]).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{seen}");
        assert_eq!(answer.header("etag"), tag, "{seen}");
        assert!(answer.body.is_empty() && !answer.header("x-request-id").is_empty());
    }
    for unseen in ["\"777\"", "nonsense", ""] {
        assert_eq!(
            get(&[("if-none-match", unseen)]).await.status,
            StatusCode::OK,
            "{unseen}"
        );
    }
    let list = format!("\"777\",{tag}");
    for held in [tag.as_str(), &list, "*"] {
        assert_eq!(
            get(&[("if-match", held)]).await.status,
            StatusCode::OK,
            "{held}"
        );
    }
    for lost in ["\"777\"", weak.as_str()] {
        let answer = get(&[("if-match", lost)]).await;
        assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{lost}");
        assert_eq!(
            answer.json()["payment"]["version"],
            paid["version"],
            "{lost}"
        );
        check_every_answer(&answer);
    }
    let answer = get(&[("if-match", "nonsense")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_representation_with_the_weight_0_is_not_sent() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    client.pay("k", BODY).await.unwrap();
    let content_type = async |path: &str, accept: &str| {
        let headers = [("accept", accept)];
        let answer = client.send(Method::GET, path, &headers, "");
        answer.await.unwrap().header("content-type").to_owned()
    };
    for accept in [
        "text/event-stream;q=0",
        "text/event-stream; q=0.000, application/json",
        "application/json, text/event-stream;q=0.5",
        "*/*",
        "text/*",
    ] {
        assert_eq!(
            content_type("/v1/events", accept).await,
            "application/json",
            "{accept}"
        );
    }
    let open = "application/openmetrics-text";
    for (accept, expected) in [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            open,
        ),
        ("application/openmetrics-text;q=0", "text/plain"),
        (
            "text/plain, application/openmetrics-text;q=0.1",
            "text/plain",
        ),
        ("", "text/plain"),
    ] {
        let got = content_type("/metrics", accept).await;
        assert!(got.starts_with(expected), "{accept}: {got}");
    }
}

/// The text between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

#[tokio::test]
async fn the_first_examples_can_be_sent_one_after_the_other() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let page = client.get("/docs").await.unwrap().body;
    let page = std::str::from_utf8(&page).unwrap();
    let curl = between(page, "<pre>curl", "</pre>");
    let on_page = (
        between(curl, "Idempotency-Key: ", "'"),
        between(curl, "-d '", "'"),
    );
    let document = client.get("/openapi.json").await.unwrap().json();
    let create = &document["paths"]["/v1/payments"]["post"];
    let key = create["parameters"][0]["schema"]["examples"][0]
        .as_str()
        .unwrap();
    let body = create["requestBody"]["content"]["application/json"]["example"].to_string();
    let schema = document["components"]["schemas"]["CreatePayment"]["examples"][0].to_string();
    for (key, body) in [on_page, (key, body.as_str()), (key, schema.as_str())] {
        let headers = [("idempotency-key", key), JSON];
        let sent = client.send(Method::POST, "/v1/payments", &headers, body);
        assert_eq!(
            sent.await.unwrap().status,
            StatusCode::CREATED,
            "{key} {body}"
        );
    }
}

/// The loop of `docs/clients.md`, as it stands but for the address.
fn run_by_hand(server: &Server, change: impl Fn(&str) -> String) -> std::process::Output {
    let text = include_str!("../../docs/clients.md");
    let script = between(text, "```sh\n", "```").replace("127.0.0.1:8080", &server.address);
    let directory = tempfile::tempdir().unwrap();
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &change(&script)])
        .current_dir(directory.path());
    bash.output().unwrap()
}

#[tokio::test]
async fn the_client_by_hand_ends_with_0_only_when_the_payment_is_settled() {
    if !need_tool("curl", "curl") {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let settled = run_by_hand(&server, str::to_owned);
    assert!(settled.status.success(), "{settled:?}");
    let declined = run_by_hand(&server, |script| {
        script.replace("acct_shop", "acct_declined")
    });
    assert_eq!(declined.status.code(), Some(1), "{declined:?}");
    assert!(
        declined.stdout.starts_with(b"402 under the key"),
        "{declined:?}"
    );

    // The bank is not there, so the payment stays open; two tries are enough to see it.
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank", "http://127.0.0.1:9"]);
    let open = run_by_hand(&server, |script| {
        let patience = "-H 'Prefer: wait=1' -H 'Content-Type";
        script
            .replace("0 1 2 4 8 16 30 30", "0 0")
            .replace("-H 'Content-Type", patience)
    });
    assert_eq!(open.status.code(), Some(1), "{open:?}");
    assert!(open.stdout.starts_with(b"202 under the key"), "{open:?}");
    let all = server.client().get("/v1/payments").await.unwrap().json();
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
}

#[tokio::test]
async fn a_browser_at_the_root_is_led_to_the_documentation() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let at_root = async |accept: &str| {
        let headers = [("accept", accept)];
        let sent = client.send(Method::GET, "/", &headers, "");
        sent.await.unwrap()
    };
    let led = at_root("text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(
        (led.status, led.header("location")),
        (StatusCode::SEE_OTHER, "/docs")
    );
    assert_eq!(at_root("text/html;q=0").await.status, StatusCode::NOT_FOUND);
    let program = at_root("*/*").await;
    assert_eq!(program.status, StatusCode::NOT_FOUND);
    check_every_answer(&program);
}

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
    let no_filters = [
        "account=acct%20alice",
        "reference=",
        "reference=%00",
        "currency=eur",
        "currency=XYZ",
        "amount=0",
        "amount=19.99",
        "amount=1000000000000",
        "created_after=yesterday",
        "created_before=2026-02-31T00:00:00Z",
        "created_before=2026-01-31T00:00:00",
        "state=settled&state=failed",
    ];
    let no_filters = no_filters.map(|filter| format!("/v1/payments?{filter}"));
    let cases = cases.into_iter().chain(
        no_filters
            .iter()
            .map(|path| (Method::GET, path.as_str(), 400, "validation-failed")),
    );
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
async fn payments_are_found_by_what_a_customer_knows_of_them() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let mut created = Vec::new();
    for (key, amount, currency, debtor, reference) in [
        ("one", 1999, "EUR", "acct_alice", "order 1001"),
        ("two", 1999, "USD", "acct_bob", "order 1002"),
        ("three", 500, "EUR", "acct_bob", "Bestellung №7 & mehr"),
    ] {
        let body = json!({
            "amount": amount, "currency": currency, "debtor": debtor, "creditor": "acct_shop", "reference": reference,
        });
        let answer = client.pay(key, &body.to_string()).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED);
        created.push(answer.json()["created_at"].as_str().unwrap().to_owned());
        // So that each is created in a millisecond of its own.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let [first, second, _] = &created[..] else {
        panic!("three payments")
    };
    let between = format!("created_after={first}&created_before={second}");
    let from_second = format!("created_after={first}");
    let east = first.replace('Z', "%2B00:00");
    let until_first = format!("created_before={east}");
    let cases: [(&str, &[&str]); 13] = [
        ("account=acct_bob", &["three", "two"]),
        ("account=acct_shop", &["three", "two", "one"]),
        ("account=acct_shop&currency=EUR", &["three", "one"]),
        ("amount=1999", &["two", "one"]),
        ("amount=1999&currency=USD", &["two"]),
        ("reference=order%201001", &["one"]),
        ("reference=order", &[]),
        ("reference=Bestellung%20%E2%84%967%20%26%20mehr", &["three"]),
        (&from_second, &["three", "two"]),
        (&between, &[]),
        (&until_first, &[]),
        (
            "created_before=2200-01-01T00:00:00Z&state=settled&account=acct_bob",
            &["three", "two"],
        ),
        ("idempotency_key=one&currency=USD", &[]),
    ];
    for (filter, expected) in cases {
        let page = client.get(&format!("/v1/payments?{filter}")).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{filter}: {page:?}");
        let page = page.json();
        let found: Vec<_> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|payment| payment["idempotency_key"].as_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(page["next_cursor"], json!(null), "{filter}");
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
