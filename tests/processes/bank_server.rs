//! `holdfast bank` over HTTP: its contract, and its faults as they look on the wire.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use holdfast_tests::{Answer, Client, NoAnswer, Server, holdfast};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const CHARGE: &str =
    r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop"}"#;

async fn charge(client: &Client, reference: &str) -> Result<Answer, NoAnswer> {
    let headers = [JSON, ("idempotency-key", reference)];
    let call = client.send(Method::POST, "/charges", &headers, CHARGE);
    // A silent bank is one that does not answer.
    tokio::time::timeout(Duration::from_secs(2), call).await?
}

async fn set_faults(client: &Client, faults: &Value) -> Answer {
    let body = faults.to_string();
    let changed = client.send(Method::PUT, "/admin/faults", &[JSON], &body);
    changed.await.unwrap()
}

async fn debits(client: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client
            .get(&format!("/admin/charges?limit=2{cursor}"))
            .await
            .unwrap()
            .json();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn the_contract_of_a_healthy_bank() {
    let bank = Server::start_bank(&[]);
    let client = bank.client();
    let first = charge(&client, "hf_1").await.unwrap();
    assert_eq!(
        first.json(),
        json!({"status": "confirmed", "transaction_id": "b_1", "bank_reference": "hf_1"})
    );
    let again = charge(&client, "\"hf_1\"").await.unwrap();
    assert_eq!(
        again.body, first.body,
        "a repeat gets the first answer, quoted or not"
    );
    assert_eq!(client.get("/charges/hf_1").await.unwrap().body, first.body);
    assert_eq!(
        client.get("/charges/hf_0").await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    let line = json!({
        "bank_reference": "hf_1", "amount": 1999, "currency": "EUR", "debtor": "acct_alice",
        "creditor": "acct_shop", "debits": 1,
    });
    let books = client.get("/admin/charges").await.unwrap().json();
    assert_eq!(books, json!({"data": [line], "next_cursor": null}));

    let other = CHARGE.replace("1999", "1");
    let headers = [JSON, ("idempotency-key", "hf_1")];
    let reused = client
        .send(Method::POST, "/charges", &headers, &other)
        .await
        .unwrap();
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (headers, body) in [
        (&[JSON][..], CHARGE),
        (&headers[..], "{}"),
        (&headers[..], "nonsense"),
    ] {
        let answer = client
            .send(Method::POST, "/charges", headers, body)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.json()["error"].is_string());
    }
    let declined = CHARGE.replace("acct_shop", "acct_declined");
    let headers = [JSON, ("idempotency-key", "hf_2")];
    let answer = client
        .send(Method::POST, "/charges", &headers, &declined)
        .await
        .unwrap();
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (StatusCode::OK, &json!("declined"))
    );
    assert_eq!(answer.json()["bank_reference"], "hf_2");
    for n in 3..8 {
        charge(&client, &format!("hf_{n}")).await.unwrap();
    }
    assert_eq!(debits(&client).await.len(), 6, "declines are no debits");
}

#[tokio::test]
async fn modes_without_deduplication_charge_again() {
    for (mode, asked) in [("inquiry-only", 200), ("neither", 404)] {
        let bank = Server::start_bank(&["--mode", mode]);
        let client = bank.client();
        charge(&client, "hf_1").await.unwrap();
        charge(&client, "hf_1").await.unwrap();
        assert_eq!(debits(&client).await[0]["debits"], 2, "{mode}");
        let status = client.get("/charges/hf_1").await.unwrap().status;
        assert_eq!(status.as_u16(), asked, "{mode}");
    }
}

