//! What can happen to the bytes of a store.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Head, operation_after};
use holdfast_core::record::{Chunk, LinkedEntry, Record, Tip};
use holdfast_core::{IdempotencyKey, Merchant, Operation, OperationId, Timestamp};
use holdfast_local::format::{
    account_of, contradiction_key, decode_balance, encode_balance, record_key,
};
use holdfast_local::{ids, tips};
use holdfast_tests::{raw_journal, write_raw_journal};

/// What is done to a store, in which tree it must be found, and what must be said of it.
pub(crate) type Damage = (
    &'static str,
    &'static str,
    &'static str,
    fn(&sled::Db, &Path),
);

fn tree(database: &sled::Db, name: &str) -> sled::Tree {
    database.open_tree(name).unwrap()
}

fn first(database: &sled::Db, name: &str) -> (sled::IVec, sled::IVec) {
    tree(database, name).first().unwrap().unwrap()
}

/// Changes the blocks of tips: each tip gets what is made of it; `None` leaves it as it is.
fn change_tips(
    database: &sled::Db,
    mut change: impl FnMut(&IdempotencyKey, Tip) -> Option<(IdempotencyKey, Tip)>,
) {
    let tips = tree(database, "tips");
    for item in &tips {
        let (storage_key, bytes) = item.unwrap();
        let mut block = tips::decode(&storage_key, &bytes).unwrap();
        for entry in &mut block.0 {
            if let Some(other) = change(&entry.0, entry.1) {
                *entry = other;
            }
        }
        block.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        let value = tips::encode(&storage_key, &block).unwrap();
        tips.insert(storage_key, value).unwrap();
    }
}

/// Changes the first tip, or the one with the highest last entry.
fn change_tip(database: &sled::Db, which: Which, change: impl Fn(Tip) -> Tip) {
    let mut last = 0;
    change_tips(database, |_, tip| {
        last = last.max(tip.last_sequence);
        None
    });
    let mut is_done = false;
    change_tips(database, |key, tip| {
        let is_it = match which {
            Which::First => !is_done,
            Which::Last => tip.last_sequence == last,
        };
        is_done = is_done || is_it;
        is_it.then(|| (key.clone(), change(tip)))
    });
}

#[derive(Clone, Copy)]
enum Which {
    First,
    Last,
}

fn first_tip(database: &sled::Db) -> (Vec<u8>, IdempotencyKey, Tip) {
    let (storage_key, bytes) = first(database, "tips");
    let block = tips::decode(&storage_key, &bytes).unwrap();
    let (key, tip) = block.0[0].clone();
    (storage_key.to_vec(), key, tip)
}

/// A tip beside the others, under a key that is its block's and one letter more.
fn put_tip(database: &sled::Db, tip: Tip) {
    let (storage_key, key, _) = first_tip(database);
    let tips = tree(database, "tips");
    let mut block = tips::decode(&storage_key, &tips.get(&storage_key).unwrap().unwrap()).unwrap();
    let other = IdempotencyKey::new(&format!("{}x", key.as_str())).unwrap();
    block.0.push((other, tip));
    block.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    let value = tips::encode(&storage_key, &block).unwrap();
    tips.insert(storage_key, value).unwrap();
}

/// What the journal says of a payment, and its last entry.
fn payment_of(data: &Path, id: OperationId) -> (Operation, u64) {
    let mut found = None;
    for (first, bytes, _) in raw_journal(data) {
        let chunk = Chunk::decode(&first.to_be_bytes(), &bytes).unwrap();
        for (sequence, LinkedEntry { entry, .. }) in (first..).zip(chunk.entries) {
            if entry.operation_id == id && !entry.cause.is_note() {
                let before = found.as_ref().map(|(payment, _)| payment);
                found = Some((operation_after(before, &entry).unwrap(), sequence));
            }
        }
    }
    found.unwrap()
}

