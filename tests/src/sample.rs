//! Sample payments, and the simulated bank's books.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_core::{
    AccountId, Amount, BankAddress, BankName, Capability, Currency, IdempotencyKey, Mark, Merchant,
    Metadata, OperationKey, PaymentRequest, Reference, Request, Tenure,
};
use serde_json::Value;

/// The body of a payment that settles.
pub const BODY: &str =
    r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop"}"#;

/// The body of a payment that the simulated bank declines.
pub const DECLINED_BODY: &str =
    r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_declined"}"#;

/// The body of a payment that settles, with almost as much in it as there may be: 15 KiB.
///
/// # Panics
/// Never: it is made of what is known.
pub fn large_body() -> String {
    let metadata: BTreeMap<String, String> = (0..15)
        .map(|n| (format!("{n:040}"), "\u{e9}".repeat(480)))
        .collect();
    let mut body: Value = serde_json::from_str(BODY).expect("the sample is JSON");
    body["metadata"] = serde_json::to_value(metadata).expect("text is JSON");
    body.to_string()
}

/// A key of the merchant `default`.
///
/// # Panics
/// When `text` is no key.
pub fn key(text: &str) -> OperationKey {
    key_of("default", text)
}

/// A key of some merchant.
///
/// # Panics
/// When the texts are no merchant and key.
pub fn key_of(merchant: &str, text: &str) -> OperationKey {
    OperationKey {
        merchant: Merchant::new(merchant).expect("a merchant"),
        idempotency_key: IdempotencyKey::new(text).expect("a key"),
    }
}

/// A request over `amount` minor units.
///
/// # Panics
/// When `amount` is out of bounds.
pub fn request(amount: u64) -> Request {
    payment_request(amount).into()
}

/// The same, known to be a payment's.
///
/// # Panics
/// When `amount` is out of bounds.
pub fn payment_request(amount: u64) -> PaymentRequest {
    let metadata = BTreeMap::from([("cart".to_owned(), "77".to_owned())]);
    let request = PaymentRequest::new(
        Amount::new(amount).expect("an amount"),
        Currency::from_code("EUR").expect("a currency"),
        AccountId::new("acct_alice").expect("an account"),
        AccountId::new("acct_shop").expect("an account"),
        Some(Reference::new("order 1001").expect("a reference")),
        Metadata::new(metadata).expect("metadata"),
    );
    request.expect("two parties")
}

/// How often the simulated bank of a data directory debited each bank reference.
///
/// # Panics
/// When the ledger holds a line that is none.
pub fn debits(data: &Path) -> BTreeMap<String, u64> {
    let ledger = std::fs::read_to_string(data.join("simulated-bank.jsonl")).unwrap_or_default();
    let mut debits = BTreeMap::new();
    for line in ledger.lines() {
        let debit: Value = serde_json::from_str(line).expect("a line of the ledger is JSON");
        let reference = debit["bank_reference"]
            .as_str()
            .expect("a debit has a reference");
        *debits.entry(reference.to_owned()).or_default() += 1;
    }
    debits
}

/// What attempts at a keyed bank are marked with.
///
/// # Panics
/// Never: its parts are valid.
pub fn mark() -> Arc<Mark> {
    Arc::new(Mark {
        bank: BankName::new("default").expect("a valid sample"),
        address: BankAddress::new("http://bank.example:80").expect("a valid sample"),
        capability: Capability::Keyed {
            window_ms: 86_400_000,
            grace_ms: 60_000,
        },
        tenure: Some(Tenure::new(1)),
    })
}
