//! The adapter to the bank, against real sockets that misbehave: each way a call can end is told for
//! what it proves, and no more.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod sockets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{
    AccountId, Amount, BankAddress, BankName, BankReference, Capability, Currency, Decision, Event,
    IdempotencyKey, Mark, Merchant, Metadata, Operation, OperationId, OperationKey, PaymentRequest,
    Timestamp, transition,
};
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome};
use holdfast_engine::fatal::Failure;
use holdfast_engine::metrics::Metrics;
use holdfast_engine::pipeline::{Admitted, Pipeline, SendPermit};
use holdfast_server::bank_client::{BankClient, BankClientOptions, Marks, Reading};
use holdfast_simulator::SimulatedStore;
use sockets::{Peer, Script, answer, json, tls};
use tokio::net::{TcpSocket, TcpStream};

const CONFIRMED: &str = r#"{"status":"confirmed","transaction_id":"b_1","more":"ignored"}"#;
const DECLINED: &str = r#"{"status":"declined","code":"account_closed","message":"Closed."}"#;

/// Our reference in all of these tests.
const REFERENCE: &str = "hf_00000000000000000000000000000007";

/// The same as [`CONFIRMED`], and names our reference.
const NAMED: &str = r#"{"status":"confirmed","transaction_id":"b_1","bank_reference":"hf_00000000000000000000000000000007"}"#;

/// An answer about another payment.
const STRAY: &str = r#"{"status":"declined","code":"account_closed","message":"Closed.","bank_reference":"hf_00000000000000000000000000000008"}"#;

fn mark() -> Arc<Mark> {
    Arc::new(Mark {
        bank: BankName::new("default").unwrap(),
        address: BankAddress::new("http://127.0.0.1:1").unwrap(),
        capability: Capability::InquiryOnly { grace_ms: 1 },
        tenure: None,
    })
}

fn options(url: &str) -> BankClientOptions {
    BankClientOptions {
        name: BankName::new("default").unwrap(),
        reading: Reading::default(),
        url: url.parse().unwrap(),
        capability: Capability::InquiryOnly { grace_ms: 1 },
        connect_timeout_ms: 300,
        connections_idle_max: 8,
        ca: None,
        identity: None,
        token_file: None,
    }
}

/// The right to send, as it is come by: from an intent that is durable.
async fn permit() -> SendPermit {
    let request = PaymentRequest::new(
        Amount::new(1999).unwrap(),
        Currency::from_code("EUR").unwrap(),
        AccountId::new("acct_alice").unwrap(),
        AccountId::new("acct_shop").unwrap(),
        None,
        Metadata::new(BTreeMap::new()).unwrap(),
    );
    let key = OperationKey {
        merchant: Merchant::default_merchant(),
        idempotency_key: IdempotencyKey::new("k").unwrap(),
    };
    let now = Timestamp::from_unix_ms(1);
    let id = OperationId::from_uuid(uuid::Uuid::from_u128(7));
    let received = Operation::received(id, key, request.unwrap().into(), now);
    let admitted = transition(&received, &Event::Admit, now).unwrap();
    let dispatched = transition(&admitted.operation, &Event::Dispatch(mark()), now).unwrap();
    let store = Arc::new(SimulatedStore::default());
    let (pipeline, run) = Pipeline::new(store, 16, Metrics::default(), Failure::default());
    tokio::spawn(run);
    match pipeline.admit(admitted.then(dispatched)).await.unwrap() {
        Admitted::Admitted { permit, .. } => permit.unwrap(),
        Admitted::Lost(_) | Admitted::Refused(_) => panic!("nobody else writes"),
    }
}

fn reference() -> BankReference {
    BankReference::of(OperationId::from_uuid(uuid::Uuid::from_u128(7)))
}

async fn charge(url: &str) -> ChargeOutcome {
    let client = BankClient::new(&options(url)).unwrap();
    client.charge(permit().await).await
}

async fn inquire(url: &str) -> InquiryOutcome {
    let client = BankClient::new(&options(url)).unwrap();
    client.inquire(reference()).await
}

/// Options for a bank whose answers count without its own mark.
fn bare(url: &str) -> BankClientOptions {
    BankClientOptions {
        reading: Reading {
            not_found: Marks::Bare,
            throttle: Marks::Bare,
            ..Reading::default()
        },
        ..options(url)
    }
}

