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
use std::sync::Arc;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::Digest;
use holdfast_core::ledger::{AccountKey, Balance, Book};
use holdfast_core::record::{Chunk, LinkedEntry, Record, Tip, sequence_key};
use holdfast_core::{
    AccountId, BankTransactionId, Currency, Decision, Event, Evidence, EvidenceText, Interruption,
    JournalEntry, Mark, Operation, OperationId, OperatorName, Resolution, ResolvedOutcome, State,
    Step, Timestamp, transition,
};
use holdfast_local::blocks::Block;
use holdfast_local::format::{
    BalanceAt, account_key, account_of, decode_balance, encode_balance, id_key, record_key,
};
use holdfast_local::ids;
use holdfast_local::tips;
use holdfast_tests::sample::{key, mark, request};

const BEGAN: u64 = 1_767_225_600_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(BEGAN + ms)
}

/// A payment that nothing has happened to, as versions before banks had names knew it.
fn received() -> Operation {
    let id = OperationId::from_uuid("019b76da-a800-7000-8000-000000000001".parse().unwrap());
    Operation::received(id, key("golden"), request(1999), at(0))
}

fn confirmed() -> Event {
    Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
        },
        evidence: Evidence::Answer,
    }
}

/// What follows on a payment, event by event.
fn follow(mut payment: Operation, events: Vec<(Event, u64)>) -> Vec<Step> {
    let steps = events.into_iter().map(|(event, ms)| {
        let step = transition(&payment, &event, at(ms)).unwrap();
        payment = step.operation.clone();
        step
    });
    steps.collect()
}

/// The life that the oldest bytes tell of: admitted, sent, settled. Its marks say nothing of a bank.
fn nameless_life() -> Vec<Step> {
    let dispatch = Event::Dispatch(mark());
    let events = vec![(Event::Admit, 0), (dispatch, 1), (confirmed(), 120)];
    let mut steps = follow(received(), events);
    for step in &mut steps {
        for state in [&mut step.operation.state, &mut step.entries[0].to] {
            if let State::BankCalled(called) = state {
                called.mark = None;
            }
        }
    }
    steps
}

/// The same life, as a version told it that kept no tenures.
fn named_life() -> Vec<Step> {
    let mut steps = sent_life();
    for step in &mut steps {
        for state in [&mut step.operation.state, &mut step.entries[0].to] {
            if let State::BankCalled(called) = state {
                called.mark = called.mark.as_ref().map(|mark| {
                    Arc::new(Mark {
                        tenure: None,
                        ..Mark::clone(mark)
                    })
                });
            }
        }
    }
    steps
}

