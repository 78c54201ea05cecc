//! The change feed: pages and server-sent events, in the journal's order, resumable, and of no harm to
//! whoever writes.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use holdfast_tests::sample::{BODY, DECLINED_BODY};
use holdfast_tests::{Client, Server, alone, beside_others, memory_kib};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// An open stream of server-sent events.
struct Listener {
    body: hyper::body::Incoming,
    text: String,
}

/// One server-sent event.
#[derive(Debug, PartialEq)]
struct Heard {
    id: u64,
    kind: String,
    data: Value,
}

impl Listener {
    async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Self {
        let client: legacy::Client<_, Empty<Bytes>> =
            legacy::Client::builder(TokioExecutor::new()).build_http();
        let mut request = http::Request::get(format!("{}{path}", server.url()))
            .header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = client
            .request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let content_type = &response.headers()["content-type"];
        assert_eq!(content_type, "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (heard, rest) = (parse(event), rest.to_owned());
                self.text = rest;
                if heard.is_some() {
                    return heard;
                }
                continue;
            }
            let frame = self.body.frame();
            let patience = Duration::from_secs(30);
            let frame = tokio::time::timeout(patience, frame)
                .await
                .expect("something is heard");
            let data = frame?.ok()?.into_data().unwrap_or_default();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}

fn parse(event: &str) -> Option<Heard> {
    let field = |name: &str| {
        let line = event
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    Some(Heard {
        id: field("id")?.parse().unwrap(),
        kind: field("event")?,
        data: serde_json::from_str(&field("data")?).unwrap(),
    })
}

/// The whole feed, page by page.
async fn all(client: &Client, limit: u32) -> Vec<Value> {
    let mut events = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let path = format!("/v1/events?after={after}&limit={limit}");
        let page = client.get(&path).await.unwrap().json();
        events.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return events,
        }
    }
}

