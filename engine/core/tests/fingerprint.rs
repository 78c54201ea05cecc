//! The stored request is the fingerprint: equal requests match, and any difference is named.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;

use holdfast_core::*;
use proptest::prelude::*;

prop_compose! {
    fn requests()(
        amount in 1..=Amount::MAX,
        currency in prop::sample::select(vec!["EUR", "USD", "JPY"]),
        debtor in "[a-z]{1,8}",
        creditor in "[A-Z]{1,8}",
        reference in prop::option::of("[ -~]{0,140}"),
        metadata in prop::collection::btree_map(".{0,40}", ".{0,50}", 0..4),
    ) -> PaymentRequest {
        request(amount, currency, &debtor, &creditor, reference.as_deref(), metadata)
    }
}

fn request(
    amount: u64,
    currency: &str,
    debtor: &str,
    creditor: &str,
    reference: Option<&str>,
    metadata: BTreeMap<String, String>,
) -> PaymentRequest {
    PaymentRequest::new(
        Amount::new(amount).unwrap(),
        Currency::from_code(currency).unwrap(),
        AccountId::new(debtor).unwrap(),
        AccountId::new(creditor).unwrap(),
        reference.map(|reference| Reference::new(reference).unwrap()),
        Metadata::new(metadata).unwrap(),
    )
    .unwrap()
}

proptest! {
    #[test]
    fn a_request_matches_itself_and_only_itself(a in requests(), b in requests()) {
        prop_assert!(a.mismatched_fields(&a.clone()).is_empty());
        prop_assert_eq!(a == b, a.mismatched_fields(&b).is_empty());
        prop_assert_eq!(a.mismatched_fields(&b), b.mismatched_fields(&a));
    }
}

#[test]
fn each_field_is_compared_and_named() {
    let none = BTreeMap::new;
    let some = || BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let base = request(1, "EUR", "alice", "shop", Some("r"), none());
    for (changed, fields) in [
        (
            request(2, "EUR", "alice", "shop", Some("r"), none()),
            vec!["amount"],
        ),
        (
            request(1, "USD", "alice", "shop", Some("r"), none()),
            vec!["currency"],
        ),
        (
            request(1, "EUR", "bob", "shop", Some("r"), none()),
            vec!["debtor"],
        ),
        (
            request(1, "EUR", "alice", "mall", Some("r"), none()),
            vec!["creditor"],
        ),
        (
            request(1, "EUR", "alice", "shop", None, none()),
            vec!["reference"],
        ),
        (
            request(1, "EUR", "alice", "shop", Some(""), none()),
            vec!["reference"],
        ),
        (
            request(1, "EUR", "alice", "shop", Some("r"), some()),
            vec!["metadata"],
        ),
        (
            request(9, "EUR", "shop", "alice", None, some()),
            vec!["amount", "debtor", "creditor", "reference", "metadata"],
        ),
    ] {
        assert_eq!(base.mismatched_fields(&changed), fields);
    }
}
