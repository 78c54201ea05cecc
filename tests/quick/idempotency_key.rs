//! The header does what `docs/idempotency-key.md` says, row by row.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use bytes::Bytes;
use holdfast_core::{AccountId, Amount, Currency, Metadata, PaymentRequest};
use holdfast_engine::bank::ChargeOutcome;
use holdfast_engine::service::{CreateOptions, ServiceOptions};
use holdfast_server::api::InProcess;
use holdfast_tests::sample::{self, BODY, DECLINED_BODY};
use holdfast_tests::scripted::{KEYED, ScriptedBank, World, declined, world, world_with};
use http::{Request, Response};
use serde_json::Value;

const OTHER_BODY: &str =
    r#"{"amount":2999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop"}"#;

/// The API, asked as a client would.
struct Api {
    world: World,
    door: InProcess,
}

impl Api {
    fn of(bank: ScriptedBank) -> Self {
        Self::before(world(bank))
    }

    /// The next life, over the same store.
    fn again(&self) -> Self {
        let bank = ScriptedBank::new(KEYED);
        let store = self.world.store.reopen();
        Self::before(world_with(bank, store, ServiceOptions::default()))
    }

    fn before(world: World) -> Self {
        let door = InProcess::new(&world.front_door, &holdfast_server::site::routes());
        Self { world, door }
    }

    fn new() -> Self {
        Self::of(ScriptedBank::new(KEYED))
    }

    async fn create(&self, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut request = Request::post("/v1/payments").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Bytes::from(body.to_owned());
        self.door.call(request.body(body).unwrap()).await
    }

    async fn pay(&self, key: &str, body: &str) -> Response<Bytes> {
        self.create(&[("idempotency-key", key)], body).await
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        self.door.call(request).await
    }

