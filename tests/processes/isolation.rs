//! One merchant neither sees nor touches what is another's, nor learns whether it is there: whatever is asked about it is
//! answered as if it had never been.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use holdfast_tests::{Answer, ApiKey, Client, Server};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const OF_THE_SHOP: &str = r#"{"amount":1999,"currency":"EUR","debtor":"acct_of_shop","creditor":"acct_shop_till","reference":"a secret of the shop"}"#;
const OF_THE_MALL: &str =
    r#"{"amount":5,"currency":"EUR","debtor":"acct_of_mall","creditor":"acct_mall_till"}"#;

/// An id of the same kind, of no payment.
const NOWHERE: &str = "019b76da-a800-7000-8000-000000000000";

struct Asker {
    client: Client,
    bearer: String,
}

impl Asker {
    async fn ask(&self, method: Method, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend_from_slice(more);
        self.client
            .send(method, path, &headers, body)
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }
}

/// What an answer says, but for what the question itself puts into it.
fn said(answer: &Answer, asked: &str) -> (StatusCode, String, Vec<String>) {
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let body = String::from_utf8_lossy(&answer.body).replace(asked, "ASKED");
    (answer.status, body, names)
}

#[tokio::test]
async fn what_is_another_merchants_is_as_if_it_had_never_been() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let keys = ["shop", "mall"].map(|merchant| ApiKey::of(merchant, "operator"));
    std::fs::write(
        &file,
        keys.each_ref().map(|key| key.block.as_str()).concat(),
    )
    .unwrap();
    // A lost answer leads to review at once: a payment that could be resolved.
    let bank = Server::start_bank(&[]);
    let arguments = [
        "--config",
        file.to_str().unwrap(),
        "--bank",
        &bank.url(),
        "--bank-capability",
        "neither",
        "--bank-timeout-ms",
        "300",
    ];
    let server = Server::start(&directory.path().join("data"), &arguments);
    let [shop, mall] = keys.map(|key| Asker {
        client: server.client(),
        bearer: key.bearer,
    });
    let pay = |by: &Asker, key: &str, body: &str| {
        let (client, bearer) = (by.client.clone(), by.bearer.clone());
        let (key, body) = (key.to_owned(), body.to_owned());
        async move {
            let headers = [("authorization", bearer.as_str())];
            client.pay_with(&key, &body, &headers).await.unwrap().json()
        }
    };
    let settled = pay(&shop, "settled-of-shop", OF_THE_SHOP).await;
    assert_eq!(settled["state"], "settled");
    holdfast_tests::bank_books::set_faults(&bank, &json!({"lost_after": 1.0})).await;
    let review = pay(&shop, "review-of-shop", OF_THE_SHOP).await;
    assert_eq!(review["phase"], "review");
    holdfast_tests::bank_books::set_faults(&bank, &json!({})).await;
    pay(&mall, "of-mall", OF_THE_MALL).await;

    // Each question about something of the shop's, beside the same about nothing at all.
    let json = [("content-type", "application/json")];
    let decided = [("content-type", "application/json"), ("if-match", "\"4\"")];
    let decision = r#"{"outcome":"failed","evidence":"none of my business"}"#;
    for id in [&settled["id"], &review["id"]] {
        let id = id.as_str().unwrap();
        for (method, after, headers, body) in [
            (Method::GET, "", &json[..], ""),
            (Method::GET, "/events", &json, ""),
            (Method::POST, "/cancel", &json, ""),
            (Method::POST, "/resolve", &decided, decision),
            (Method::POST, "/resolve", &decided, "{}"),
        ] {
            let [theirs, nobodys] = [id, NOWHERE].map(|id| {
                let path = format!("/v1/payments/{id}{after}");
                let (mall, method) = (&mall, method.clone());
                async move { said(&mall.ask(method, &path, headers, body).await, id) }
            });
            let (theirs, nobodys) = (theirs.await, nobodys.await);
            assert_eq!(theirs, nobodys, "{method} {after}");
            assert!(theirs.0.is_client_error());
        }
    }
    for (theirs, nobodys) in [
        ("/v1/accounts/acct_of_shop", "/v1/accounts/acct_of_none"),
        ("/v1/accounts/acct_shop_till", "/v1/accounts/acct_none_till"),
        (
            "/v1/payments?idempotency_key=settled-of-shop",
            "/v1/payments?idempotency_key=settled-of-none",
        ),
        ("/v1/payments?phase=review", "/v1/payments?phase=unknown"),
    ] {
        let (one, other) = (mall.get(theirs).await, mall.get(nobodys).await);
        assert_eq!(said(&one, theirs), said(&other, nobodys), "{theirs}");
    }
    // Their key stands for nothing here: it can be used, also with another request.
    let fresh = pay(&mall, "settled-of-shop", OF_THE_MALL).await;
    assert_eq!(fresh["state"], "settled");

    // Whatever lists, lists one's own.
    for path in [
        "/v1/payments?limit=100",
        "/v1/events",
        "/v1/journal",
        "/v1/contradictions",
    ] {
        let text = String::from_utf8(mall.get(path).await.body.to_vec()).unwrap();
        for secret in ["of_shop", "shop_till", "secret of the shop"] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
        for id in [&settled["id"], &review["id"]] {
            assert!(!text.contains(id.as_str().unwrap()), "{path}: {text}");
        }
    }
    // Nothing of all that changed anything of the shop's.
    for payment in [&settled, &review] {
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let now: Value = shop.get(&path).await.json();
        assert_eq!(
            (&now["state"], &now["version"]),
            (&payment["state"], &payment["version"])
        );
    }
}
