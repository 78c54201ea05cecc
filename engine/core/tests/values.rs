//! The small values: what they allow, how they are written, how they compare.

mod sample;

use std::collections::BTreeMap;

use holdfast_core::codec::{self, BODY_BYTES_MAX, ValueKind};
use holdfast_core::*;

#[test]
fn names_are_1_to_64_safe_characters() {
    let rule = |text: &str| AccountId::new(text).is_ok();
    assert!(rule("a") && rule(&"a".repeat(64)) && rule("aZ0._:-"));
    assert!(!rule("") && !rule(&"a".repeat(65)));
    for bad in ["a b", "a/b", "ä", "a\n", "a\"", "a,b"] {
        assert!(!rule(bad), "{bad:?}");
        assert!(Merchant::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn ids_are_written_as_the_contract_has_them() {
    let id = OperationId::from_uuid(uuid::Uuid::from_u128(
        0x0197_9ccf_6d6a_7000_8000_0000_0000_00ff,
    ));
    assert_eq!(id.to_string(), "01979ccf-6d6a-7000-8000-0000000000ff");
    let reference = BankReference::of(id).to_string();
    assert_eq!(reference, "hf_01979ccf6d6a700080000000000000ff");
}

#[test]
fn currencies_are_written_and_compared_by_their_code() {
    let [eur, jpy] = ["EUR", "JPY"].map(|code| Currency::from_code(code).unwrap());
    assert_eq!(
        (eur.to_string(), format!("{jpy:?}")),
        ("EUR".into(), "JPY".into())
    );
    assert_eq!(<&str>::from(jpy), "JPY");
    assert!(eur < jpy);
    assert_eq!(eur.partial_cmp(&jpy), Some(std::cmp::Ordering::Less));
}

#[test]
fn a_request_keeps_its_reference_and_metadata() {
    let entries = BTreeMap::from([("cart".to_owned(), "77".to_owned())]);
    let request = PaymentRequest::new(
        Amount::new(1).unwrap(),
        Currency::from_code("EUR").unwrap(),
        AccountId::new("a").unwrap(),
        AccountId::new("b").unwrap(),
        Some(Reference::new("order 7").unwrap()),
        Metadata::try_from(entries.clone()).unwrap(),
    )
    .unwrap();
    assert_eq!(request.reference().unwrap().as_str(), "order 7");
    assert_eq!(*request.metadata().entries(), entries);
}

#[test]
fn a_capability_has_a_grace_exactly_when_the_bank_can_be_asked() {
    let keyed = Capability::Keyed {
        window_ms: 90,
        grace_ms: 7,
    };
    let inquiry_only = Capability::InquiryOnly { grace_ms: 8 };
    assert_eq!(keyed.grace_ms(), Some(7));
    assert_eq!(inquiry_only.grace_ms(), Some(8));
    assert_eq!(Capability::Neither.grace_ms(), None);
    assert_eq!(keyed.to_string(), "keyed, window 90 ms, grace 7 ms");
    assert_eq!(inquiry_only.to_string(), "inquiry only, grace 8 ms");
    assert_eq!(
        Capability::Neither.to_string(),
        "neither deduplicates nor can be asked"
    );
}

#[test]
fn what_holds_under_two_promises_is_the_weaker_one() {
    let keyed = |window_ms, grace_ms| Capability::Keyed {
        window_ms,
        grace_ms,
    };
    let inquiry_only = |grace_ms| Capability::InquiryOnly { grace_ms };
    let neither = Capability::Neither;
    for (one, other, both) in [
        (keyed(90, 7), keyed(80, 5), keyed(80, 7)),
        (keyed(90, 5), keyed(80, 7), keyed(80, 7)),
        (keyed(90, 7), inquiry_only(5), inquiry_only(7)),
        (keyed(90, 5), inquiry_only(7), inquiry_only(7)),
        (inquiry_only(5), inquiry_only(7), inquiry_only(7)),
        (keyed(90, 7), neither, neither),
        (inquiry_only(7), neither, neither),
        (neither, neither, neither),
    ] {
        assert_eq!(one.weaker(other), both, "{one} and {other}");
        assert_eq!(other.weaker(one), both, "{other} and {one}");
        assert_eq!(both.weaker(both), both);
    }
}

#[test]
fn a_step_compares_with_the_version_before_it() {
    let now = Timestamp::from_unix_ms(0);
    let mut payment = sample::received();
    let decided = |id: &str| Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new(id).unwrap(),
        },
        evidence: Evidence::Answer,
    };
    let wait = Event::NotSent { next_at: now };
    let events = [
        Event::Admit,
        Event::Dispatch(sample::mark()),
        wait,
        Event::Dispatch(sample::mark()),
        decided("b_1"),
    ];
    for (expected, event) in (0..).zip(events) {
        let step = transition(&payment, &event, now).unwrap();
        assert_eq!(step.expected_version(), expected, "{event:?}");
        payment = step.operation;
    }
    let note = transition(&payment, &decided("b_2"), now).unwrap();
    assert_eq!(
        note.expected_version(),
        5,
        "a note leaves the record as it is"
    );
}

/// sled moves larger values to files that no sync covers.
#[test]
fn stored_values_stay_below_what_the_database_keeps_in_its_log() {
    assert_eq!(BODY_BYTES_MAX, 98_304);
    let bytes = |length: u64| vec![0_u8; usize::try_from(length).unwrap()];
    assert!(codec::encode(ValueKind::Meta, b"k", &bytes(BODY_BYTES_MAX - 8)).is_ok());
    assert!(codec::encode(ValueKind::Meta, b"k", &bytes(BODY_BYTES_MAX)).is_err());
}

#[test]
fn every_value_begins_with_the_version_of_its_kind() {
    let version = |kind| {
        let bytes = codec::encode(kind, b"k", &7_u64).unwrap();
        codec::version_of(&bytes)
    };
    assert_eq!(version(ValueKind::Journal), Some(4));
    assert_eq!(version(ValueKind::Operation), Some(3));
    assert_eq!(codec::version_of(&[]), None);
    assert_eq!(codec::version_of(&[9]), Some(9));
}
