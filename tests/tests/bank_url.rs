//! The bank behind a URL, over real processes: what a bank has forgotten is never sent to it again, and
//! what is sent goes to the bank and to nobody else.

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
