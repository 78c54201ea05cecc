//! What payments cost on disk, and that a store of them verifies in bounded memory.
//!
//! A small store by default; `HOLDFAST_TEST_STORE_PAYMENTS` sets the number of payments.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast_core::{
    AccountId, Amount, BankTransactionId, Currency, Decision, Event, Evidence, Metadata, Operation,
    PaymentRequest, Reference, Request, Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, Verdict};
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_tests::sample::{key_of, mark};
use holdfast_tests::{beside_others, bytes_below, holdfast, memory_kib, until_unlocked};
use tokio::time::Instant;

/// Payments whose intents go into one commit; their outcomes go into the next.
const BATCH: u64 = 64;

/// Debtors, each with a balance of its own.
const DEBTORS: u64 = 1_000_000;

/// No store of up to 5 million payments may take more to verify, in KiB.
const MEMORY_MAX_KIB: u64 = 2 * 1024 * 1024;

fn request(n: u64) -> Request {
    let request = PaymentRequest::new(
        Amount::new(n % 10_000 + 1).unwrap(),
        Currency::from_code("EUR").unwrap(),
        AccountId::new(&format!("acct_debtor_{}", n % DEBTORS)).unwrap(),
        AccountId::new(&format!("acct_shop_{}", n % 100)).unwrap(),
        Some(Reference::new(&format!("order {n}")).unwrap()),
        Metadata::new(BTreeMap::from([("cart".to_owned(), n.to_string())])).unwrap(),
    );
    Request::from(request.unwrap())
}

/// Admits, sends and settles payments, two commits for each, as the service does.
async fn fill(store: &LocalStore, payments: u64, request: fn(u64) -> Request) {
    let source = SeededSource::new([1; 32]);
    let mut first = 0;
    while first < payments {
        let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
        for n in first..(first + BATCH).min(payments) {
            let now = Timestamp::from_unix_ms(1_767_225_600_000 + n / 20);
            let key = key_of("default", &format!("8e03978e-40d5-43dd-bc93-{n:012}"));
            let received = Operation::received(source.operation_id(now), key, request(n), now);
            let admitted = transition(&received, &Event::Admit, now).unwrap();
            let sent = transition(&admitted.operation, &Event::Dispatch(mark()), now).unwrap();
            let confirmed = Event::Decided {
                decision: Decision::Confirmed {
                    bank_transaction_id: BankTransactionId::new(&format!(
                        "b_{}",
                        received.id.as_uuid().simple()
                    ))
                    .unwrap(),
                },
                evidence: Evidence::Answer,
            };
            let settled = transition(&sent.operation, &confirmed, now).unwrap();
            intents.push(admitted.then(sent));
            outcomes.push(settled);
        }
        first += BATCH;
        for batch in [intents, outcomes] {
            let verdicts = store.commit(batch).await.unwrap();
            assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_many_payments_verifies_in_bounded_memory() {
    let _turn = beside_others();
    let payments = std::env::var("HOLDFAST_TEST_STORE_PAYMENTS");
    let payments: u64 = payments.map_or(20_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let options = LocalOptions {
        directory: data.clone(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 256 << 20,
    };
    let started = Instant::now();
    let store = LocalStore::open(&options).unwrap();
    fill(&store, payments, request).await;
    store.close().await.unwrap();
    drop(store);
    until_unlocked(&data).await;
    let bytes = bytes_below(&data);
    println!(
        "{payments} payments in {:?}: {} MiB, {} bytes each",
        started.elapsed(),
        bytes >> 20,
        bytes / payments
    );

    let started = Instant::now();
    let mut verify = Command::new(holdfast())
        .args(["verify", "--json", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak_kib = 0;
    while verify.try_wait().unwrap().is_none() {
        peak_kib = peak_kib.max(memory_kib(verify.id(), "VmHWM").unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let output = verify.wait_with_output().unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "verified in {:?} with {} MiB at its peak",
        started.elapsed(),
        peak_kib >> 10
    );
    assert_eq!(
        (&result["ok"], &result["payments"]),
        (&true.into(), &payments.into())
    );
    if peak_kib == 0 {
        println!("SKIPPED: the bound on memory, for there is no /proc to read it from");
    }
    assert!(peak_kib < MEMORY_MAX_KIB, "{peak_kib} KiB");
}
