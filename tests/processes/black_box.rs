//! The real binary over real sockets and files: what a client sees of the promises.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_tests::sample::{BODY, DECLINED_BODY, debits};
use holdfast_tests::{Answer, Server};
use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt;

/// No wait of a test lasts longer: what has not happened by then will not.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until the payment is in `state`.
async fn until_state(server: &Server, path: &str, state: &str) -> Answer {
    let reached = async {
        loop {
            let answer = server.client().get(path).await.unwrap();
            if answer.json()["state"] == state {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("{path} does not become {state}"))
}

#[tokio::test]
async fn forty_concurrent_duplicates_are_one_charge_and_one_answer() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank-latency-ms", "200"]);
    // A connection each, as forty impatient clients would have.
    let clients: Vec<_> = (0..40).map(|_| server.client()).collect();
    let answers = join_all(
        clients
            .iter()
            .map(|client| client.pay("\"double-click\"", BODY)),
    )
    .await;
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();

    assert!(
        answers
            .iter()
            .all(|answer| answer.frozen() == answers[0].frozen())
    );
    assert_eq!(answers[0].status, StatusCode::CREATED);
    let replayed = |value| {
        answers
            .iter()
            .filter(|answer| answer.header("idempotent-replayed") == value)
            .count()
    };
    assert_eq!((replayed("false"), replayed("true")), (1, 39));
    assert_eq!(debits(data.path()).into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn an_answer_survives_kill_9_byte_for_byte() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let settled = server.client().pay("settled", BODY).await.unwrap();
    let declined = server
        .client()
        .pay("declined", DECLINED_BODY)
        .await
        .unwrap();
    assert_eq!(
        (settled.status, declined.status),
        (StatusCode::CREATED, StatusCode::PAYMENT_REQUIRED)
    );
    server.kill();

    let server = Server::start(data.path(), &[]);
    for (key, body, first) in [
        ("settled", BODY, settled),
        ("declined", DECLINED_BODY, declined),
    ] {
        // From the store, then from the cache; quoted and bare.
        for key in [key.to_owned(), format!("\"{key}\"")] {
            let replay = server.client().pay(&key, body).await.unwrap();
            assert_eq!(replay.frozen(), first.frozen());
            assert_eq!(replay.header("idempotent-replayed"), "true");
        }
    }
    let reused = server.client().pay("settled", DECLINED_BODY).await.unwrap();
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        reused.json()["mismatched_fields"],
        serde_json::json!(["creditor"])
    );
    assert_eq!(debits(data.path()).into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank-latency-ms", "300"]);
    let mut socket = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let head = format!(
        "POST /v1/payments HTTP/1.1\r\nHost: x\r\nIdempotency-Key: hang-up\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // Gone as soon as the payment is on its way.
    while server.client().get("/v1/payments").await.unwrap().json()["data"][0].is_null() {}
    drop(socket);

    let list = server
        .client()
        .get("/v1/payments?idempotency_key=hang-up")
        .await
        .unwrap()
        .json();
    let path = format!("/v1/payments/{}", list["data"][0]["id"].as_str().unwrap());
    let settled = until_state(&server, &path, "settled").await;
    let replay = server.client().pay("hang-up", BODY).await.unwrap();
    assert_eq!(
        (replay.status, &replay.body),
        (StatusCode::CREATED, &settled.body)
    );
    assert_eq!(replay.header("idempotent-replayed"), "true");
    assert_eq!(debits(data.path()).into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_payment_that_waits_its_turn_can_be_cancelled_and_one_that_was_sent_cannot() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(
        data.path(),
        &["--bank-calls-max", "1", "--bank-latency-ms", "1500"],
    );
    let client = server.client();
    let no_wait = [("prefer", "wait=0")];
    let sent = client.pay_with("sent", BODY, &no_wait).await.unwrap();
    let queued = client.pay_with("queued", BODY, &no_wait).await.unwrap();
    assert_eq!(
        (sent.status, queued.status),
        (StatusCode::ACCEPTED, StatusCode::ACCEPTED)
    );
    assert_eq!(sent.json()["state"], "bank_called");
    assert_eq!(queued.json()["state"], "persisted");
    assert_eq!(queued.header("retry-after"), "1");
    assert_eq!(queued.header("preference-applied"), "wait=0");
    assert_eq!(queued.header("holdfast-should-retry"), "true");

    // Someone waits for the queued one while it is cancelled, and hears of it at once.
    let waiting = tokio::spawn({
        let client = server.client();
        async move { client.pay("queued", BODY).await.unwrap() }
    });
    while !metrics_say(&server, "holdfast_flight_joins_total", 1).await {}
    let cancel = format!("{}/cancel", queued.header("location"));
    let cancelled = client.send(Method::POST, &cancel, &[], "").await.unwrap();
    assert_eq!(cancelled.status, StatusCode::OK);
    assert_eq!(cancelled.json()["failure"]["code"], "cancelled");
    let again = client.send(Method::POST, &cancel, &[], "").await.unwrap();
    assert_eq!(
        (again.status, &again.body),
        (StatusCode::OK, &cancelled.body)
    );
    let heard = waiting.await.unwrap();
    assert_eq!(heard.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(heard.json()["payment"], cancelled.json());

    let cancel = format!("{}/cancel", sent.header("location"));
    let refused = client.send(Method::POST, &cancel, &[], "").await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["type"], "/problems/payment-not-cancellable");
    let strict = client
        .pay_with("sent", BODY, &[("prefer", "handling=strict")])
        .await
        .unwrap();
    assert_eq!(strict.status, StatusCode::CONFLICT);
    assert_eq!(
        strict.json()["type"],
        "/problems/idempotency-request-in-progress"
    );
    assert_eq!(
        client.pay("sent", BODY).await.unwrap().status,
        StatusCode::CREATED
    );
    assert_eq!(debits(data.path()).len(), 1);
}

async fn metrics_say(server: &Server, name: &str, at_least: u64) -> bool {
    let metrics = server.client().get("/metrics").await.unwrap();
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the metric is there");
    line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() >= at_least
}

#[tokio::test]
async fn sigterm_lets_calls_end_parks_what_waits_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--bank-calls-max", "1", "--bank-latency-ms", "700"];
    let server = Server::start(data.path(), &arguments);
    let pay = |key: &'static str| {
        let client = server.client();
        tokio::spawn(async move { client.pay(key, BODY).await.unwrap() })
    };
    let calling = pay("calling");
    while !metrics_say(&server, "holdfast_bank_attempts_total", 1).await {}
    let parked = pay("parked");
    while !metrics_say(&server, "holdfast_payments_admitted_total", 2).await {}
    server.signal("TERM");
    let (calling, parked) = (calling.await.unwrap(), parked.await.unwrap());
    assert_eq!(calling.status, StatusCode::CREATED, "a call under way ends");
    assert_eq!(
        parked.status,
        StatusCode::ACCEPTED,
        "one that only waits is parked"
    );
    assert_eq!(parked.json()["state"], "persisted");
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(debits(data.path()).len(), 1);

    let server = Server::start(data.path(), &arguments);
    assert_eq!(
        server.client().pay("calling", BODY).await.unwrap().frozen(),
        calling.frozen()
    );
    until_state(&server, parked.header("location"), "settled").await;
    let replay = server.client().pay("parked", BODY).await.unwrap();
    assert_eq!(replay.header("idempotent-replayed"), "true");
    assert_eq!(replay.header("location"), parked.header("location"));
    assert_eq!(
        debits(data.path()).into_values().collect::<Vec<_>>(),
        [1, 1]
    );
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_told_so() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let second = std::process::Command::new(holdfast_tests::holdfast())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("another Holdfast process is using it"),
        "{said}"
    );
    assert_eq!(
        server.client().pay("k", BODY).await.unwrap().status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_slow_bank_means_202_within_the_wait_and_never_a_5xx() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank-latency-ms", "2500"]);
    let started = tokio::time::Instant::now();
    let first = server
        .client()
        .pay_with("slow", BODY, &[("prefer", "wait=1")])
        .await
        .unwrap();
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "the wait was waited"
    );
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first.json()["phase"], "awaiting");
    assert_eq!(first.header("preference-applied"), "wait=1");
    let end = server.client().pay("slow", BODY).await.unwrap();
    assert_eq!(end.status, StatusCode::CREATED);
    assert_eq!(end.header("idempotent-replayed"), "true");
}
