//! A disk that fills up, and one that fails: what was acknowledged stays, what is known is answered as long as
//! that can be true, and whoever looks is told what to do.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_tests::bank_books::set_faults;
use holdfast_tests::sample::{BODY, debits, large_body};
use holdfast_tests::{Client, Disk, Server, SmallDisk, alone};
use http::StatusCode;
use serde_json::json;

const WHY_ALONE: &str = "the disk must fail during payments, not while they wait for CPU";

async fn ready(client: &Client) -> (StatusCode, String) {
    let answer = client.get("/readyz").await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    (answer.status, text)
}

#[tokio::test]
async fn on_a_full_disk_new_payments_are_refused_and_all_else_goes_on() {
    let _turn = alone(WHY_ALONE);
    let Some(disk) = SmallDisk::of(48) else {
        return;
    };
    let data = disk.path().join("data");
    let server = Server::start(&data, &["--bank-latency-ms", "700"]);
    let client = server.client();
    let first = client.pay("k1", BODY).await.unwrap();
    assert_eq!(first.status, StatusCode::CREATED);
    // One is under way when the disk fills.
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.pay("k2", BODY).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    disk.fill_but(2 * 1024 * 1024);

    let refused = client.pay("k3", BODY).await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the disk is almost full"), "{detail}");
    assert_eq!(refused.header("holdfast-should-retry"), "true");
    let (status, text) = ready(&client).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("the disk is almost full"), "{text}");
    // What is known is answered, and what was under way ends.
    let replayed = client.pay("k1", BODY).await.unwrap();
    assert_eq!(replayed.frozen(), first.frozen());
    let location = first.header("location").to_owned();
    assert_eq!(client.get(&location).await.unwrap().status, StatusCode::OK);
    let second = under_way.await.unwrap();
    assert_eq!(second.status, StatusCode::CREATED);
    let again = client.pay("k2", BODY).await.unwrap();
    assert_eq!(again.frozen(), second.frozen());

    disk.free();
    assert_eq!(ready(&client).await.0, StatusCode::OK);
    let third = client.pay("k3", BODY).await.unwrap();
    assert_eq!(
        third.status,
        StatusCode::CREATED,
        "by itself, without a restart"
    );
    assert_eq!(debits(&data).len(), 3);
}

/// When there is no room at all for what is under way, the service stops and says so.
#[tokio::test]
async fn a_disk_without_any_room_stops_the_service_and_nothing_acknowledged_is_lost() {
    const UNDER_WAY: usize = 600;
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let bank = Server::start_bank(&[]);
    set_faults(&bank, &json!({"latency_ms": [1_000, 1_000]})).await;
    let url = bank.url();
    let arguments = ["--bank", url.as_str(), "--bank-calls-max", "1000"];
    let data = at.join("data");
    let server = Server::start(&data, &arguments);
    let client = server.client();
    // More than the segment of the log takes that is there already.
    let body = large_body();
    let payments = (0..UNDER_WAY).map(|n| {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move { client.pay(&format!("k{n}"), &body).await })
    });
    let payments: Vec<_> = payments.collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    disk.leave_room_for(0);
    let mut told = Vec::new();
    for answer in join_all(payments).await {
        if let Ok(answer) = answer.unwrap()
            && answer.is_final()
        {
            told.push(answer);
        }
    }
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");

    disk.make_room();
    set_faults(&bank, &json!({"latency_ms": [0, 0]})).await;
    let server = Server::start(&data, &arguments);
    let client = server.client();
    for n in 0..UNDER_WAY {
        let answer = client.pay(&format!("k{n}"), &body).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    for first in told {
        let key = first.header("idempotency-key").to_owned();
        let again = client.pay(&key, &body).await.unwrap();
        assert_eq!(again.frozen(), first.frozen());
    }
    server.kill();
    disk.restore_power();
}

/// A sync that fails is never tried again: the service stops, and the next start finds out what is durable.
#[tokio::test]
async fn a_sync_that_fails_stops_the_service() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let data = at.join("data");
    let server = Server::start(&data, &[]);
    let first = server.client().pay("k1", BODY).await.unwrap();
    disk.fail_syncs(1);
    let refused = server.client().pay("k2", BODY).await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("could not sync written data to disk"),
        "{said}"
    );

    let server = Server::start(&data, &[]);
    let again = server.client().pay("k1", BODY).await.unwrap();
    assert_eq!(again.frozen(), first.frozen());
    let second = server.client().pay("k2", BODY).await.unwrap();
    assert_eq!(second.status, StatusCode::CREATED);
    assert_eq!(debits(&data).len(), 2);
    server.kill();
    disk.restore_power();
}