/// How each of a series of calls looks to the caller.
async fn series(arguments: &[&str]) -> (Vec<String>, Value) {
    let bank = Server::start_bank(arguments);
    let client = bank.client();
    let mut seen = Vec::new();
    for n in 0..60 {
        seen.push(match charge(&client, &format!("hf_{}", n / 2)).await {
            Ok(answer) => format!("{} {:?}", answer.status, answer.body),
            Err(_) => "no answer".to_owned(),
        });
    }
    (seen, client.get("/admin/injected").await.unwrap().json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_and_calls_meet_the_same_faults() {
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("profile.toml");
    let written = "profile = \"flaky\"\nlost_before = 0.1\nunreadable = { rate = 0.1 }\n\
                   throttled = { rate = 0.1, ms = [1000, 5000] }\n";
    std::fs::write(&profile, written).unwrap();
    let profile = profile.to_str().unwrap();
    let arguments = |seed| ["--profile", profile, "--seed", seed];
    let (seven, seven_again, eight) = (arguments("7"), arguments("7"), arguments("8"));
    let (first, second, other) = tokio::join!(series(&seven), series(&seven_again), series(&eight));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
    let kinds: BTreeSet<&String> = first.0.iter().collect();
    assert!(kinds.len() > 20, "many different answers: {kinds:?}");
}

#[tokio::test]
async fn each_fault_looks_on_the_wire_as_it_should() {
    let bank = Server::start_bank(&[]);
    let client = bank.client();
    let mut expected_debits = 0;
    for (n, fault) in [
        "lost_before",
        "lost_after",
        "reset_mid_answer",
        "unreadable",
        "error_before",
        "error_after",
        "throttled",
        "late",
        "declined",
        "outage",
    ]
    .into_iter()
    .enumerate()
    {
        let faults = match fault {
            "late" => json!({"late": {"rate": 1, "ms": [2500, 3000]}}),
            fault => json!({ fault: 1 }),
        };
        let changed = set_faults(&client, &faults).await;
        assert_eq!(changed.status, StatusCode::OK);
        let answer = charge(&client, &format!("hf_{n}")).await;
        match (fault, answer) {
            ("lost_before" | "lost_after" | "reset_mid_answer" | "late" | "outage", Err(_)) => {}
            ("unreadable", Ok(answer)) => {
                assert_eq!(answer.status, StatusCode::OK);
                assert_eq!(answer.json(), Value::Null, "{answer:?}");
            }
            ("error_before" | "error_after", Ok(answer)) => {
                assert!(answer.status.is_server_error());
                assert_eq!(answer.header("retry-after"), "");
            }
            ("throttled", Ok(answer)) => {
                assert!(matches!(answer.status.as_u16(), 429 | 503));
                answer.header("retry-after").parse::<u32>().unwrap();
            }
            ("declined", Ok(answer)) => assert_eq!(answer.json()["status"], "declined"),
            (fault, answer) => panic!("{fault}: {answer:?}"),
        }
        expected_debits += usize::from(matches!(
            fault,
            "lost_after" | "reset_mid_answer" | "unreadable" | "error_after" | "late"
        ));
        if fault == "late" {
            assert_eq!(debits(&client).await.len(), expected_debits - 1, "not yet");
            while debits(&client).await.len() < expected_debits {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(debits(&client).await.len(), expected_debits, "{fault}");
        let injected = client.get("/admin/injected").await.unwrap().json();
        assert_eq!(injected[fault], 1, "{fault}: {injected}");
    }
    let healed = set_faults(&client, &json!({"profile": "healthy"})).await;
    assert_eq!(healed.json()["profile"], "healthy");
    charge(&client, "hf_after").await.unwrap();
    let shown = client.get("/admin/faults").await.unwrap().json();
    assert_eq!(
        set_faults(&client, &shown).await.json(),
        shown,
        "what is shown can be put back"
    );
    let refused = set_faults(&client, &json!({"lost_before": 2})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        client.get("/admin/faults").await.unwrap().json(),
        shown,
        "and changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_breaks_in_the_middle() {
    let bank = Server::start_bank(&[]);
    set_faults(&bank.client(), &json!({"reset_mid_answer": 1})).await;
    let mut stream = TcpStream::connect(&bank.address).unwrap();
    let request = format!(
        "POST /charges HTTP/1.1\r\nHost: bank\r\nIdempotency-Key: hf_1\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{CHARGE}",
        CHARGE.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    let received = String::from_utf8(received).unwrap();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let whole = r#"{"status":"confirmed","transaction_id":"b_1","bank_reference":"hf_1"}"#;
    assert!(
        head.to_ascii_lowercase()
            .contains(&format!("content-length: {}", whole.len()))
    );
    assert_eq!(body, &whole[..whole.len() / 2]);
}

#[tokio::test]
async fn its_books_outlive_it_when_they_are_kept_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("books.jsonl");
    let arguments = ["--ledger", ledger.to_str().unwrap()];
    let bank = Server::start_bank(&arguments);
    let first = charge(&bank.client(), "hf_1").await.unwrap();
    bank.kill();
    let bank = Server::start_bank(&arguments);
    assert_eq!(
        charge(&bank.client(), "hf_1").await.unwrap().body,
        first.body
    );
    assert_eq!(debits(&bank.client()).await.len(), 1);
}

/// Two banks that write one file would write over each other's debits.
#[tokio::test]
async fn a_ledger_belongs_to_one_bank() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("books.jsonl");
    let arguments = ["--ledger", ledger.to_str().unwrap()];
    let bank = Server::start_bank(&arguments);
    charge(&bank.client(), "hf_1").await.unwrap();
    let second = tokio::process::Command::new(holdfast())
        .args(["bank", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let second = tokio::time::timeout(Duration::from_mins(1), second);
    let second = second.await.expect("it is refused").unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another process uses it"), "{said}");
    let mode = std::fs::metadata(&ledger).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else's to read");
    bank.kill();
    let bank = Server::start_bank(&arguments);
    assert_eq!(debits(&bank.client()).await.len(), 1);
}

#[tokio::test]
async fn its_openapi_document_names_every_route() {
    let bank = Server::start_bank(&[]);
    let document = bank.client().get("/openapi.json").await.unwrap().json();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/charges",
        "/charges/{bank_reference}",
        "/admin/charges",
        "/admin/faults",
        "/admin/injected",
    ];
    assert_eq!(paths, expected);
    let yaml = bank.client().get("/openapi.yaml").await.unwrap();
    assert_eq!(yaml.status, StatusCode::OK);
}
