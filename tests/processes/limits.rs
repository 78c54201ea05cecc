//! What clients may take of the service, and what they are told when they take more.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use bytes::Bytes;
use holdfast_tests::sample::BODY;
use holdfast_tests::{Answer, ApiKey, Client, Server};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Longer than any limit that is set here.
const PATIENCE: Duration = Duration::from_secs(20);

async fn pay(client: &Client, key: &str, by: &ApiKey) -> Answer {
    let headers = [("authorization", by.bearer.as_str())];
    client.pay_with(key, BODY, &headers).await.unwrap()
}

#[tokio::test]
async fn each_merchant_has_a_rate_of_its_own_and_is_told_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let [shop, mall] = ["shop", "mall"].map(|name| ApiKey::of(name, "merchant"));
    let rate = "rate_per_second = 1\nrate_burst = 5\n";
    std::fs::write(&file, format!("{rate}{}{}", shop.block, mall.block)).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let server = Server::start(&directory.path().join("data"), &arguments);
    let client = server.client();

    let first = pay(&client, "k0", &shop).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.header("ratelimit-policy"), "\"merchant\";q=5;w=5");
    assert_eq!(first.header("ratelimit"), "\"merchant\";r=4;t=1");
    let mut refused = None;
    // A replay counts as much as a new payment. Some time passes meanwhile, in which the bucket fills.
    for _ in 0..20 {
        let answer = pay(&client, "k0", &shop).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.frozen(), first.frozen());
    }
    let refused = refused.expect("a merchant that sends without end is refused");
    let problem = refused.json();
    assert_eq!(problem["type"], "/problems/rate-limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"merchant\";r=0;t=1");
    assert_eq!(refused.header("holdfast-should-retry"), "true");
    assert_eq!(refused.header("idempotency-key"), "k0");
    let retry = &problem["retry"];
    assert_eq!(
        (&retry["same_key_safe"], &retry["new_key_safe"]),
        (&true.into(), &false.into())
    );
    let wait = retry["after_ms"].as_u64().unwrap();
    assert!((1..=1000).contains(&wait), "{wait}");
    assert_eq!(pay(&client, "k", &mall).await.status, StatusCode::CREATED);

    // Whoever waits as long as it is told is served.
    tokio::time::sleep(Duration::from_millis(wait)).await;
    let again = pay(&client, "k0", &shop).await;
    assert_eq!(again.frozen(), first.frozen());

    // Probes are for whoever looks after the service, and have no merchant.
    let probe = client.get("/livez").await.unwrap();
    assert_eq!(
        (probe.status, probe.header("ratelimit")),
        (StatusCode::OK, "")
    );
}

