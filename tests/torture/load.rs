//! Thousands of connections at once, and clients that behave as badly as they can: nothing breaks, and memory stays bounded.
//!
//! `HOLDFAST_TEST_CONNECTIONS` is how many stand idle, 1,000 unless set; a tenth of them are busy.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use holdfast_tests::sample::{BODY, debits};
use holdfast_tests::{Server, alone, memory_kib, scatter};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long the busy ones are busy.
const BUSY: Duration = Duration::from_secs(5);

/// Anything takes less.
const PATIENCE: Duration = Duration::from_mins(1);

/// Memory that a connection may take, in KiB: buffers of 8 KiB in and out, and what the runtime keeps of it.
const CONNECTION_KIB_MAX: u64 = 48;

/// Memory that the abuse may leave behind, in KiB.
const ABUSE_KIB_MAX: u64 = 96 * 1024;

fn connections() -> usize {
    let given = std::env::var("HOLDFAST_TEST_CONNECTIONS").ok();
    given.map_or(1_000, |given| given.parse().unwrap())
}

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

fn create(key: &str) -> String {
    let length = BODY.len();
    format!(
        "POST /v1/payments HTTP/1.1\r\nHost: h\r\nIdempotency-Key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{BODY}"
    )
}

/// Reads answers until there are so many; returns the status of each and the key that it is about.
async fn answers(stream: &mut TcpStream, count: usize) -> Vec<String> {
    let mut text = String::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let heads = text.split("HTTP/1.1 ").skip(1);
        let said: Vec<String> = heads.map(status_and_key).collect();
        // The last one is whole when its body is.
        if said.len() == count && text.trim_end().ends_with('}') {
            return said;
        }
        let read = timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(read, 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

/// `201 KEY`, of an answer that begins with its status.
fn status_and_key(answer: &str) -> String {
    let (status, _) = answer.split_at_checked(3).unwrap_or((answer, ""));
    let key = answer.split("idempotency-key: ").nth(1);
    let key = key.and_then(|rest| rest.lines().next());
    format!("{status} {}", key.unwrap_or_default())
}

/// Sends bytes, and reads until the end or for a while; whatever happens is fine.
async fn abuse(address: String, bytes: Vec<u8>) {
    let mut stream = connect(&address).await;
    let (mut from, mut to) = stream.split();
    let read = async {
        let mut buffer = [0; 4096];
        while matches!(from.read(&mut buffer).await, Ok(read) if read > 0) {}
    };
    let both = async {
        let _ = to.write_all(&bytes).await;
        read.await;
    };
    let _ = timeout(Duration::from_secs(2), both).await;
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64 / 8)
        .flat_map(|n| scatter(seed << 32 | n).to_le_bytes())
        .collect()
}

/// What nobody should send.
fn abuses() -> Vec<Vec<u8>> {
    let head = "POST /v1/payments HTTP/1.1\r\nHost: h\r\nIdempotency-Key: abuse\r\nContent-Type: application/json\r\n";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut all: Vec<Vec<u8>> = vec![
        // Far more head than there may be, in one header, in the address, in many headers.
        format!(
            "GET /livez HTTP/1.1\r\nHost: h\r\nX-Large: {}\r\n\r\n",
            "x".repeat(1 << 20)
        )
        .into(),
        format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(1 << 20)).into(),
        format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(100_000)).into(),
        // A body that is said to be huge, one that is, one in chunks without end, chunks that are none.
        format!("{head}Content-Length: 100000000000\r\n\r\n{BODY}").into(),
        format!(
            "{head}Content-Length: 10000000\r\n\r\n{}",
            " ".repeat(10_000_000)
        )
        .into(),
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{}",
            "400\r\n".to_owned() + &" ".repeat(1024) + "\r\n"
        )
        .into(),
        [
            format!("{head}Transfer-Encoding: chunked\r\n\r\n"),
            format!("400\r\n{}\r\n", " ".repeat(1024)).repeat(10_000),
        ]
        .concat()
        .into(),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n").into(),
        // Two lengths: request smuggling.
        format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{BODY}").into(),
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into(),
        // A TLS hello to a port without TLS, HTTP/2 that is none, nothing but line ends.
        [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &noise(1, 512)].concat(),
        [preface.clone(), noise(2, 64 * 1024)].concat(),
        // HTTP/2 with a frame of the largest size that can be said.
        [
            preface,
            vec![0xff, 0xff, 0xff, 0x01, 0x04, 0, 0, 0, 1],
            noise(3, 1 << 20),
        ]
        .concat(),
        b"\r\n".repeat(100_000),
        vec![0; 1 << 20],
    ];
    all.extend((10..60).map(|seed| noise(seed, 32 * 1024)));
    all
}

struct Memory(u32);

