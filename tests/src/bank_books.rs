//! The books of a `holdfast bank`: the judge of what was debited.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::{Client, Server};

/// How often each reference was debited.
///
/// # Panics
/// When the bank does not answer as it should.
pub async fn debits(bank: &Server) -> BTreeMap<String, u64> {
    let client = bank.client();
    let mut debits = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = get(&client, &format!("/admin/charges?limit=1000{cursor}")).await;
        for line in page["data"].as_array().expect("a page has lines") {
            let reference = line["bank_reference"]
                .as_str()
                .expect("a line has a reference");
            let count = line["debits"].as_u64().expect("a line has a count");
            debits.insert(reference.to_owned(), count);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return debits,
        }
    }
}

/// How often each fault was injected.
///
/// # Panics
/// When the bank does not answer as it should.
pub async fn injected(bank: &Server) -> BTreeMap<String, u64> {
    let counts = get(&bank.client(), "/admin/injected").await;
    serde_json::from_value(counts).expect("counts by name")
}

/// Changes what goes wrong.
///
/// # Panics
/// When the bank refuses it.
pub async fn set_faults(bank: &Server, faults: &Value) {
    let json = [("content-type", "application/json")];
    let body = faults.to_string();
    let client = bank.client();
    let changed = client.send(Method::PUT, "/admin/faults", &json, &body);
    let changed = changed.await.expect("the bank answers");
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(path).await.expect("the bank answers").json()
}