fn is_confirmed(outcome: &ChargeOutcome) -> bool {
    matches!(
        outcome,
        ChargeOutcome::Decided(Decision::Confirmed { bank_transaction_id })
            if bank_transaction_id.as_str() == "b_1"
    )
}

#[tokio::test]
async fn a_decision_that_can_be_read_whole_is_taken_and_the_order_is_as_agreed() {
    let bank = Peer::start(Script::Answer(json(200, CONFIRMED))).await;
    assert!(is_confirmed(&charge(&bank.url).await));
    let request = bank.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /charges http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nidempotency-key: hf_00000000000000000000000000000007\r\n"));
    assert!(head.contains("\r\ncontent-type: application/json\r\n"));
    assert_eq!(
        body,
        r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop"}"#
    );

    let bank = Peer::start(Script::Answer(json(200, DECLINED))).await;
    let outcome = charge(&format!("{}/v2/", bank.url)).await;
    assert!(matches!(
        outcome,
        ChargeOutcome::Decided(Decision::Declined { code, .. }) if code.as_str() == "account_closed"
    ));
    assert!(
        bank.requests()[0].starts_with("POST /v2/charges "),
        "below the configured path"
    );
}

#[tokio::test]
async fn a_connection_that_was_never_made_carried_nothing() {
    let gone = Peer::start(Script::Silence).await;
    let url = gone.url.clone();
    drop(gone);
    assert_eq!(charge(&url).await, ChargeOutcome::NotSent, "refused");

    // A full backlog: the kernel drops whoever knocks, as a bank's firewall would.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let knock = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), knock).await {
            Ok(connection) => waiting.push(connection.unwrap()),
            Err(_) => break,
        }
    }
    let outcome = charge(&format!("http://{address}")).await;
    assert_eq!(outcome, ChargeOutcome::NotSent, "no connection in time");

    let unresolvable = charge("http://bank.invalid").await;
    assert_eq!(unresolvable, ChargeOutcome::NotSent, "no such name");
}

#[tokio::test]
async fn whatever_breaks_after_the_connection_was_made_is_unknown() {
    let half = answer("200 OK", "application/json", CONFIRMED);
    let half = half[..half.len() - 10].to_vec();
    let long = format!(
        "{{\"status\":\"confirmed\",\"transaction_id\":\"{}\"}}",
        "x".repeat(70_000)
    );
    let wrong_ids = [
        r#"{"status":"confirmed"}"#,
        r#"{"status":"confirmed","transaction_id":""}"#,
        r#"{"status":"confirmed","transaction_id":"b 1"}"#,
        r#"{"status":"declined","code":"no such code!","message":"m"}"#,
        r#"{"status":"pending","transaction_id":"b_1"}"#,
        r#"["confirmed","b_1"]"#,
        "\"confirmed\"",
        "",
    ];
    let mut cases = vec![
        ("reset before the request", Script::ResetAtOnce),
        ("reset after the request", Script::ResetAfterRequest),
        ("closed after the request", Script::CloseAfterRequest),
        ("half an answer", Script::Answer(half)),
        ("half a head", Script::Answer(b"HTTP/1.1 200 O".to_vec())),
        (
            "no HTTP at all",
            Script::Answer(b"\x00\x01\x02 hello\r\n\r\n".to_vec()),
        ),
        (
            "JSON cut short",
            Script::Answer(json(200, "{\"status\": \"conf")),
        ),
        (
            "another content type",
            Script::Answer(answer("200 OK", "text/html", CONFIRMED)),
        ),
        ("too large", Script::Answer(json(200, &long))),
    ];
    for body in wrong_ids {
        cases.push((body, Script::Answer(json(200, body))));
    }
    for (name, script) in cases {
        let bank = Peer::start(script.clone()).await;
        assert_eq!(charge(&bank.url).await, ChargeOutcome::Unknown, "{name}");
        assert_eq!(
            bank.connections(),
            1,
            "{name}: the client library sends nothing again"
        );
        let bank = Peer::start(script).await;
        assert_eq!(inquire(&bank.url).await, InquiryOutcome::Unknown, "{name}");
    }
}