impl Memory {
    fn now(&self) -> u64 {
        memory_kib(self.0, "VmRSS").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_connections_and_every_abuse_leave_the_service_whole_and_its_memory_bounded() {
    let _turn = alone("loads the whole machine and measures memory");
    let idle_count = connections();
    let busy_count = idle_count / 10;
    let data = tempfile::tempdir().unwrap();
    let most = (2 * idle_count + 1_000).to_string();
    let arguments = [
        "--connections-max",
        &most,
        "--head-timeout-ms",
        "120000",
        "--body-timeout-ms",
        "1000",
    ];
    let server = Server::start(data.path(), &arguments);
    let (client, address) = (server.client(), server.address.clone());
    let known = client.pay("known", BODY).await.unwrap();
    let memory = Memory(server.pid());
    let before = memory.now();

    // Idle: half of them have asked once, half have said nothing.
    let mut idle = Vec::with_capacity(idle_count);
    for n in 0..idle_count {
        let mut stream = connect(&address).await;
        if n % 2 == 0 {
            stream.write_all(create("known").as_bytes()).await.unwrap();
            assert_eq!(answers(&mut stream, 1).await, ["201 known"]);
        }
        idle.push(stream);
    }
    let with_idle = memory.now();
    let each = with_idle.saturating_sub(before) / idle_count as u64;
    println!(
        "{idle_count} idle connections: {before} KiB before, {with_idle} KiB with them, {each} KiB each"
    );
    assert!(each <= CONNECTION_KIB_MAX, "{each} KiB a connection");

    // Busy, beside them: three replays to a new payment.
    let (ended, paid, replayed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut busy = JoinSet::new();
    for n in 0..busy_count {
        let (address, ended) = (address.clone(), ended.clone());
        let (paid, replayed) = (paid.clone(), replayed.clone());
        busy.spawn(async move {
            let mut stream = connect(&address).await;
            let mut slowest = Duration::ZERO;
            let mut turn = 0;
            while !ended.load(Ordering::Relaxed) {
                let (key, counter) = if turn % 4 == 0 {
                    (format!("busy-{n}-{turn}"), &paid)
                } else {
                    ("known".to_owned(), &replayed)
                };
                turn += 1;
                let asked = Instant::now();
                stream.write_all(create(&key).as_bytes()).await.unwrap();
                assert_eq!(answers(&mut stream, 1).await, [format!("201 {key}")]);
                counter.fetch_add(1, Ordering::Relaxed);
                slowest = slowest.max(asked.elapsed());
            }
            slowest
        });
    }
    sleep(BUSY).await;
    ended.store(true, Ordering::Relaxed);
    let slowest = busy.join_all().await.into_iter().max().unwrap();
    let (paid, replayed) = (
        paid.load(Ordering::Relaxed),
        replayed.load(Ordering::Relaxed),
    );
    let with_busy = memory.now();
    println!(
        "{busy_count} busy ones beside them for {BUSY:?}: {paid} new payments, {replayed} replays, the slowest {slowest:?}, {with_busy} KiB"
    );
    assert!(paid > 0 && replayed > 0);

    // Pipelining: all answers, in order.
    let mut pipeline = connect(&address).await;
    let requests: String = (0..100)
        .map(|n| create(&format!("pipelined-{n}")))
        .collect();
    pipeline.write_all(requests.as_bytes()).await.unwrap();
    let pipelined = answers(&mut pipeline, 100).await;
    let in_order: Vec<String> = (0..100).map(|n| format!("201 pipelined-{n}")).collect();
    assert_eq!(pipelined, in_order);

    // Slow readers: they ask for much and take nothing.
    let before_abuse = memory.now();
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut stream = connect(&address).await;
        let accept = if n % 2 == 0 {
            "text/event-stream"
        } else {
            "*/*"
        };
        let path = if n % 2 == 0 {
            "/v1/events"
        } else {
            "/docs/swagger"
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n");
        stream
            .write_all(request.repeat(20).as_bytes())
            .await
            .unwrap();
        slow.push(stream);
    }
    let mut abusers = JoinSet::new();
    for bytes in abuses() {
        for _ in 0..3 {
            abusers.spawn(abuse(address.clone(), bytes.clone()));
        }
    }
    let count = abusers.len();
    abusers.join_all().await;
    let after_abuse = memory.now();
    println!(
        "100 slow readers and {count} abusers: {before_abuse} KiB before, {after_abuse} KiB after"
    );
    assert!(
        after_abuse < before_abuse + ABUSE_KIB_MAX,
        "{after_abuse} KiB"
    );

    // Everything is as it was: the answers, the idle ones, the books.
    let again = client.pay("known", BODY).await.unwrap();
    assert_eq!(again.frozen(), known.frozen());
    for stream in idle.iter_mut().step_by(idle_count / 50) {
        stream.write_all(create("known").as_bytes()).await.unwrap();
        assert_eq!(answers(stream, 1).await, ["201 known"]);
    }
    let unused = client
        .get("/v1/payments?idempotency_key=abuse")
        .await
        .unwrap();
    assert_eq!(unused.json()["data"].as_array().unwrap().len(), 0);
    assert_eq!(client.get("/readyz").await.unwrap().status, StatusCode::OK);
    drop((idle, slow));
    server.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
    assert!(status.success() && !said.contains("panicked"), "{said}");
    let debits = debits(data.path());
    assert_eq!(debits.len() as u64, paid + 101);
    assert!(debits.values().all(|debits| *debits == 1));
}
