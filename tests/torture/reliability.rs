//! Payments against a bank in chaos, in each of its three modes, through kills of the service; the
//! bank's own books are the judge.
//!
//! A short run by default. `HOLDFAST_RELIABILITY_PAYMENTS` and `HOLDFAST_RELIABILITY_KILLS` set the
//! numbers per mode, and `HOLDFAST_RELIABILITY_REPORT` a file whose measured part is replaced by the
//! table of the run.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use holdfast_tests::bank_books::{debits, injected, set_faults};
use holdfast_tests::{Answer, Lives, Server, alone};
use serde_json::{Value, json};
use tokio::time::Instant;

const CLIENTS: usize = 64;

/// Payments that are asked for at once when the bank has healed.
const ASKED_AT_ONCE: usize = 256;

/// All payments must have ended so long after the bank has healed.
const HEALED_WITHIN: Duration = Duration::from_mins(2);

/// From so many payments per mode on, every fault must have happened.
const EVERY_FAULT_FROM: usize = 5_000;

const MODES: [&str; 3] = ["keyed", "inquiry-only", "neither"];

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What one mode came to.
struct Run {
    mode: &'static str,
    seconds: u64,
    injected: BTreeMap<String, u64>,
    /// Payments by how they ended: `settled`, `review`, or the code of the failure.
    ended: BTreeMap<String, usize>,
    /// References by how often they were debited.
    debited: BTreeMap<u64, usize>,
    attempts: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_bank_does_each_key_is_charged_as_its_answer_says() {
    let _turn = alone("loads the whole machine and measures recovery time");
    let payments = number("HOLDFAST_RELIABILITY_PAYMENTS", 300);
    let kills = number("HOLDFAST_RELIABILITY_KILLS", 2);
    let mut runs = Vec::new();
    for mode in MODES {
        runs.push(run(mode, payments, kills).await);
    }
    let table = table(&runs, payments, kills);
    println!("{table}");
    if payments >= EVERY_FAULT_FROM {
        for fault in runs[0].injected.keys() {
            let total: u64 = runs.iter().map(|run| run.injected[fault]).sum();
            assert!(total > 0, "{fault} never happened");
        }
    }
    if let Ok(path) = std::env::var("HOLDFAST_RELIABILITY_REPORT") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(path);
        replace_measured(&path, &table);
    }
}

fn body(n: usize) -> String {
    format!(
        r#"{{"amount":{},"currency":"EUR","debtor":"acct_{}","creditor":"acct_shop"}}"#,
        n + 1,
        n % 97
    )
}