#[tokio::test]
async fn every_other_status_is_unknown_for_it_proves_nothing() {
    let elsewhere = Peer::start(Script::Answer(json(200, CONFIRMED))).await;
    for status in [
        201, 202, 204, 301, 307, 308, 400, 401, 403, 404, 409, 422, 500, 502, 503, 504,
    ] {
        let mut head = String::from_utf8(json(status, "{}")).unwrap();
        let location = format!("\r\nLocation: {}/charges\r\n", elsewhere.url);
        head = head.replacen("\r\n", &location, 1);
        let bank = Peer::start(Script::Answer(head.into_bytes())).await;
        assert_eq!(charge(&bank.url).await, ChargeOutcome::Unknown, "{status}");
    }
    assert_eq!(elsewhere.connections(), 0, "no redirect is followed");
}

fn with(status: u16, headers: &str, body: &str) -> Script {
    let head = String::from_utf8(json(status, body)).unwrap();
    let headers = if headers.is_empty() {
        "\r\n".to_owned()
    } else {
        format!("\r\n{headers}\r\n")
    };
    Script::Answer(head.replacen("\r\n", &headers, 1).into_bytes())
}

/// The bank's own mark on an answer about a reference.
fn marked(code: &str, reference: &str) -> String {
    format!(r#"{{"code":"{code}","bank_reference":"{reference}"}}"#)
}

#[tokio::test]
async fn a_bank_that_says_so_itself_has_not_processed_it() {
    let date = "Date: Tue, 24 Nov 2026 08:00:00 GMT\r\nRetry-After: Tue, 24 Nov 2026 08:00:09 GMT";
    let not_processed = marked("not_processed", REFERENCE);
    for (status, headers, retry_after_ms) in [
        (429, "", 0),
        (429, "Retry-After: 7", 7_000),
        (503, "Retry-After: 2", 2_000),
        (503, "Retry-After: 0", 0),
        (503, date, 9_000),
        (429, "Retry-After: soon", 0),
        (429, "Retry-After: 99999999999", 3_600_000),
    ] {
        let expected = ChargeOutcome::Throttled { retry_after_ms };
        let bank = Peer::start(with(status, headers, &not_processed)).await;
        assert_eq!(charge(&bank.url).await, expected, "{status} {headers}");
        let bank = Peer::start(with(status, headers, "{}")).await;
        let client = BankClient::new(&bare(&bank.url)).unwrap();
        let outcome = client.charge(permit().await).await;
        assert_eq!(outcome, expected, "{status} {headers}, taken as it is");
        assert_eq!(inquire(&bank.url).await, InquiryOutcome::Unknown);
    }
}

/// A gateway answers 503 after it has passed the charge on: three debits, and "a new key is safe".
#[tokio::test]
async fn a_gateway_that_asks_to_be_left_alone_proves_nothing() {
    let of_another = marked("not_processed", "hf_00000000000000000000000000000008");
    let of_nobody = r#"{"code":"not_processed"}"#;
    let of_something_else = marked("busy", REFERENCE);
    for body in ["", "{}", "[]", &of_another, of_nobody, &of_something_else] {
        for status in [429, 503] {
            let bank = Peer::start(with(status, "Retry-After: 1", body)).await;
            let outcome = charge(&bank.url).await;
            assert_eq!(outcome, ChargeOutcome::Unknown, "{status} {body}");
        }
    }
    let bank = Peer::start(with(503, "Retry-After: soon", "{}")).await;
    let client = BankClient::new(&bare(&bank.url)).unwrap();
    let outcome = client.charge(permit().await).await;
    assert_eq!(outcome, ChargeOutcome::Unknown, "503 alone is never enough");
}

/// A bank that refuses a repeat as a duplicate has the first: a decline it is not.
#[tokio::test]
async fn a_decline_as_a_duplicate_means_that_the_reference_is_known() {
    let declined = |code| format!(r#"{{"status":"declined","code":"{code}","message":"Known."}}"#);
    for code in ["duplicate_reference", "duplicate"] {
        let bank = Peer::start(Script::Answer(json(200, &declined(code)))).await;
        assert_eq!(charge(&bank.url).await, ChargeOutcome::Known, "{code}");
        // The answer to an inquiry is about the reference itself.
        let found = inquire(&bank.url).await;
        assert!(matches!(
            found,
            InquiryOutcome::Decided(Decision::Declined { .. })
        ));
    }
    let bank = Peer::start(Script::Answer(json(200, &declined("AM05")))).await;
    assert!(matches!(charge(&bank.url).await, ChargeOutcome::Decided(_)));
    let code = holdfast_core::DeclineCode::new("AM05").unwrap();
    let reading = Reading {
        duplicate_codes: vec![code],
        ..Reading::default()
    };
    let client = BankClient::new(&BankClientOptions {
        reading,
        ..options(&bank.url)
    });
    let outcome = client.unwrap().charge(permit().await).await;
    assert_eq!(outcome, ChargeOutcome::Known);
}

#[tokio::test]
async fn silence_lasts_until_the_caller_gives_up() {
    let bank = Peer::start(Script::Silence).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    let patience = Duration::from_millis(600);
    let call = tokio::time::timeout(patience, client.charge(permit().await));
    assert!(
        call.await.is_err(),
        "neither an outcome nor a retry of its own"
    );
    assert_eq!(bank.requests().len(), 1);
}

#[tokio::test]
async fn an_inquiry_tells_decided_not_found_and_unknown_apart() {
    let bank = Peer::start(Script::Answer(json(200, CONFIRMED))).await;
    assert!(matches!(
        inquire(&bank.url).await,
        InquiryOutcome::Decided(Decision::Confirmed { .. })
    ));
    let line = "GET /charges/hf_00000000000000000000000000000007 ";
    assert!(bank.requests()[0].starts_with(line));
    let not_found = marked("not_found", REFERENCE);
    for content_type in ["application/json", "application/problem+json"] {
        let script = Script::Answer(answer("404 No", content_type, &not_found));
        let bank = Peer::start(script).await;
        assert_eq!(inquire(&bank.url).await, InquiryOutcome::NotFound);
    }
    let of_another = marked("not_found", "hf_00000000000000000000000000000008");
    let objects = [
        ("", ""),
        ("application/json", "{}"),
        ("application/problem+json", "{}"),
        ("text/plain", ""),
        (
            "application/json",
            r#"{"message":"no Route matched with those values"}"#,
        ),
        ("application/json", r#"{"code":"not_found"}"#),
        (
            "application/json",
            r#"{"code":"no_route","bank_reference":"hf_00000000000000000000000000000007"}"#,
        ),
    ];
    for (content_type, body) in objects {
        let bank = Peer::start(Script::Answer(answer("404 No", content_type, body))).await;
        let outcome = inquire(&bank.url).await;
        assert_eq!(
            outcome,
            InquiryOutcome::Unknown,
            "{body} may be a gateway's"
        );
        let client = BankClient::new(&bare(&bank.url)).unwrap();
        let outcome = client.inquire(reference()).await;
        assert_eq!(outcome, InquiryOutcome::NotFound, "{body}, taken as it is");
    }
    let of_a_gateway = [
        ("text/html", "<html>404</html>"),
        ("text/plain", "default backend - 404"),
        ("application/json", "[]"),
        ("application/json", r#"{"status":404"#),
        ("application/problem+jsonx", "{}"),
        ("text/html", "{}"),
        ("application/json", &of_another),
        ("text/html", &not_found),
    ];
    for (content_type, body) in of_a_gateway {
        let bank = Peer::start(Script::Answer(answer("404 No", content_type, body))).await;
        let client = BankClient::new(&bare(&bank.url)).unwrap();
        for outcome in [inquire(&bank.url).await, client.inquire(reference()).await] {
            assert_eq!(outcome, InquiryOutcome::Unknown, "{body} proves nothing");
        }
    }
    for status in [400, 401, 410, 500, 503] {
        let bank = Peer::start(Script::Answer(json(status, "{}"))).await;
        assert_eq!(
            inquire(&bank.url).await,
            InquiryOutcome::Unknown,
            "{status}"
        );
    }
}

/// The bank closes an idle connection just when it is used again: the request may or may not have
/// arrived, and is sent at most once.
#[tokio::test]
async fn a_kept_connection_that_breaks_makes_no_second_request_of_one() {
    let bank = Peer::start(Script::AnswerOnceThenReset(json(200, NAMED))).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    assert!(is_confirmed(&client.charge(permit().await).await));
    let second = client.charge(permit().await).await;
    assert_eq!(second, ChargeOutcome::Unknown);
    assert_eq!((bank.connections(), bank.requests().len()), (1, 2));
}

#[tokio::test]
async fn one_connection_serves_call_after_call_and_leaves_no_tasks_behind() {
    let bank = Peer::start(Script::AnswerEach(json(200, NAMED))).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut alive = Vec::new();
    for calls in 1..=10 {
        assert!(is_confirmed(&client.charge(permit().await).await));
        assert_eq!((bank.connections(), bank.requests().len()), (1, calls));
        // What the permit was made with ends by itself.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        alive.push(tasks());
    }
    assert_eq!(alive[9], alive[1], "{alive:?}");
}

/// What a bank says more than once must not be taken for the answer to the next order.
#[tokio::test]
async fn an_answer_too_many_is_nobodys() {
    let twice = [json(200, NAMED), json(200, DECLINED)].concat();
    let bank = Peer::start(Script::AnswerEach(twice)).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    for calls in 1..=3 {
        let outcome = client.charge(permit().await).await;
        assert!(is_confirmed(&outcome), "{outcome:?}");
        assert_eq!((bank.connections(), bank.requests().len()), (calls, calls));
    }
}

/// One answer too many gave every later payment on the connection its neighbour's answer.
#[tokio::test]
async fn an_answer_that_names_another_reference_is_nobodys() {
    let bank = Peer::start(Script::AnswerEach(json(200, STRAY))).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    for calls in 1..=3 {
        let outcome = client.charge(permit().await).await;
        assert_eq!(outcome, ChargeOutcome::Unknown);
        assert_eq!(bank.connections(), calls, "its connection is given up");
    }
    assert_eq!(client.inquire(reference()).await, InquiryOutcome::Unknown);
    let number = r#"{"status":"confirmed","transaction_id":"b_1","bank_reference":7}"#;
    let twice = STRAY.replace(
        '}',
        r#","bank_reference":"hf_00000000000000000000000000000007"}"#,
    );
    for unclear in [number, &twice] {
        let bank = Peer::start(Script::AnswerEach(json(200, unclear))).await;
        assert_eq!(charge(&bank.url).await, ChargeOutcome::Unknown, "{unclear}");
    }
}

/// Where an answer without a name is to count, it comes on a connection of its own.
#[tokio::test]
async fn what_may_be_bare_is_asked_for_on_a_connection_of_its_own() {
    let answers = || Script::AnswerInTurn(vec![json(200, NAMED); 3]);
    for (calls_anew, connections) in [(false, 1), (true, 3)] {
        let bank = Peer::start(answers()).await;
        let options = if calls_anew { bare } else { options };
        let client = BankClient::new(&options(&bank.url)).unwrap();
        assert!(is_confirmed(&client.charge(permit().await).await));
        let told = client.inquire(reference()).await;
        assert!(matches!(told, InquiryOutcome::Decided(_)), "{told:?}");
        assert!(is_confirmed(&client.charge(permit().await).await));
        assert_eq!(bank.connections(), connections);
    }
}

/// Without a name nobody can tell whose answer it is; so each call has a connection of its own.
#[tokio::test]
async fn a_bank_that_names_no_reference_gets_a_connection_for_each_call() {
    let bank = Peer::start(Script::AnswerEach(json(200, CONFIRMED))).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    for calls in 1..=3 {
        assert!(is_confirmed(&client.charge(permit().await).await));
        assert_eq!(bank.connections(), calls);
    }
    let reading = Reading {
        reuse_connections: true,
        ..Reading::default()
    };
    let bank = Peer::start(Script::AnswerEach(json(200, CONFIRMED))).await;
    let client = BankClient::new(&BankClientOptions {
        reading,
        ..options(&bank.url)
    });
    let client = client.unwrap();
    for _ in 0..3 {
        assert!(is_confirmed(&client.charge(permit().await).await));
        assert_eq!(bank.connections(), 1, "configured");
    }
}

/// The first answer named us, so the connection was kept; the next names nobody, and may be one too many.
#[tokio::test]
async fn an_answer_without_a_name_on_a_kept_connection_is_not_believed() {
    let answers = vec![json(200, NAMED), json(200, CONFIRMED), json(200, NAMED)];
    let bank = Peer::start(Script::AnswerInTurn(answers)).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    assert!(is_confirmed(&client.charge(permit().await).await));
    let outcome = client.charge(permit().await).await;
    assert_eq!(outcome, ChargeOutcome::Unknown);
    assert!(is_confirmed(&client.charge(permit().await).await));
    assert_eq!(bank.connections(), 2);
}

/// The bank closed it while it was idle: that is seen before anything is sent on it.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_used() {
    let bank = Peer::start(Script::AnswerOnceThenClose(json(200, NAMED))).await;
    let client = BankClient::new(&options(&bank.url)).unwrap();
    for calls in 1..=3 {
        assert!(is_confirmed(&client.charge(permit().await).await));
        assert_eq!((bank.connections(), bank.requests().len()), (calls, calls));
        // Time for the operating system to pass the end of the connection on.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn credentials_are_sent_and_unusable_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let bank = Peer::start(Script::Answer(json(200, CONFIRMED))).await;
    let with_token = BankClientOptions {
        token_file: Some(file("token", "s3cret\n")),
        ..options(&bank.url)
    };
    let client = BankClient::new(&with_token).unwrap();
    assert!(is_confirmed(&client.charge(permit().await).await));
    let request = bank.requests().remove(0).to_ascii_lowercase();
    assert!(request.contains("\r\nauthorization: bearer s3cret\r\n"));
    assert!(!format!("{client:?}").contains("s3cret"));

    let good = options("http://127.0.0.1:1");
    let unusable = [
        BankClientOptions {
            token_file: Some(file("empty", " \n")),
            ..good.clone()
        },
        BankClientOptions {
            token_file: Some("/nowhere".into()),
            ..good.clone()
        },
        BankClientOptions {
            ca: Some(file("no-ca", "nonsense")),
            ..good.clone()
        },
        BankClientOptions {
            identity: Some(file("no-identity", "nonsense")),
            ..good
        },
    ];
    let said: Vec<_> = unusable
        .iter()
        .map(|options| BankClient::new(options).unwrap_err().to_string())
        .collect();
    assert!(said[0].contains("contains no token"), "{said:?}");
    assert!(
        said[1].starts_with("cannot read bank_token_file /nowhere"),
        "{said:?}"
    );
    assert!(said[2].contains("contains no certificate;"), "{said:?}");
    assert!(
        said[3].contains("does not contain a certificate with its key"),
        "{said:?}"
    );
}

#[tokio::test]
async fn tls_to_a_private_authority_works_and_to_any_other_carries_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (tls::Authority::new(), tls::Authority::new());
    let save = |name: &str, pem: String| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let identity = save("identity.pem", ours.identity("holdfast"));
    let (ca, other_ca) = (save("ca.pem", ours.pem()), save("other.pem", others.pem()));

    let bank = Peer::start_tls(Script::Answer(json(200, CONFIRMED)), ours.server()).await;
    let trusting = BankClientOptions {
        ca: Some(ca),
        identity: Some(identity),
        ..options(&bank.url)
    };
    let client = BankClient::new(&trusting).unwrap();
    assert!(is_confirmed(&client.charge(permit().await).await));

    let anonymous = BankClientOptions {
        identity: None,
        ..trusting.clone()
    };
    let other = BankClientOptions {
        ca: Some(other_ca),
        ..trusting.clone()
    };
    let system = BankClientOptions {
        ca: None,
        ..trusting
    };
    for (name, options) in [("another authority", other), ("the system's", system)] {
        let client = BankClient::new(&options).unwrap();
        let outcome = client.charge(permit().await).await;
        assert_eq!(outcome, ChargeOutcome::NotSent, "{name}");
    }
    // With TLS 1.3 a client learns only after it has sent that it was not let in.
    let client = BankClient::new(&anonymous).unwrap();
    let outcome = client.charge(permit().await).await;
    assert!(
        matches!(outcome, ChargeOutcome::NotSent | ChargeOutcome::Unknown),
        "{outcome:?}"
    );
    assert_eq!(
        bank.requests().len(),
        1,
        "only who shows a certificate gets through"
    );

    let plain = Peer::start(Script::Answer(json(200, CONFIRMED))).await;
    let outcome = charge(&plain.url.replace("http:", "https:")).await;
    assert_eq!(outcome, ChargeOutcome::NotSent, "no TLS there at all");
}
