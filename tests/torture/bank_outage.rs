//! The bank is down for a while: new payments are taken in, nothing is lost, memory stays bounded, and
//! all end soon after it is back.
//!
//! A few seconds by default; `HOLDFAST_OUTAGE_SECONDS=60` makes it a minute.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_tests::bank_books::{debits, set_faults};
use holdfast_tests::sample::BODY;
use holdfast_tests::{Client, Server, alone, memory_kib};
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

const WHY_ALONE: &str = "measures response times and memory";

/// Payments a second while the bank is down.
const RATE: u32 = 100;
/// What clients ask for with `Prefer: wait`, in seconds.
const WAIT_S: u64 = 1;
/// How much longer than its wait an answer may take.
const SLACK: Duration = Duration::from_secs(2);
/// All payments must have ended so long after the bank is back.
const RETURNED_WITHIN: Duration = Duration::from_mins(1);
/// Memory a waiting payment may take, in KiB, and what the process may grow by in any case.
const PAYMENT_KIB: u64 = 16;
const GROWTH_KIB: u64 = 64 * 1024;

fn seconds() -> u32 {
    std::env::var("HOLDFAST_OUTAGE_SECONDS").map_or(4, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_is_gone() {
    let _turn = alone(WHY_ALONE);
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("books.jsonl");
    let ledger = ledger.to_str().unwrap();
    let bank = Server::start_bank(&["--ledger", ledger]);
    let data = tempfile::tempdir().unwrap();
    let server = start(&bank, data.path());
    let address = bank.address.clone();
    bank.kill();
    let outage = Outage::endure(&server, "gone").await;
    let bank = Server::start_bank(&["--ledger", ledger, "--listen", &address]);
    outage.end(&server, &bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_is_silent() {
    let _turn = alone(WHY_ALONE);
    let bank = Server::start_bank(&[]);
    let data = tempfile::tempdir().unwrap();
    let server = start(&bank, data.path());
    set_faults(&bank, &json!({"lost_before": 1})).await;
    let outage = Outage::endure(&server, "silent").await;
    set_faults(&bank, &json!({"profile": "healthy"})).await;
    outage.end(&server, &bank).await;
}

fn start(bank: &Server, data: &std::path::Path) -> Server {
    let url = bank.url();
    Server::start(data, &["--bank", &url, "--bank-timeout-ms", "2000"])
}

/// What the service went through while the bank was down.
struct Outage {
    kind: &'static str,
    payments: u32,
    slowest: Duration,
    memory_before_kib: u64,
    memory_peak_kib: u64,
}

impl Outage {
    /// Sends payments at a steady rate; each must be taken in within its wait.
    async fn endure(server: &Server, kind: &'static str) -> Self {
        let payments = seconds() * RATE;
        let memory_before_kib = memory_kib(server.pid(), "VmRSS").unwrap_or(0);
        let mut memory_peak_kib = memory_before_kib;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
        let mut sent = JoinSet::new();
        let mut slowest = Duration::ZERO;
        let client = server.client();
        for n in 0..payments {
            pace.tick().await;
            sent.spawn(taken_in(client.clone(), format!("{kind}-{n}")));
            memory_peak_kib = memory_peak_kib.max(memory_kib(server.pid(), "VmRSS").unwrap_or(0));
            while let Some(took) = sent.try_join_next() {
                slowest = slowest.max(took.unwrap());
            }
        }
        while let Some(took) = sent.join_next().await {
            slowest = slowest.max(took.unwrap());
        }
        memory_peak_kib = memory_peak_kib.max(memory_kib(server.pid(), "VmRSS").unwrap_or(0));
        Self {
            kind,
            payments,
            slowest,
            memory_before_kib,
            memory_peak_kib,
        }
    }

    /// The bank is back: everything ends, each payment with one debit.
    async fn end(self, server: &Server, bank: &Server) {
        let returned = Instant::now();
        let client = server.client();
        for n in 0..self.payments {
            let key = format!("{}-{n}", self.kind);
            let left = RETURNED_WITHIN.saturating_sub(returned.elapsed()).as_secs();
            let wait = format!("wait={left}");
            let answer = client
                .pay_with(&key, BODY, &[("prefer", &wait)])
                .await
                .unwrap();
            assert_eq!(answer.status, StatusCode::CREATED, "{key}: {answer:?}");
        }
        let ended_after = returned.elapsed();
        let debits = debits(bank).await;
        assert_eq!(
            debits.len(),
            usize::try_from(self.payments).unwrap(),
            "nothing is lost"
        );
        assert!(
            debits.values().all(|count| *count == 1),
            "nothing is charged twice"
        );
        if self.memory_before_kib == 0 {
            println!("SKIPPED: the bound on memory, for there is no /proc to read it from");
        }
        let grown_kib = self.memory_peak_kib - self.memory_before_kib;
        println!(
            "{}: {} s, {} payments, slowest answer {:?}, memory {} KiB and {} KiB more, all ended \
             {:?} after its return",
            self.kind,
            seconds(),
            self.payments,
            self.slowest,
            self.memory_before_kib,
            grown_kib,
            ended_after
        );
        assert!(
            self.slowest < Duration::from_secs(WAIT_S) + SLACK,
            "{:?}",
            self.slowest
        );
        let bound_kib = GROWTH_KIB + u64::from(self.payments) * PAYMENT_KIB;
        assert!(grown_kib < bound_kib, "grown by {grown_kib} KiB");
        assert!(ended_after < RETURNED_WITHIN, "{ended_after:?}");
    }
}

/// Sends a payment that must be taken in; returns how long the answer took.
async fn taken_in(client: Client, key: String) -> Duration {
    let started = Instant::now();
    let wait = format!("wait={WAIT_S}");
    let answer = client
        .pay_with(&key, BODY, &[("prefer", &wait)])
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{key}: {answer:?}");
    started.elapsed()
}