async fn run(mode: &'static str, payments: usize, kills: usize) -> Run {
    let started = Instant::now();
    let bank = Server::start_bank(&["--profile", "chaos", "--seed", "7", "--mode", mode]);
    let data = tempfile::tempdir().unwrap();
    let url = bank.url();
    let arguments = [
        "--bank",
        &url,
        "--bank-capability",
        mode,
        "--bank-timeout-ms",
        "1000",
        "--bank-grace-ms",
        "5000",
        "--bank-window-ms",
        "30000",
    ];
    let lives = Arc::new(Lives::start(data.path().to_owned(), &arguments));

    // Every key is sent until it is answered; one client takes what another has not begun.
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let (lives, next) = (lives.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= payments {
                    return;
                }
                lives.pay(&format!("{mode}-{n}"), &body(n), 1).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for kill in 1..=kills {
        let due = payments * kill / (kills + 1);
        while next.load(Ordering::SeqCst) < due {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lives.kill_and_restart().await;
        println!(
            "{mode}: kill {kill} of {kills} after {due} payments, {:?}",
            started.elapsed()
        );
    }
    for client in clients {
        client.await.unwrap();
    }
    set_faults(
        &bank,
        &json!({"profile": "healthy", "key_window_ms": 30_000}),
    )
    .await;
    println!(
        "{mode}: all {payments} are taken in, the bank has healed, {:?}",
        started.elapsed()
    );

    let healed = Instant::now();
    let ends = (0..payments).map(|n| end(&lives, mode, n, healed + HEALED_WITHIN));
    let ends = stream::iter(ends).buffer_unordered(ASKED_AT_ONCE);
    let mut ends: Vec<Ended> = ends.collect().await;
    ends.sort_by(|a, b| a.reference.cmp(&b.reference));
    println!(
        "{mode}: all have ended {:?} after the bank healed",
        healed.elapsed()
    );
    judge(mode, &ends, &bank, started.elapsed().as_secs()).await
}

/// How a payment ended.
struct Ended {
    key: String,
    reference: String,
    /// `settled`, `review`, or the code of the failure.
    how: String,
    attempts: u64,
}

/// Repeats a payment until it has ended, or an operator would have to decide.
async fn end(lives: &Lives, mode: &str, n: usize, deadline: Instant) -> Ended {
    let key = format!("{mode}-{n}");
    loop {
        let answer = lives.pay(&key, &body(n), 20).await;
        let payment = payment_of(&answer);
        let how = match (
            payment["state"].as_str().unwrap(),
            payment["phase"].as_str(),
        ) {
            ("settled", _) => "settled",
            ("failed", _) => payment["failure"]["code"].as_str().unwrap(),
            (_, Some("review")) => "review",
            standing => {
                assert!(
                    Instant::now() < deadline,
                    "{key} has not ended: {standing:?}"
                );
                continue;
            }
        };
        if answer.is_final() {
            let again = lives.pay(&key, &body(n), 0).await;
            assert_eq!(
                again.frozen(),
                answer.frozen(),
                "{key}: the same answer for ever"
            );
        }
        if mode == "neither" {
            never_sent_when_unknown(lives, &key, &payment).await;
        }
        return Ended {
            reference: payment["bank_reference"].as_str().unwrap().to_owned(),
            how: how.to_owned(),
            attempts: payment["attempts"].as_u64().unwrap(),
            key,
        };
    }
}

/// A bank that can do neither is not called again once an outcome is unknown.
async fn never_sent_when_unknown(lives: &Lives, key: &str, payment: &Value) {
    let path = format!("/v1/payments/{}/events", payment["id"].as_str().unwrap());
    let events = lives.client().get(&path).await.unwrap().json();
    let causes = events["data"].as_array().unwrap().iter();
    let mut causes = causes.map(|event| event["cause"].as_str().unwrap());
    causes.find(|cause| matches!(*cause, "no_answer" | "recovery"));
    assert!(
        causes.all(|cause| cause != "dispatch"),
        "{key} was sent again"
    );
}

fn payment_of(answer: &Answer) -> Value {
    let body = answer.json();
    match body.get("payment") {
        Some(payment) => payment.clone(),
        None => body,
    }
}

/// Holds what clients were told against the bank's books.
async fn judge(mode: &'static str, ends: &[Ended], bank: &Server, seconds: u64) -> Run {
    let debits = debits(bank).await;
    let injected = injected(bank).await;
    let mut run = Run {
        mode,
        seconds,
        ended: BTreeMap::new(),
        debited: BTreeMap::new(),
        attempts: ends.iter().map(|ended| ended.attempts).sum(),
        injected,
    };
    let mut references = BTreeSet::new();
    for Ended {
        key,
        reference,
        how,
        ..
    } in ends
    {
        assert!(
            references.insert(reference),
            "{key} shares its reference with another key"
        );
        let count = debits.get(reference).copied().unwrap_or(0);
        *run.ended.entry(how.clone()).or_default() += 1;
        *run.debited.entry(count).or_default() += 1;
        match (mode, how.as_str()) {
            (_, "settled") => assert!(count >= 1, "{key} settled without a debit"),
            // Only a bank that can do nothing about an unknown outcome leaves it to a person.
            ("neither", "review") => {}
            (_, "review") => panic!("{key} is in review though the bank can be asked"),
            (_, code) => assert_eq!(count, 0, "{key} failed ({code}) with a debit"),
        }
        if mode != "neither" {
            assert!(count <= 1, "{key} was debited {count} times");
        }
    }
    for reference in debits.keys() {
        assert!(
            references.contains(reference),
            "{reference} belongs to no key"
        );
    }
    // A bank without any deduplication debits twice what reaches it twice: its own doing, for
    // nothing is ever sent to it again.
    let twice: usize = run.debited.range(2..).map(|(_, count)| count).sum();
    assert!(
        twice as u64 <= run.injected["duplicate"],
        "{twice} double debits"
    );
    run
}

fn table(runs: &[Run], payments: usize, kills: usize) -> String {
    let mut table = String::new();
    let mut row = |name: &str, cell: &dyn Fn(&Run) -> String| {
        let cells: Vec<_> = runs.iter().map(cell).collect();
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    };
    row("mode", &|run| format!("`{}`", run.mode));
    row("---", &|_| "---:".to_owned());
    row("payments", &|_| payments.to_string());
    row("`kill -9` of the service", &|_| kills.to_string());
    row("attempts at the bank", &|run| run.attempts.to_string());
    for fault in runs[0].injected.keys() {
        row(&format!("injected: `{fault}`"), &|run| {
            run.injected[fault].to_string()
        });
    }
    let endings: BTreeSet<&String> = runs.iter().flat_map(|run| run.ended.keys()).collect();
    for ending in endings {
        let count = |run: &Run| run.ended.get(ending).copied().unwrap_or(0).to_string();
        row(&format!("ended: {ending}"), &count);
    }
    let times: BTreeSet<u64> = runs
        .iter()
        .flat_map(|run| run.debited.keys().copied())
        .collect();
    for times in times {
        let count = |run: &Run| run.debited.get(&times).copied().unwrap_or(0).to_string();
        row(&format!("keys with {times} effective debits"), &count);
    }
    row("seconds", &|run| run.seconds.to_string());
    table
}

fn replace_measured(path: &std::path::Path, table: &str) {
    const BEGIN: &str = "<!-- measured: begin -->\n";
    const END: &str = "<!-- measured: end -->";
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
}
