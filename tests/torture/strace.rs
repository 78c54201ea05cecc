//! What the operating system saw: syncs in the right place, and a disk that fails to sync.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::Path;

use holdfast_tests::sample::{BODY, debits};
use holdfast_tests::{Server, alone, need_tool};
use http::StatusCode;

const WHY_ALONE: &str = "counts and delays syncs";

const INSTALL: &str = "Debian's package strace";

/// A line of `strace -f -y`: the call's name and the file it is about.
fn call(line: &str) -> Option<(&str, &str)> {
    let (_pid, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let (_, rest) = rest.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some((name, path))
}

#[tokio::test]
async fn the_intent_is_synced_before_the_bank_is_called_and_the_outcome_before_the_answer() {
    let _turn = alone(WHY_ALONE);
    if !need_tool("strace", INSTALL) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let trace = data.path().join("trace");
    let store = data.path().join("data");
    let trace_flag = trace.to_str().unwrap();
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-o",
        trace_flag,
        "-e",
        "trace=pwrite64,write,writev,sendto,fdatasync",
    ];
    let server = Server::start_under(&wrapper, &store, &[]);
    let answer = server.client().pay("traced", BODY).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    server.signal("TERM");
    server.wait();

    // The story of this payment, from the first write of its key to the answer to the client. The
    // bank is called where it books the debit; it does nothing observable before.
    let trace = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let intent = lines
        .iter()
        .position(|line| line.contains("pwrite64") && line.contains("traced"))
        .expect("the intent was written");
    let mut order = Vec::new();
    for line in &lines[intent..] {
        match call(line) {
            Some(("pwrite64", path)) if path.ends_with(".segment") => order.push("write"),
            Some(("fdatasync", path)) if path.ends_with(".segment") => order.push("sync"),
            Some(("write", path)) if path.ends_with("simulated-bank.jsonl") => order.push("bank"),
            Some((_, path))
                if (path.contains("socket:") || path.contains("TCP:"))
                    && line.contains("201 Created") =>
            {
                order.push("answer");
                break;
            }
            _ => {}
        }
    }
    order.dedup();
    assert_eq!(order, ["write", "sync", "bank", "write", "sync", "answer"]);
}

/// A frame is in the file before it is synced. Whoever asks meanwhile must not be told of it: a power loss could still
/// take it back.
#[tokio::test]
async fn nobody_is_told_of_a_payment_before_it_is_synced() {
    let _turn = alone(WHY_ALONE);
    if !need_tool("strace", INSTALL) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let trace = data.path().join("trace");
    let store = data.path().join("data");
    // The third sync, which is the second payment's intent, takes a second.
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=pwrite64,write,writev,sendto,fdatasync",
        "-e",
        "inject=fdatasync:delay_enter=1000000:when=3",
    ];
    let server = Server::start_under(&wrapper, &store, &[]);
    server.client().pay("warm-up", BODY).await.unwrap();
    let pay = tokio::spawn({
        let client = server.client();
        async move {
            client
                .pay_with("not-yet", BODY, &[("prefer", "wait=0")])
                .await
                .unwrap()
        }
    });
    let mut asked = 0;
    let begun = tokio::time::Instant::now();
    while !pay.is_finished() {
        server.client().get("/v1/payments").await.unwrap();
        asked += 1;
    }
    assert!(asked > 10, "readers wait for no sync");
    assert!(begun.elapsed().as_millis() > 500, "the sync took its time");
    server.signal("TERM");
    server.wait();

    let trace = std::fs::read_to_string(&trace).unwrap();
    let about_it = |line: &&str| line.contains("not-yet");
    let from_intent = trace
        .lines()
        .skip_while(|line| !(line.contains("pwrite64") && about_it(line)));
    let mut synced = false;
    let mut told = 0;
    for line in from_intent {
        synced |= line.contains("fdatasync") && line.contains("= 0");
        if line.contains("HTTP/1.1 2") && about_it(&line) {
            assert!(synced, "told before the sync was over: {line}");
            told += 1;
        }
    }
    assert!(told > 0, "someone was told in the end");
}

/// Runs two payments on a good disk, then a third whose `nth` sync, counted over all, fails.
async fn with_failing_sync(nth: u32, data: &Path) -> (Vec<holdfast_tests::Answer>, Server) {
    let inject = format!("inject=fdatasync:error=EIO:when={nth}+");
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        &inject,
    ];
    let server = Server::start_under(&wrapper, data, &[]);
    let mut answers = Vec::new();
    for key in ["first", "second", "third"] {
        answers.push(server.client().pay(key, BODY).await.unwrap());
    }
    (answers, server)
}

/// The service says what it must after a failed sync, stops, and a new life knows every
/// acknowledged answer.
async fn stops_and_recovers(answers: &[holdfast_tests::Answer], server: Server, data: &Path) {
    let client = server.client();
    let ready = client.get("/readyz").await.unwrap();
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/livez").await.unwrap().status, StatusCode::OK);
    for key in ["first", "fourth"] {
        let refused = client.pay(key, BODY).await.unwrap();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.json()["type"], "/problems/unavailable");
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.header("holdfast-should-retry"), "true");
    }
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("could not sync written data to disk"),
        "{said}"
    );
    assert!(
        said.contains("Check the disk"),
        "it says what to do: {said}"
    );

    let server = Server::start(data, &[]);
    for (key, first) in ["first", "second"].iter().zip(answers) {
        let replay = server.client().pay(key, BODY).await.unwrap();
        assert_eq!(replay.frozen(), first.frozen(), "{key} was acknowledged");
    }
    let third = server.client().pay("third", BODY).await.unwrap();
    assert_eq!(third.status, StatusCode::CREATED);
    let debits = debits(data);
    assert_eq!(debits.len(), 3);
    assert!(debits.values().all(|count| *count == 1), "{debits:?}");
}

#[tokio::test]
async fn a_sync_that_fails_on_the_intent_keeps_the_bank_from_being_called() {
    let _turn = alone(WHY_ALONE);
    if !need_tool("strace", INSTALL) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    // Two syncs a payment: the fifth is the third payment's intent.
    let (answers, server) = with_failing_sync(5, data.path()).await;
    assert_eq!(answers[2].status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        debits(data.path()).len(),
        2,
        "an intent that is not durable reaches no bank"
    );
    stops_and_recovers(&answers, server, data.path()).await;
}

#[tokio::test]
async fn a_sync_that_fails_on_the_outcome_leaves_a_payment_that_recovers() {
    let _turn = alone(WHY_ALONE);
    if !need_tool("strace", INSTALL) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let (answers, server) = with_failing_sync(6, data.path()).await;
    // The bank has it, so this is no 5xx: the outcome is open.
    assert_eq!(answers[2].status, StatusCode::ACCEPTED);
    assert_eq!(answers[2].json()["state"], "bank_called");
    assert_eq!(debits(data.path()).len(), 3);
    stops_and_recovers(&answers, server, data.path()).await;
}