/// Sends bytes and nothing more; returns what comes back until the end, and when that was.
async fn send_and_wait(server: &Server, bytes: &str) -> (String, Duration) {
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    ended.expect("the connection is ended").unwrap();
    (
        String::from_utf8_lossy(&answer).into_owned(),
        began.elapsed(),
    )
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--head-timeout-ms", "300", "--body-timeout-ms", "200"];
    let server = Server::start(data.path(), &arguments);

    let (answer, after) =
        send_and_wait(&server, "POST /v1/payments HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert!(after >= Duration::from_millis(300), "{after:?}");

    let head = "POST /v1/payments HTTP/1.1\r\nHost: h\r\nConnection: close\r\nIdempotency-Key: slow\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"amount\":";
    let (answer, after) = send_and_wait(&server, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("/problems/request-timeout"), "{answer}");
    // Nothing came of it; but what is slow here may be sent again by what stands between, and then be whole.
    assert!(answer.contains("\"new_key_safe\":false"), "{answer}");
    assert!(after >= Duration::from_millis(200), "{after:?}");

    // The key is unused: whoever was cut off pays under it at the second try.
    let paid = server.client().pay("slow", BODY).await.unwrap();
    assert_eq!(paid.status, StatusCode::CREATED);
    assert_eq!(paid.header("idempotent-replayed"), "false");
}

#[tokio::test]
async fn what_is_larger_than_configured_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--body-bytes-max", "200", "--headers-max", "10"];
    let server = Server::start(data.path(), &arguments);
    let client = server.client();
    let large = BODY.replace('}', &format!(",\"reference\":\"{}\"}}", "x".repeat(140)));
    assert!(large.len() > 200);
    let refused = client.pay("k", &large).await.unwrap();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("200 bytes")
    );
    assert_eq!(
        client.pay("k", BODY).await.unwrap().status,
        StatusCode::CREATED
    );

    let many = (0..20).fold(String::new(), |many, n| many + &format!("X-{n}: 1\r\n"));
    let request = format!("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{many}\r\n");
    let (answer, _) = send_and_wait(&server, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(answer.contains("/problems/too-many-headers"), "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
    // Over HTTP/2 as well.
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let over_http2 = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = over_http2.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(server.url() + "/livez");
    let request = (0..20).fold(request, |request, n| request.header(format!("x-{n}"), "1"));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let body = answer.collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "/problems/too-many-headers");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--answer-timeout-ms", "300"]);
    let page = server
        .client()
        .get("/docs/swagger")
        .await
        .unwrap()
        .body
        .len();
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    // More than all buffers on the way hold together.
    let request = "GET /docs/swagger HTTP/1.1\r\nHost: h\r\n\r\n";
    let asked = 64;
    stream
        .write_all(request.repeat(asked).as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut answer = Vec::new();
    // It ends, in order or not, and short.
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is ended");
    assert!(
        answer.len() < asked * page,
        "{} bytes arrived",
        answer.len()
    );
    // Whoever takes it, however slowly, gets it all.
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let last = "GET /docs/swagger HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream
        .write_all((request.repeat(3) + last).as_bytes())
        .await
        .unwrap();
    let (mut taken, mut buffer) = (0, vec![0; page]);
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        match timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap()
        {
            0 => break,
            bytes => taken += bytes,
        }
    }
    assert!(taken > 4 * page, "{taken} bytes arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_service_refuses_at_once_and_answers_what_it_knows() {
    const AT_ONCE: usize = 50;
    let data = tempfile::tempdir().unwrap();
    let flights_max = AT_ONCE.to_string();
    let arguments = ["--flights-max", &flights_max, "--bank-latency-ms", "3000"];
    let server = Server::start(data.path(), &arguments);
    let client = server.client();
    let known = client.pay("known", BODY).await.unwrap();
    assert_eq!(known.status, StatusCode::CREATED);

    let began = Instant::now();
    let fresh: Vec<_> = (0..10 * AT_ONCE)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let answer = client.pay(&format!("fresh-{n}"), BODY).await.unwrap();
                (answer, began.elapsed())
            })
        })
        .collect();
    // Until the bank answers the first of them, there is no room.
    let mut replays = Vec::new();
    while began.elapsed() < Duration::from_millis(2_500) {
        let asked = Instant::now();
        let answer = client.pay("known", BODY).await.unwrap();
        assert_eq!(answer.frozen(), known.frozen());
        replays.push(asked.elapsed());
    }
    let (mut paid, mut refused) = (0, Vec::new());
    for fresh in fresh {
        let (answer, after) = fresh.await.unwrap();
        match answer.status {
            StatusCode::CREATED => paid += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!(answer.json()["type"], "/problems/unavailable");
                assert_eq!(answer.header("retry-after"), "1");
                assert_eq!(answer.header("holdfast-should-retry"), "true");
                refused.push(after);
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert_eq!((paid, refused.len()), (AT_ONCE, 9 * AT_ONCE));
    replays.sort();
    refused.sort();
    let (replay, refusal) = (replays[replays.len() / 2], *refused.last().unwrap());
    println!(
        "{} replays, half of them within {replay:?}; the last refusal after {refusal:?}",
        replays.len()
    );
    assert!(replay < Duration::from_millis(200), "{replay:?}");
    assert!(refusal < Duration::from_millis(2_500), "{refusal:?}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--connections-max", "1"]);
    let address = server.url().replace("http://", "");
    let holder = TcpStream::connect(&address).await.unwrap();
    let request = "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let waiting = send_and_wait(&server, request);
    tokio::pin!(waiting);
    let early = timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "the only place is taken: {early:?}");
    drop(holder);
    let (answer, _) = timeout(PATIENCE, waiting).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
