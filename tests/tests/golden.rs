//! Golden bytes: what this and earlier versions wrote must decode for ever.
//!
//! The files under `tests/golden/` are hexadecimal. A new format version gets new files; the old
//! ones stay. To write the files of the current version anew, set `HOLDFAST_WRITE_GOLDEN`.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fmt::Write;
use std::path::PathBuf;

use holdfast_engine::chain::Digest;
use holdfast_engine::codec::{self, Kind};
use holdfast_engine::ledger::{Balance, Book};
use holdfast_engine::payment::{
    BankTransactionId, Decision, Event, Evidence, Payment, PaymentId, Step, Timestamp, transition,
};
use holdfast_engine::store::format::{
    Chunk, LinkedEntry, Record, account_key, account_of, decode_id, encode_id, id_key, payment_key,
    sequence_key,
};
use holdfast_tests::sample::{key, request};

/// The life that the golden bytes tell of: admitted, sent, settled.
fn life() -> [Step; 3] {
    let at = Timestamp::from_unix_ms;
    let id = PaymentId::from_uuid("019b76da-a800-7000-8000-000000000001".parse().unwrap());
    let received = Payment::received(id, key("golden"), request(1999), at(1_767_225_600_000));
    let admitted = transition(&received, &Event::Admit, at(1_767_225_600_000)).unwrap();
    let sent = transition(&admitted.payment, &Event::Dispatch, at(1_767_225_600_001)).unwrap();
    let confirmed = Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
        },
        evidence: Evidence::Answer,
    };
    let settled = transition(&sent.payment, &confirmed, at(1_767_225_600_120)).unwrap();
    [admitted, sent, settled]
}

fn golden(name: &str, current: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() {
        let mut hex = String::new();
        for byte in current {
            write!(hex, "{byte:02x}").unwrap();
        }
        std::fs::write(&path, hex + "\n").unwrap();
    }
    let hex = std::fs::read_to_string(&path).unwrap();
    let digits = hex.trim().as_bytes().chunks(2);
    digits
        .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_record_of_version_1_is_written_and_read_as_ever() {
    let [_, sent, settled] = life();
    for (name, payment) in [
        ("record-v1-sent.hex", sent),
        ("record-v1-settled.hex", settled),
    ] {
        let payment = payment.payment;
        let storage_key = payment_key(&payment.key);
        let record = Record::of(&payment, 17);
        let current = record.encode(&storage_key).unwrap();
        let bytes = golden(name, &current);
        assert_eq!(
            bytes, current,
            "{name}: the same value gives the same bytes"
        );
        let decoded = Record::decode(&storage_key, &bytes).unwrap();
        assert_eq!(decoded.last_sequence(), 17);
        assert_eq!(decoded.into_payment(payment.key.clone()), payment);
    }
}

/// The chunk that holds the golden life.
fn chunk(before: Option<Digest>) -> Chunk {
    let mut previous = None;
    let entries = (15..).zip(life()).map(|(sequence, step)| {
        let linked = LinkedEntry {
            previous,
            entry: step.entry,
        };
        previous = Some(sequence);
        linked
    });
    Chunk {
        previous: before,
        entries: entries.collect(),
    }
}

#[test]
fn the_journal_of_version_1_is_read_as_ever() {
    let chunk = chunk(None);
    let bytes = golden("journal-v1.hex", &chunk.encode(15).unwrap());
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
}

#[test]
fn the_journal_of_version_2_is_written_and_read_as_ever() {
    let [admitted, ..] = life();
    let before = Digest::GENESIS.after(14, &admitted.entry).unwrap();
    let chunk = chunk(Some(before));
    let current = chunk.encode(15).unwrap();
    let bytes = golden("journal-v2.hex", &current);
    assert_eq!(bytes, current);
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
}

#[test]
fn the_balance_of_version_1_is_written_and_read_as_ever() {
    let [admitted, ..] = life();
    let movement = admitted.entry.movement.unwrap();
    let merchant = admitted.entry.merchant;
    let mut book = Book::default();
    book.apply(&merchant, &movement).unwrap();
    let (key, balance) = book.iter().next().unwrap();
    let storage_key = account_key(key);
    let current = codec::encode(Kind::Account, &storage_key, balance).unwrap();
    let bytes = golden("account-v1.hex", &current);
    assert_eq!(bytes, current);
    let decoded: Balance = codec::decode(Kind::Account, &storage_key, &bytes).unwrap();
    assert_eq!(decoded, *balance);
    assert_eq!(account_of(&storage_key).as_ref(), Some(key));
}

#[test]
fn the_id_of_version_1_is_written_and_read_as_ever() {
    let [admitted, ..] = life();
    let payment = admitted.payment;
    let storage_key = id_key(&payment.key.merchant, payment.id);
    let current = encode_id(&storage_key, &payment.key.idempotency_key).unwrap();
    let bytes = golden("id-v1.hex", &current);
    assert_eq!(bytes, current);
    assert_eq!(
        decode_id(&storage_key, &bytes).unwrap(),
        payment.key.idempotency_key
    );
}
