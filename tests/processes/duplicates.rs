//! The six sources of duplicates, each over real processes: a service without care charges twice,
//! Holdfast charges once and gives each retry the same answer.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_tests::bank_books::{debits, set_faults};
use holdfast_tests::sample::BODY;
use holdfast_tests::{Answer, Client, Gateway, Loss, NaiveService, Server, TcpProxy, need_tool};
use http::StatusCode;
use serde_json::json;

/// The bank takes so long, in milliseconds: longer than whoever is impatient waits.
const BANK_MS: u64 = 700;
/// Whoever is impatient waits so long, in milliseconds.
const IMPATIENT_MS: u32 = 250;

/// What a scenario is played with: the address of the service, and the bank behind it.
struct Stage<'a> {
    service: &'a str,
    bank: &'a Server,
}

/// Plays a scenario before a service without care and before Holdfast; returns how many debits each
/// of them made. `slow` is the bank's latency in milliseconds.
async fn debits_of<F>(slow: u64, play: F) -> (u64, u64)
where
    F: for<'a> Fn(Stage<'a>) -> BoxFuture<'a, ()>,
{
    let latency = json!({"latency_ms": [slow, slow]});

    let bank = Server::start_bank(&[]);
    set_faults(&bank, &latency).await;
    let naive = NaiveService::start(&bank.address).await;
    play(Stage {
        service: &naive.address,
        bank: &bank,
    })
    .await;
    let naive_debits = settled_count(&bank).await;

    let bank = Server::start_bank(&[]);
    set_faults(&bank, &latency).await;
    let data = tempfile::tempdir().unwrap();
    let url = bank.url();
    let server = Server::start(data.path(), &["--bank", &url, "--bank-timeout-ms", "1000"]);
    play(Stage {
        service: &server.address,
        bank: &bank,
    })
    .await;
    let answer = server.client().pay("one-intent", BODY).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.header("idempotent-replayed"), "true");
    (naive_debits, settled_count(&bank).await)
}

/// The debits at the bank, once nothing is under way any more.
async fn settled_count(bank: &Server) -> u64 {
    tokio::time::sleep(Duration::from_millis(BANK_MS + 300)).await;
    debits(bank).await.values().sum()
}

/// One try of a client that has a key for its intent; `None` when it got no answer in time.
async fn attempt(address: &str, patience_ms: u32) -> Option<Answer> {
    // A connection of its own, as after a network failure.
    let client = Client::new(address);
    let call = client.pay("one-intent", BODY);
    let patience = Duration::from_millis(patience_ms.into());
    tokio::time::timeout(patience, call).await.ok()?.ok()
}

/// Tries until there is a final answer.
async fn retry(address: &str) -> Answer {
    loop {
        if let Some(answer) = attempt(address, 5_000).await
            && answer.status == StatusCode::CREATED
        {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_click() {
    let (naive, holdfast) = debits_of(100, |stage| {
        Box::pin(async move {
            let clicks = tokio::join!(retry(stage.service), retry(stage.service));
            assert_eq!(clicks.0.frozen(), clicks.1.frozen());
        })
    })
    .await;
    assert_eq!((naive, holdfast), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mobile_client_that_times_out_and_retries() {
    let (naive, holdfast) = debits_of(BANK_MS, |stage| {
        Box::pin(async move {
            assert_eq!(
                attempt(stage.service, IMPATIENT_MS).await,
                None,
                "it gives up"
            );
            retry(stage.service).await;
        })
    })
    .await;
    assert_eq!((naive, holdfast), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_gateway_that_retries() {
    if !need_tool("haproxy", "Debian's package haproxy") {
        return;
    }
    let (naive, holdfast) = debits_of(BANK_MS, |stage| {
        Box::pin(async move {
            let gateway = Gateway::haproxy(stage.service, IMPATIENT_MS).await;
            let _ = attempt(&gateway.address, 10_000).await;
        })
    })
    .await;
    assert!(naive > 1, "the gateway did retry");
    assert_eq!(holdfast, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reverse_proxy_that_replays_a_post() {
    if !need_tool("nginx", "Debian's package nginx-light") {
        return;
    }
    let (naive, holdfast) = debits_of(BANK_MS, |stage| {
        Box::pin(async move {
            // Two ports that lead to one and the same instance.
            let second = TcpProxy::start(stage.service, Loss::None).await;
            let backends = [stage.service, &second.address];
            let gateway = Gateway::nginx(backends, IMPATIENT_MS).await;
            let _ = attempt(&gateway.address, 10_000).await;
        })
    })
    .await;
    assert_eq!((naive, holdfast), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_fails_silently() {
    for loss in [
        Loss::Swallow,
        Loss::Reset,
        Loss::HalfAnswer,
        Loss::HalfClose,
    ] {
        let (naive, holdfast) = debits_of(0, |stage| {
            Box::pin(async move {
                let network = TcpProxy::start(stage.service, loss).await;
                assert_eq!(
                    attempt(&network.address, 500).await,
                    None,
                    "{loss:?}: no answer"
                );
                retry(&network.address).await;
            })
        })
        .await;
        assert_eq!((naive, holdfast), (2, 1), "{loss:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_times_out_after_it_has_charged() {
    let (naive, holdfast) = debits_of(0, |stage| {
        Box::pin(async move {
            set_faults(stage.bank, &json!({"lost_after": 1})).await;
            let first = tokio::spawn({
                let service = stage.service.to_owned();
                async move { attempt(&service, 5_000).await }
            });
            while debits(stage.bank).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            set_faults(stage.bank, &json!({"profile": "healthy"})).await;
            let first = first.await.unwrap();
            let first = first.expect("an answer that tells the client to retry, or the payment");
            if first.status != StatusCode::CREATED {
                retry(stage.service).await;
            }
        })
    })
    .await;
    assert_eq!((naive, holdfast), (2, 1));
}