    /// How many charges the bank was asked for.
    fn charges(&self) -> usize {
        self.world.bank.references().len()
    }
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// The last part of a problem's type.
fn problem(response: &Response<Bytes>) -> String {
    let kind = json(response)["type"].as_str().unwrap().to_owned();
    kind.strip_prefix("/problems/").unwrap().to_owned()
}

fn replayed(response: &Response<Bytes>) -> bool {
    response.headers()["idempotent-replayed"] == "true"
}

/// What every repeat must get again.
fn result(response: &Response<Bytes>) -> (u16, Bytes, Option<&http::HeaderValue>) {
    let location = response.headers().get("location");
    (
        response.status().as_u16(),
        response.body().clone(),
        location,
    )
}

#[tokio::test(start_paused = true)]
async fn a_structured_field_string_is_a_key_and_so_is_the_same_bare() {
    let api = Api::new();
    for (written, bare) in [("\"8e03978e\"", "8e03978e"), (r#""a\"b\\c""#, r#"a"b\c"#)] {
        let first = api.pay(written, BODY).await;
        assert_eq!(first.status(), 201);
        assert_eq!(json(&first)["idempotency_key"], bare);
        assert_eq!(first.headers()["idempotency-key"], written);
        let again = api.pay(bare, BODY).await;
        assert_eq!(result(&again), result(&first));
        assert!(replayed(&again));
    }
    assert_eq!(api.pay(&"k".repeat(255), BODY).await.status(), 201);
    assert_eq!(api.charges(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_character_of_a_key_counts_as_it_is() {
    let api = Api::new();
    let keys = [
        "order-7",
        "Order-7",
        "order%2D7",
        "order%2d7",
        "order;7",
        "order,7",
        "order;7=1",
    ];
    for key in keys {
        let first = api.pay(key, BODY).await;
        assert!(!replayed(&first), "{key} is a key of its own");
        assert_eq!(json(&first)["idempotency_key"], key);
    }
    assert_eq!(api.charges(), keys.len());
    for key in keys {
        assert!(replayed(&api.pay(key, BODY).await), "{key}");
        let quoted = format!("\"{key}\"");
        assert!(replayed(&api.pay(&quoted, BODY).await), "{quoted}");
    }
    for after_its_quote in ["\"order\";7", "\"order\", \"7\""] {
        let refused = api.pay(after_its_quote, BODY).await;
        assert_eq!(problem(&refused), "idempotency-key-invalid");
    }
    assert_eq!(api.charges(), keys.len());
}

#[tokio::test(start_paused = true)]
async fn a_malformed_or_repeated_header_is_refused() {
    let api = Api::new();
    let long = "k".repeat(256);
    for bad in [
        "",
        "\"\"",
        "\"abc",
        "\"abc\"d",
        "\"abc\";p=1",
        r#""a\b""#,
        "a b",
        &long,
    ] {
        let refused = api.pay(bad, BODY).await;
        assert_eq!(
            (refused.status().as_u16(), problem(&refused).as_str()),
            (400, "idempotency-key-invalid"),
            "{bad}"
        );
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let refused = api.create(&twice, BODY).await;
    assert_eq!(problem(&refused), "idempotency-key-invalid");
    assert_eq!(api.charges(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_another_payload_is_refused_and_changes_nothing() {
    let api = Api::of(ScriptedBank::new(KEYED).latency_s(5));
    let check = |refused: &Response<Bytes>| {
        assert_eq!(refused.status(), 422);
        assert_eq!(problem(refused), "idempotency-key-reused");
        assert_eq!(
            json(refused)["mismatched_fields"],
            serde_json::json!(["amount"])
        );
    };
    // In flight as well as afterwards.
    let (first, refused) = tokio::join!(api.pay("k", BODY), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        api.pay("k", OTHER_BODY).await
    });
    check(&refused);
    check(&api.pay("k", OTHER_BODY).await);
    let again = api.pay("k", BODY).await;
    assert_eq!(result(&again), result(&first));
    assert_eq!(api.charges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_does_not_expire() {
    let api = Api::new();
    let first = api.pay("k", BODY).await;
    tokio::time::advance(Duration::from_hours(24 * 365)).await;
    let again = api.pay("k", BODY).await;
    assert_eq!(result(&again), result(&first));
    assert_eq!(api.pay("k", OTHER_BODY).await.status(), 422);
    assert_eq!(api.charges(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_written_otherwise_is_the_same_request() {
    let api = Api::new();
    let first = api.pay("k", BODY).await;
    for same in [
        r#"{ "creditor": "acct_shop", "debtor": "acct_alice", "currency": "EUR", "amount": 1999 }"#,
        r#"{"amount":1999.0,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop"}"#,
        r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop","reference":null,"metadata":{}}"#,
        r#"{"amount":1999,"currency":"\u0045UR","debtor":"acct_alice","creditor":"acct_shop"}"#,
    ] {
        let again = api.pay("k", same).await;
        assert_eq!(result(&again), result(&first), "{same}");
    }
    let body = |reference: &str| {
        let fields =
            r#""amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop""#;
        format!(r#"{{{fields},"reference":"{reference}"}}"#)
    };
    let again = api.pay("k", &body("")).await;
    assert_eq!(result(&again), result(&first), "an empty reference is none");
    assert_eq!(api.charges(), 1);

    // The same letter as one character and as two: texts are compared as given.
    assert_eq!(api.pay("accent", &body("caf\u{e9}")).await.status(), 201);
    let decomposed = api.pay("accent", &body("cafe\u{301}")).await;
    assert_eq!(problem(&decomposed), "idempotency-key-reused");
    assert_eq!(json(&decomposed)["mismatched_fields"][0], "reference");
    // A reference that is empty from the start is none as well.
    let empty = api.pay("empty", &body("")).await;
    assert_eq!(json(&empty)["reference"], Value::Null);
    assert!(replayed(&api.pay("empty", BODY).await));
    assert_eq!(api.charges(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_paid_in_a_currency_that_is_none_any_more_is_answered_as_ever() {
    let api = Api::new();
    let body = |amount: u64| {
        format!(
            r#"{{"amount":{amount},"currency":"HRK","debtor":"acct_alice","creditor":"acct_shop"}}"#
        )
    };
    let fresh = api.pay("new", &body(1999)).await;
    assert_eq!(fresh.status(), 400);
    let error = json(&fresh);
    assert_eq!(error["errors"][0]["field"], "currency");
    let message = error["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("HRK was withdrawn"), "{message}");
    assert_eq!(api.charges(), 0);

    // Before it was withdrawn.
    let hrk = PaymentRequest::new(
        Amount::new(1999).unwrap(),
        Currency::from_code("HRK").unwrap(),
        AccountId::new("acct_alice").unwrap(),
        AccountId::new("acct_shop").unwrap(),
        None,
        Metadata::default(),
    )
    .unwrap();
    let created = api.world.service.create(
        sample::key("old"),
        hrk,
        CreateOptions {
            wait: Duration::from_secs(10),
            strict: false,
        },
    );
    created.await.unwrap();
    let again = api.pay("old", &body(1999)).await;
    assert_eq!((again.status().as_u16(), replayed(&again)), (201, true));
    assert_eq!(json(&again)["currency"], "HRK");
    let other = api.pay("old", &body(2000)).await;
    assert_eq!(problem(&other), "idempotency-key-reused");
    assert_eq!(api.charges(), 1);
    // And after a restart.
    let again = api.again().pay("old", &body(1999)).await;
    assert_eq!((again.status().as_u16(), replayed(&again)), (201, true));
}

#[tokio::test(start_paused = true)]
async fn the_document_says_that_the_header_is_required() {
    let api = Api::new();
    let document = json(&api.get("/openapi.json").await);
    let parameters = document["paths"]["/v1/payments"]["post"]["parameters"]
        .as_array()
        .unwrap();
    let named = |parameter: &&Value| parameter["name"] == "Idempotency-Key";
    let header = parameters.iter().find(named).unwrap();
    assert_eq!(
        (&header["in"], &header["required"]),
        (&"header".into(), &true.into())
    );
    assert!(
        header["description"]
            .as_str()
            .unwrap()
            .contains("structured-field")
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_request_is_processed() {
    let charges = [declined()].map(ChargeOutcome::Decided);
    let api = Api::of(ScriptedBank::new(KEYED).latency_s(5).charges(charges));
    let failed = api.pay("declined", DECLINED_BODY).await;
    assert_eq!((failed.status().as_u16(), replayed(&failed)), (402, false));
    let settled = api.pay("settled", BODY).await;
    assert_eq!(
        (settled.status().as_u16(), replayed(&settled)),
        (201, false)
    );
    let headers = [("idempotency-key", "slow"), ("prefer", "wait=1")];
    let slow = api.create(&headers, BODY).await;
    assert_eq!((slow.status().as_u16(), replayed(&slow)), (202, false));
    assert_eq!(api.charges(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_the_end_gets_the_first_result_success_or_failure() {
    let charges = [declined()].map(ChargeOutcome::Decided);
    let api = Api::of(ScriptedBank::new(KEYED).charges(charges));
    for (key, body, status) in [("declined", DECLINED_BODY, 402), ("settled", BODY, 201)] {
        let first = api.pay(key, body).await;
        assert_eq!(first.status(), status);
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_mins(5)).await;
            let again = api.pay(key, body).await;
            assert!(replayed(&again));
            assert_eq!(result(&again), result(&first));
        }
    }
    assert_eq!(api.charges(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_before_the_end_joins_the_first() {
    let api = Api::of(ScriptedBank::new(KEYED).latency_s(5));
    let (first, joined) = tokio::join!(api.pay("k", BODY), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        api.pay("k", BODY).await
    });
    assert_eq!((replayed(&first), replayed(&joined)), (false, true));
    assert_eq!(first.status(), 201);
    assert_eq!(result(&joined), result(&first));
    assert_eq!(api.charges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_strict_retry_before_the_end_is_a_conflict() {
    let api = Api::of(ScriptedBank::new(KEYED).latency_s(5));
    let strict = [("idempotency-key", "k"), ("prefer", "handling=strict")];
    let (first, conflict) = tokio::join!(api.pay("k", BODY), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        api.create(&strict, BODY).await
    });
    assert_eq!(conflict.status(), 409);
    assert_eq!(problem(&conflict), "idempotency-request-in-progress");
    assert!(conflict.headers().contains_key("retry-after"));
    // After the end there is nothing to conflict with.
    let after = api.create(&strict, BODY).await;
    assert_eq!(result(&after), result(&first));
    assert_eq!(api.charges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_the_header_is_refused_with_a_link() {
    let api = Api::new();
    let refused = api.create(&[], BODY).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(problem(&refused), "idempotency-key-missing");
    let page = api.get(json(&refused)["type"].as_str().unwrap()).await;
    assert_eq!(page.status(), 200);
    assert!(String::from_utf8_lossy(page.body()).contains("Idempotency-Key"));
    assert_eq!(api.charges(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_leaves_its_key_unused() {
    let api = Api::new();
    let large = format!(r#"{{"reference":"{}"}}"#, "x".repeat(17_000));
    for (body, status) in [
        ("{}", 400),
        ("[]", 400),
        ("not JSON", 400),
        (large.as_str(), 413),
    ] {
        assert_eq!(api.pay("k", body).await.status(), status, "{body}");
    }
    let form = Request::post("/v1/payments")
        .header("idempotency-key", "k")
        .header("content-type", "application/x-www-form-urlencoded");
    let refused = api
        .door
        .call(form.body(Bytes::from("amount=1")).unwrap())
        .await;
    assert_eq!(refused.status(), 415);
    assert_eq!(api.charges(), 0);
    let first = api.pay("k", BODY).await;
    assert_eq!((first.status().as_u16(), replayed(&first)), (201, false));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_drains_leaves_the_key_unused() {
    let api = Api::new();
    api.world.service.shutdown().await.unwrap();
    let refused = api.pay("k", BODY).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(json(&refused)["retry"]["same_key_safe"], true);
    let again = api.again();
    let first = again.pay("k", BODY).await;
    assert_eq!((first.status().as_u16(), replayed(&first)), (201, false));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_a_restart_gets_the_first_result() {
    let api = Api::new();
    let first = api.pay("k", BODY).await;
    let again = api.again();
    let retry = again.pay("k", BODY).await;
    assert!(replayed(&retry));
    assert_eq!(result(&retry), result(&first));
    assert_eq!(again.charges(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_nobody_knows_is_no_result_yet() {
    let api = Api::of(ScriptedBank::new(KEYED).charges([ChargeOutcome::Unknown]));
    let headers = [("idempotency-key", "k"), ("prefer", "respond-async")];
    let first = api.create(&headers, BODY).await;
    assert_eq!(first.status(), 202);
    assert_eq!(first.headers()["holdfast-should-retry"], "true");
    let after = api.pay("k", BODY).await;
    assert_eq!((after.status().as_u16(), replayed(&after)), (201, true));
    let references = api.world.bank.references();
    assert!(
        references.len() == 2 && references[0] == references[1],
        "{references:?}"
    );
}

#[test]
fn every_row_of_the_table_has_its_test() {
    let table = include_str!("../../docs/idempotency-key.md");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| draft"))
        .collect();
    assert!(rows.len() > 12);
    let tests = [
        include_str!("idempotency_key.rs"),
        include_str!("../processes/contract.rs"),
    ]
    .concat();
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<&str> = cell
            .split('`')
            .filter(|word| word.contains('_') && !word.contains('.'))
            .collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(&format!("async fn {name}()")), "{name}");
        }
    }
}