/// A life with everything that was added since: the bank's name and promise, an attempt held back, a bank that has the
/// reference already, an operator's decision, the end of the watch, and the tenure of each attempt.
fn sent_life() -> Vec<Step> {
    let resolution = Resolution {
        outcome: ResolvedOutcome::Failed,
        evidence: EvidenceText::new("statement, line 14").unwrap(),
        operator: OperatorName::new("olga").unwrap(),
    };
    let known = Event::OutcomeUnknown {
        next_at: at(400),
        interruption: Interruption::Known,
    };
    let resolve = Event::Resolve {
        resolution,
        watched: true,
    };
    let events = vec![
        (Event::Admit, 0),
        (Event::Dispatch(mark()), 1),
        (Event::HeldBack { next_at: at(200) }, 100),
        (Event::Dispatch(mark()), 200),
        (known, 300),
        (resolve, 500),
        (Event::EndWatch, 600),
    ];
    let bank = mark().bank.clone();
    follow(received().for_bank(bank), events)
}

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// The bytes of a file, whatever version wrote them.
fn old(name: &str) -> Vec<u8> {
    let hex = std::fs::read_to_string(path_of(name)).unwrap();
    let digits = hex.trim().as_bytes().chunks(2);
    digits
        .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

/// The same, of the version that is written today.
fn golden(name: &str, current: &[u8]) -> Vec<u8> {
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() {
        let mut hex = String::new();
        for byte in current {
            write!(hex, "{byte:02x}").unwrap();
        }
        std::fs::write(path_of(name), hex + "\n").unwrap();
    }
    old(name)
}

#[test]
fn the_record_of_version_1_is_read_as_ever() {
    let life = nameless_life();
    for (name, step) in [
        ("record-v1-sent.hex", &life[1]),
        ("record-v1-settled.hex", &life[2]),
    ] {
        let payment = &step.operation;
        let decoded = Record::decode(&record_key(&payment.key), &old(name)).unwrap();
        assert_eq!(decoded.last_sequence(), 17);
        assert_eq!(decoded.into_operation(payment.key.clone()), *payment);
    }
}

#[test]
fn the_record_of_version_2_is_read_as_ever() {
    let life = named_life();
    for (name, step) in [
        ("record-v2-sent.hex", &life[1]),
        ("record-v2-unknown.hex", &life[4]),
        ("record-v2-resolved.hex", &life[5]),
    ] {
        let payment = &step.operation;
        let storage_key = record_key(&payment.key);
        let bytes = old(name);
        let decoded = Record::decode(&storage_key, &bytes).unwrap();
        assert_eq!(decoded.into_operation(payment.key.clone()), *payment);
        // What it says has the same form today: only the number of the version is another one.
        let current = Record::of(payment, 17).encode(&storage_key).unwrap();
        assert_eq!((bytes[0], current[0]), (2, 3));
        assert_eq!(bytes[5..], current[5..]);
    }
}

#[test]
fn the_record_of_version_3_is_written_and_read_as_ever() {
    let life = sent_life();
    for (name, step) in [
        ("record-v3-sent.hex", &life[1]),
        ("record-v3-unknown.hex", &life[4]),
        ("record-v3-resolved.hex", &life[5]),
    ] {
        let payment = &step.operation;
        let storage_key = record_key(&payment.key);
        let current = Record::of(payment, 17).encode(&storage_key).unwrap();
        let bytes = golden(name, &current);
        assert_eq!(
            bytes, current,
            "{name}: the same value gives the same bytes"
        );
        let decoded = Record::decode(&storage_key, &bytes).unwrap();
        assert_eq!(decoded.into_operation(payment.key.clone()), *payment);
    }
}

#[test]
fn tips_are_written_and_read_as_ever() {
    let life = sent_life();
    let resolved = &life[5].operation;
    let tip = Tip {
        id: resolved.id,
        version: resolved.version,
        last_sequence: 70_000,
    };
    assert_eq!(Record::of(resolved, 70_000).tip_alone(), Some(tip));
    // What is not finished is stored whole.
    let sent = Record::of(&life[1].operation, 17);
    assert_eq!(sent.tip_alone(), None);
    let other = key("the-next-one").idempotency_key;
    let block = Block(vec![
        (resolved.key.idempotency_key.clone(), tip),
        (other, Tip { version: 3, ..tip }),
    ]);
    let storage_key = record_key(&resolved.key);
    let current = tips::encode(&storage_key, &block).unwrap();
    let bytes = golden("tips-v1.hex", &current);
    assert_eq!(bytes, current, "the same value gives the same bytes");
    assert_eq!(tips::decode(&storage_key, &bytes).unwrap(), block);
}

/// The chunk that holds a life.
fn chunk(before: Option<Digest>, life: Vec<Step>) -> Chunk {
    let mut previous = None;
    let entries = (15..).zip(life).map(|(sequence, mut step)| {
        let linked = LinkedEntry {
            previous,
            entry: step.entries.remove(0),
        };
        previous = Some(sequence);
        linked
    });
    Chunk {
        previous: before,
        entries: entries.collect(),
    }
}

/// The digest of an entry stays what it was, whatever later versions can say beside it.
fn before(life: &[Step]) -> Digest {
    Digest::GENESIS.after(14, &life[0].entries[0]).unwrap()
}

#[test]
fn the_journal_of_version_1_is_read_as_ever() {
    let chunk = chunk(None, nameless_life());
    let bytes = golden("journal-v1.hex", &chunk.encode(15).unwrap());
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
}

#[test]
fn the_journal_of_version_2_is_read_as_ever() {
    let life = nameless_life();
    let chunk = chunk(Some(before(&life)), life);
    let bytes = old("journal-v2.hex");
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
    // What it says has the same form today: only the number of the version is another one.
    let current = chunk.encode(15).unwrap();
    assert_eq!((bytes[0], current[0]), (2, 4));
    assert_eq!(bytes[5..], current[5..]);
}

#[test]
fn the_journal_of_version_3_is_read_as_ever() {
    let life = named_life();
    let chunk = chunk(Some(before(&life)), life);
    let bytes = old("journal-v3.hex");
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
    let current = chunk.encode(15).unwrap();
    assert_eq!((bytes[0], current[0]), (3, 4));
    assert_eq!(bytes[5..], current[5..]);
}

#[test]
fn the_journal_of_version_4_is_written_and_read_as_ever() {
    let life = sent_life();
    let chunk = chunk(Some(before(&life)), life);
    let current = chunk.encode(15).unwrap();
    let bytes = golden("journal-v4.hex", &current);
    assert_eq!(bytes, current);
    assert_eq!(Chunk::decode(&sequence_key(15), &bytes).unwrap(), chunk);
}

#[test]
fn the_cursor_of_version_1_is_written_and_read_as_ever() {
    let current = codec::encode(ValueKind::Cursor, b"webhooks", &17_u64).unwrap();
    let bytes = golden("cursor-v1.hex", &current);
    assert_eq!(bytes, current);
    let decoded: u64 = codec::decode(ValueKind::Cursor, b"webhooks", &bytes).unwrap();
    assert_eq!(decoded, 17);
}

/// An export is text; what earlier versions exported is read as well.
#[test]
fn an_entry_is_the_same_as_text() {
    for step in nameless_life()
        .into_iter()
        .chain(named_life())
        .chain(sent_life())
    {
        let text = serde_json::to_string(&step.entries[0]).unwrap();
        let read: JournalEntry = serde_json::from_str(&text).unwrap();
        assert_eq!(read, step.entries[0], "{text}");
    }
    let text = serde_json::to_string(&nameless_life()[0].entries[0]).unwrap();
    assert!(!text.contains("bank"), "{text}");
}

#[test]
fn the_balance_of_version_1_is_written_and_read_as_ever() {
    let admitted = nameless_life().remove(0).entries.remove(0);
    let movement = admitted.movement.unwrap();
    let merchant = admitted.merchant;
    let mut book = Book::default();
    book.apply(&merchant, &movement).unwrap();
    let (key, balance) = book.iter().next().unwrap();
    let storage_key = account_key(key);
    let current = codec::encode(ValueKind::Account, &storage_key, balance).unwrap();
    let bytes = golden("account-v1.hex", &current);
    assert_eq!(bytes, current);
    let decoded: Balance = codec::decode(ValueKind::Account, &storage_key, &bytes).unwrap();
    assert_eq!(decoded, *balance);
    assert_eq!(account_of(&storage_key).as_ref(), Some(key));
}

/// The index is built again where it cannot be read; these bytes are pinned so that it happens on purpose only.
#[test]
fn the_ids_and_the_balance_of_an_index_are_written_and_read_as_ever() {
    let payment = nameless_life().remove(0).operation;
    let storage_key = id_key(&payment.key.merchant, payment.id);
    let block = Block(vec![(payment.id, payment.key.idempotency_key)]);
    let current = ids::encode(&storage_key, &block).unwrap();
    let bytes = golden("ids-v2.hex", &current);
    assert_eq!(bytes, current);
    assert_eq!(ids::decode(&storage_key, &bytes).unwrap(), block);

    let key = AccountKey {
        merchant: payment.key.merchant,
        account: AccountId::new("acct_alice").unwrap(),
        currency: Currency::from_code("EUR").unwrap(),
    };
    let storage_key = account_key(&key);
    let at = BalanceAt {
        balance: Balance {
            debits_posted: 1_999,
            ..Balance::default()
        },
        up_to: 77,
    };
    let current = encode_balance(&storage_key, &at).unwrap();
    let bytes = golden("balance-at-v1.hex", &current);
    assert_eq!(bytes, current);
    assert_eq!(decode_balance(&storage_key, &bytes).unwrap(), at);
    let moved = decode_balance(&storage_key[1..], &bytes);
    assert!(moved.is_err(), "under another key");
    let mut later = bytes;
    later[7] ^= 1;
    assert!(decode_balance(&storage_key, &later).is_err());
}
