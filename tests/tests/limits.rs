//! What clients may take of the service, and what they are told when they take more.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_tests::sample::BODY;
use holdfast_tests::{Answer, ApiKey, Client, Server};
use http::StatusCode;
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
    assert!(answer.contains("\"new_key_safe\":true"), "{answer}");
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