/// The journal with something changed. `anew` says whether every digest after it is computed anew.
fn rewrite(data: &Path, anew: bool, change: fn(&mut Vec<Chunk>)) {
    let frames = raw_journal(data);
    let mut chunks: Vec<_> = frames
        .iter()
        .map(|(first, bytes, _)| Chunk::decode(&first.to_be_bytes(), bytes).unwrap())
        .collect();
    change(&mut chunks);
    let mut head = Head::default();
    let mut written = Vec::new();
    for (mut chunk, (first, _, after)) in chunks.into_iter().zip(frames) {
        if anew {
            chunk.previous = Some(head.digest);
        }
        for linked in &chunk.entries {
            let sequence = head.sequence + 1;
            let digest = head.digest.after(sequence, &linked.entry).unwrap();
            head = Head { sequence, digest };
        }
        let after = if anew { head.digest } else { after };
        written.push((first, chunk.encode(first).unwrap(), after));
    }
    write_raw_journal(data, &written);
}

pub(crate) const DAMAGES: [Damage; 21] = [
    (
        "a record is gone",
        "payments",
        "no record of",
        |database, _| {
            let (storage_key, bytes) = first(database, "tips");
            let mut block = tips::decode(&storage_key, &bytes).unwrap();
            block.0.remove(0);
            let value = tips::encode(&storage_key, &block).unwrap();
            tree(database, "tips").insert(storage_key, value).unwrap();
        },
    ),
    (
        "a record says something else",
        "payments",
        "journal leads to",
        |database, _| {
            change_tip(database, Which::First, |tip| Tip {
                version: tip.version + 1,
                ..tip
            });
        },
    ),
    (
        "a record that is stored whole says something else",
        "payments",
        "journal leads to",
        |database, data| {
            let (_, _, tip) = first_tip(database);
            let (mut payment, last) = payment_of(data, tip.id);
            payment.updated_at = Timestamp::from_unix_ms(1);
            let storage_key = record_key(&payment.key);
            let value = Record::of(&payment, last).encode(&storage_key).unwrap();
            tree(database, "payments")
                .insert(storage_key, value)
                .unwrap();
        },
    ),
    (
        "a record without a history",
        "tips",
        "has no entry",
        |database, _| {
            let (_, _, tip) = first_tip(database);
            put_tip(
                database,
                Tip {
                    last_sequence: 1,
                    ..tip
                },
            );
        },
    ),
    (
        "an id is gone",
        "ids",
        "is not found under its id",
        |database, _| {
            let (key, bytes) = first(database, "ids");
            let mut block = ids::decode(&key, &bytes).unwrap();
            block.0.pop().unwrap();
            let value = ids::encode(&key, &block).unwrap();
            tree(database, "ids").insert(key, value).unwrap();
        },
    ),
    (
        "a balance is another one",
        "accounts",
        "journal leads to",
        |database, _| {
            let (storage_key, bytes) = first(database, "accounts");
            assert!(account_of(&storage_key).is_some());
            let mut at = decode_balance(&storage_key, &bytes).unwrap();
            at.balance.debits_posted += 1;
            let value = encode_balance(&storage_key, &at).unwrap();
            tree(database, "accounts")
                .insert(storage_key, value)
                .unwrap();
        },
    ),
    (
        "a balance is gone",
        "accounts",
        "has no balance",
        |database, _| {
            let (key, _) = first(database, "accounts");
            tree(database, "accounts").remove(key).unwrap();
        },
    ),
    (
        "the journal's end is cut off",
        "journal",
        "does not lead to this one",
        |_, data| {
            let mut chunks = raw_journal(data);
            chunks.pop().unwrap();
            write_raw_journal(data, &chunks);
        },
    ),
    (
        "a past that was rewritten in place",
        "journal",
        "digest of the entry before",
        |_, data| {
            rewrite(data, false, |chunks| {
                chunks[0].entries[0].entry.at = Timestamp::from_unix_ms(7);
            });
        },
    ),
    (
        "a past that was rewritten with its whole chain",
        "journal",
        "does not lead to this one",
        |_, data| {
            rewrite(data, true, |chunks| {
                chunks[0].entries[0].entry.at = Timestamp::from_unix_ms(7);
            });
        },
    ),
    (
        "an unfinished payment that is not indexed",
        "unfinished",
        "low-water mark",
        |database, _| {
            let value = codec::encode(ValueKind::Meta, b"low_water", &1_000_000_u64).unwrap();
            tree(database, "meta").insert("low_water", value).unwrap();
        },
    ),
    (
        "the number of the openings is lost",
        "meta",
        "the journal has attempts of tenure",
        |database, _| {
            tree(database, "meta").remove("tenure").unwrap();
        },
    ),
    (
        "a cursor beyond the journal",
        "cursors",
        "beyond the journal's end",
        |_, data| {
            let cursors = BTreeMap::from([("consumer", 9_999_u64)]);
            let value = codec::encode(ValueKind::Cursor, b"cursors", &cursors).unwrap();
            std::fs::write(data.join("store/cursors"), value).unwrap();
        },
    ),
    (
        "a cursor that is damaged",
        "cursors",
        "checksum",
        |_, data| {
            let cursors = BTreeMap::from([("consumer", 1_u64)]);
            let value = codec::encode(ValueKind::Cursor, b"other", &cursors).unwrap();
            std::fs::write(data.join("store/cursors"), value).unwrap();
        },
    ),
    (
        "a value that is damaged",
        "payments",
        "checksum",
        |database, _| {
            let (key, bytes) = first(database, "tips");
            let mut bytes = bytes.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            tree(database, "tips").insert(key, bytes).unwrap();
        },
    ),
    (
        "a record was taken for another",
        "tips",
        "has no entry",
        |database, _| {
            // As many records as the journal admits, and not the same.
            let (_, first, _) = first_tip(database);
            change_tips(database, |key, tip| {
                let other = IdempotencyKey::new(&format!("{}x", key.as_str())).unwrap();
                let last_sequence = 9_999;
                let moved = Tip {
                    last_sequence,
                    ..tip
                };
                (*key == first).then_some((other, moved))
            });
        },
    ),
    (
        "a record that ends before its history",
        "payments",
        "the record says",
        |database, _| {
            change_tip(database, Which::First, |tip| Tip {
                last_sequence: tip.last_sequence - 1,
                ..tip
            });
        },
    ),
    (
        "a contradiction is marked for another merchant",
        "contradictions",
        "of this merchant",
        |database, _| {
            let (storage_key, _) = first(database, "contradictions");
            let sequence = u64::from_be_bytes(*storage_key.last_chunk().unwrap());
            let other = contradiction_key(&Merchant::new("other").unwrap(), sequence);
            let value = codec::encode(ValueKind::Contradiction, &other, &sequence).unwrap();
            let marks = tree(database, "contradictions");
            marks.remove(storage_key).unwrap();
            marks.insert(other, value).unwrap();
        },
    ),
    (
        "a contradiction is not marked",
        "contradictions",
        "not marked",
        |database, _| {
            let (storage_key, _) = first(database, "contradictions");
            tree(database, "contradictions")
                .remove(storage_key)
                .unwrap();
        },
    ),
    (
        "a record that ends before a note",
        "payments",
        "beyond its latest",
        |database, _| {
            change_tip(database, Which::Last, |tip| Tip {
                last_sequence: tip.last_sequence - 1,
                ..tip
            });
        },
    ),
    (
        "a note that follows on nothing",
        "journal",
        "leads elsewhere",
        |_, data| {
            rewrite(data, false, |chunks| {
                let last = chunks.last_mut().unwrap();
                last.entries.last_mut().unwrap().previous = Some(1);
            });
        },
    ),
];
