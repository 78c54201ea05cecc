//! The bank behind a URL, over real processes: what a bank has forgotten is never sent to it again, and
//! what is sent goes to the bank and to nobody else.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::Path;
use std::time::Duration;

use holdfast_tests::bank_books::{debits, set_faults};
use holdfast_tests::sample::BODY;
use holdfast_tests::{Lives, Server};
use http::StatusCode;
use serde_json::json;

const WINDOW_MS: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_after_the_banks_memory_is_over_asks_and_does_not_send() {
    let bank = Server::start_bank(&[]);
    // Charged, and the answer is an error; what follows within the window is an error as well.
    set_faults(
        &bank,
        &json!({"error_after": 1, "key_window_ms": WINDOW_MS}),
    )
    .await;
    let data = tempfile::tempdir().unwrap();
    let (url, window) = (bank.url(), WINDOW_MS.to_string());
    let arguments = [
        "--bank",
        &url,
        "--bank-window-ms",
        &window,
        "--bank-grace-ms",
        "1000",
        "--bank-timeout-ms",
        "1000",
    ];
    let lives = Lives::start(data.path().to_owned(), &arguments);
    let unknown = lives.pay("forgotten", BODY, 0).await;
    assert_eq!(unknown.status, StatusCode::ACCEPTED);
    while debits(&bank).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The bank's own clock is what has to pass.
    tokio::time::sleep(Duration::from_millis(WINDOW_MS)).await;
    set_faults(&bank, &json!({"key_window_ms": WINDOW_MS})).await;
    lives.kill_and_restart().await;

    let settled = lives.pay("forgotten", BODY, 30).await;
    assert_eq!(settled.status, StatusCode::CREATED, "{settled:?}");
    let debits: Vec<u64> = debits(&bank).await.into_values().collect();
    assert_eq!(debits, [1], "asked, and not sent again");
}

/// A payment that is unknown at a bank when its service ends.
async fn unknown_at(bank: &Server, data: &Path, arguments: &[&str]) {
    set_faults(bank, &json!({"lost_after": 1})).await;
    let server = Server::start(data, arguments);
    let answer = server
        .client()
        .pay_with("k", BODY, &[("prefer", "wait=0")])
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["bank"], "acme", "{answer:?}");
    while debits(bank).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.kill();
    set_faults(bank, &json!({})).await;
}

fn refused(data: &Path, arguments: &[&str]) -> String {
    let (code, said) = Server::try_start(data, arguments)
        .err()
        .expect("it is refused");
    assert_eq!(code, Some(1), "{said}");
    said
}

/// The other bank never heard of the payment: it would take it for a new one, and debit it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_another_bank_is_refused_and_debits_nothing() {
    let (bank, other) = (Server::start_bank(&[]), Server::start_bank(&[]));
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (here, there) = (bank.url(), other.url());
    let acme = ["--bank", &here, "--bank-name", "acme"];
    let short = ["--bank-timeout-ms", "500", "--bank-grace-ms", "1000"];
    unknown_at(&bank, data, &[&acme[..], &short].concat()).await;

    let said = refused(data, &["--bank", &there, "--bank-name", "other"]);
    assert!(
        said.contains("the bank is other, but 1 unfinished payment is for acme"),
        "{said}"
    );
    let said = refused(data, &["--bank", &there]);
    assert!(
        said.contains("the bank is default, but 1 unfinished payment is for acme"),
        "{said}"
    );
    for simulated in [&[][..], &["--bank", "sim"]] {
        let said = refused(data, simulated);
        assert!(
            said.contains("the bank is simulated, but 1 unfinished"),
            "{said}"
        );
    }
    // The same name at another address may be another bank.
    let moved = ["--bank", &there, "--bank-name", "acme"];
    let said = refused(data, &moved);
    assert!(said.contains("1 unfinished payments may be at"), "{said}");
    assert!(
        said.contains(&here) && said.contains("--bank-moved"),
        "{said}"
    );
    assert!(debits(&other).await.is_empty(), "nothing was sent");

    // With its own bank it ends; afterwards any bank will do, but the simulated one only by name.
    let server = Server::start(data, &acme);
    let settled = server.client().pay("k", BODY).await.unwrap();
    assert_eq!(settled.status, StatusCode::CREATED, "{settled:?}");
    server.kill();
    Server::start(data, &["--bank", &there]).kill();
    let said = refused(data, &[]);
    assert!(
        said.contains("no bank is configured") && said.contains("acme"),
        "{said}"
    );
    let server = Server::start(data, &["--bank", "sim"]);
    let again = server.client().pay("k", BODY).await.unwrap();
    assert_eq!(again.frozen(), settled.frozen());
    let paid = server.client().pay("new", BODY).await.unwrap();
    assert_eq!(paid.json()["bank"], "simulated", "{paid:?}");
    assert_eq!(debits(&bank).await.into_values().collect::<Vec<_>>(), [1]);
}

/// A bank that moved is the same bank when its operator says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_moved_is_sent_to_when_it_is_said_to_be_the_same() {
    let books = tempfile::tempdir().unwrap();
    let ledger = books.path().join("ledger.jsonl");
    let ledger = ["--ledger", ledger.to_str().unwrap()];
    let bank = Server::start_bank(&ledger);
    let data = tempfile::tempdir().unwrap();
    let url = bank.url();
    let acme = ["--bank", &url, "--bank-name", "acme"];
    let short = ["--bank-timeout-ms", "500", "--bank-grace-ms", "1000"];
    unknown_at(&bank, data.path(), &[&acme[..], &short].concat()).await;
    bank.kill();
    let bank = Server::start_bank(&ledger);
    let url = bank.url();
    let acme = ["--bank", &url, "--bank-name", "acme"];
    refused(data.path(), &acme);
    let server = Server::start(data.path(), &[&acme[..], &["--bank-moved"]].concat());
    let settled = server.client().pay("k", BODY).await.unwrap();
    assert_eq!(settled.status, StatusCode::CREATED, "{settled:?}");
    assert_eq!(debits(&bank).await.into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let bank = Server::start_bank(&[]);
    let data = tempfile::tempdir().unwrap();
    // Nobody listens there: a payment that went that way would not settle.
    let nowhere = "http://127.0.0.1:9";
    let environment = [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
    ];
    let environment = environment.map(|name| (name, nowhere));
    let url = bank.url();
    let server = Server::start_in(&environment, data.path(), &["--bank", &url]);
    let settled = server.client().pay("direct", BODY).await.unwrap();
    assert_eq!(settled.status, StatusCode::CREATED, "{settled:?}");
    assert_eq!(debits(&bank).await.len(), 1);
}
