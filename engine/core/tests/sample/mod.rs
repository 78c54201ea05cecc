//! An operation that nothing has happened to yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_core::*;

/// A request over so many minor units, from alice to the shop.
pub(crate) fn request(amount: u64, currency: &str) -> Request {
    let account = |name| AccountId::new(name).expect("a valid sample");
    let request = PaymentRequest::new(
        Amount::new(amount).expect("a valid sample"),
        Currency::from_code(currency).expect("a valid sample"),
        account("alice"),
        account("shop"),
        None,
        Metadata::new(BTreeMap::new()).expect("a valid sample"),
    );
    Request::from(request.expect("a valid sample"))
}

/// The payment under the key `k`, received at the epoch.
pub(crate) fn received() -> Operation {
    let key = OperationKey {
        merchant: Merchant::default_merchant(),
        idempotency_key: IdempotencyKey::new("k").expect("a valid sample"),
    };
    let id = OperationId::from_uuid(uuid::Uuid::from_u128(7));
    let now = Timestamp::from_unix_ms(0);
    Operation::received(id, key, request(1999, "EUR"), now)
}

/// What attempts at a keyed bank are marked with.
pub(crate) fn mark() -> Arc<Mark> {
    Arc::new(Mark {
        bank: BankName::new("default").expect("a valid sample"),
        address: BankAddress::new("http://bank.example:80").expect("a valid sample"),
        capability: Capability::Keyed {
            window_ms: 86_400_000,
            grace_ms: 60_000,
        },
        tenure: Some(Tenure::new(7)),
    })
}