#[tokio::test]
async fn the_feed_from_0_to_the_end_rebuilds_every_payment_and_balance() {
    let _turn = beside_others();
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    for n in 0..40 {
        let body = if n % 4 == 0 { DECLINED_BODY } else { BODY };
        client.pay(&format!("k{n}"), body).await.unwrap();
    }
    let events = all(&client, 7).await;
    assert_eq!(events, all(&client, 100).await);
    let sequences: Vec<u64> = events
        .iter()
        .map(|e| e["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());

    // State, phase, attempts and times of every payment; what every account holds and has moved.
    let mut payments: BTreeMap<String, Value> = BTreeMap::new();
    let mut accounts: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    for event in &events {
        let id = event["payment_id"].as_str().unwrap().to_owned();
        let known = payments
            .entry(id)
            .or_insert_with(|| json!({"created_at": event["at"]}));
        assert_eq!(
            known.get("state").cloned().unwrap_or_default(),
            event["from"]
        );
        known["state"] = event["to"].clone();
        known["phase"] = event["phase"].clone();
        known["attempts"] = event["attempt"].clone();
        known["updated_at"] = event["at"].clone();
        let version = known["version"].as_u64().unwrap_or(0) + 1;
        known["version"] = version.into();
        let movement = &event["movement"];
        let Some(amount) = movement["amount"].as_i64() else {
            continue;
        };
        known["amount"] = movement["amount"].clone();
        known["currency"] = movement["currency"].clone();
        for (side, place) in [("debit", 0), ("credit", 2)] {
            let name = movement[side].as_str().unwrap();
            known[if side == "debit" {
                "debtor"
            } else {
                "creditor"
            }] = name.into();
            let balance = accounts.entry(name.to_owned()).or_default();
            match movement["kind"].as_str().unwrap() {
                "hold" => balance[place] += amount,
                "post" => {
                    balance[place] -= amount;
                    balance[place + 1] += amount;
                }
                _ => balance[place] -= amount,
            }
        }
    }
    assert_eq!(payments.len(), 40);
    for (id, rebuilt) in payments {
        let payment = client
            .get(&format!("/v1/payments/{id}"))
            .await
            .unwrap()
            .json();
        for (member, value) in rebuilt.as_object().unwrap() {
            assert_eq!(&payment[member], value, "{member} of {id}");
        }
    }
    for (
        name,
        [
            debits_pending,
            debits_posted,
            credits_pending,
            credits_posted,
        ],
    ) in accounts
    {
        let account = client
            .get(&format!("/v1/accounts/{name}"))
            .await
            .unwrap()
            .json();
        let expected = json!([{
            "currency": "EUR", "debits_pending": debits_pending, "debits_posted": debits_posted,
            "credits_pending": credits_pending, "credits_posted": credits_posted,
        }]);
        assert_eq!(account["balances"], expected, "{name}");
    }
}

#[tokio::test]
async fn a_listener_hears_everything_in_order_and_resumes_where_it_was() {
    let _turn = beside_others();
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    client.pay("before", BODY).await.unwrap();
    let mut listener = Listener::open(&server, "/v1/events?after=0", &[]).await;
    let first = listener.next().await.unwrap();
    assert_eq!((first.id, first.kind.as_str()), (1, "transition"));
    assert_eq!(
        (&first.data["sequence"], &first.data["to"]),
        (&json!(1), &json!("persisted"))
    );
    for id in 2..=3 {
        assert_eq!(listener.next().await.unwrap().id, id);
    }
    // What happens while it listens.
    client.pay("while", BODY).await.unwrap();
    for id in 4..=6 {
        assert_eq!(listener.next().await.unwrap().id, id);
    }
    drop(listener);
    client.pay("meanwhile", BODY).await.unwrap();
    let resumed = [("last-event-id", "5")];
    let mut listener = Listener::open(&server, "/v1/events?after=0", &resumed).await;
    for id in 6..=9 {
        assert_eq!(
            listener.next().await.unwrap().id,
            id,
            "nothing twice, nothing left out"
        );
    }
    // At a shutdown it is let go.
    server.signal("TERM");
    assert_eq!(listener.next().await, None);
    let (status, _) = server.wait();
    assert!(status.success());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let _turn = beside_others();
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    for path in [
        "?after=-1",
        "?after=x",
        "?limit=0",
        "?limit=101",
        "?cursor=1",
    ] {
        let answer = client.get(&format!("/v1/events{path}")).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.json()["type"], "/problems/validation-failed");
    }
    let headers = [("accept", "text/event-stream"), ("last-event-id", "seven")];
    let answer = client
        .send(Method::GET, "/v1/events", &headers, "")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let empty = client.get("/v1/events").await.unwrap().json();
    assert_eq!(empty, json!({"data": [], "next_cursor": null}));
}

/// A listener that reads nothing holds up neither the writers nor the memory of the service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_bounded_and_never_slows_the_writer() {
    let _turn = alone("measures write times and memory");
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let pay = |from: u32| {
        let client = client.clone();
        async move {
            let payments = (from..from + 500).map(|n| {
                let client = client.clone();
                async move { client.pay(&format!("k{n}"), BODY).await.unwrap().status }
            });
            join_all(payments).await
        }
    };
    // First without anyone who listens, for comparison.
    let began = tokio::time::Instant::now();
    for round in 0..4 {
        pay(round * 500).await;
    }
    let alone = (began.elapsed(), memory_kib(server.pid(), "VmRSS"));
    let mut idle = Vec::new();
    for _ in 0..50 {
        // With little room on the way, so that the service soon finds the reader stuck.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let address = server.address.parse().unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let request =
            "GET /v1/events HTTP/1.1\r\nHost: holdfast\r\nAccept: text/event-stream\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    // The kernel takes some megabytes for each on its way; from then on they are stuck.
    for round in 0..4 {
        pay(5_000 + round * 500).await;
    }
    let began = tokio::time::Instant::now();
    for round in 0..4 {
        let statuses = pay(10_000 + round * 500).await;
        assert!(statuses.iter().all(|status| *status == StatusCode::CREATED));
    }
    let slowed = began.elapsed();
    println!("{slowed:?} with stuck listeners, {:?} without", alone.0);
    assert!(
        slowed < alone.0 * 2 + Duration::from_secs(1),
        "{slowed:?} with listeners, {:?} without",
        alone.0
    );
    // Eighteen thousand events of 400 bytes to fifty listeners: 360 MB if any of it were kept for them.
    match (alone.1, memory_kib(server.pid(), "VmRSS")) {
        (Some(before), Some(after)) => {
            assert!(
                after < before + 100 * 1024,
                "{before} KiB, then {after} KiB"
            );
        }
        _ => println!("SKIPPED: the bound on memory, for there is no /proc to read it from"),
    }
}
