//! An index that is not what the journal leads to, and what earlier builds wrote into it.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::Path;

use holdfast_core::record::{Record, TIP_OF_VERSION_MAX};
use holdfast_core::{
    BankTransactionId, Decision, Event, Evidence, Operation, OperationKey, Step, Timestamp,
    transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, StoreError, Verdict, Views};
use holdfast_local::format::record_key;
use holdfast_local::offline::{Original, verify};
use holdfast_local::{LocalStore, tips};
use holdfast_tests::sample::{key, mark, request};
use holdfast_tests::{open_store as open, raw_database};

async fn applied(store: &LocalStore, step: Step) {
    let verdicts = store.commit(vec![step]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Applied]);
}

fn admit(key: OperationKey) -> Step {
    admit_as(key, 9)
}

/// Different seeds give different ids.
fn admit_as(key: OperationKey, seed: u8) -> Step {
    let now = Timestamp::from_unix_ms(1_000);
    let id = SeededSource::new([seed; 32]).operation_id(now);
    let received = Operation::received(id, key, request(7), now);
    transition(&received, &Event::Admit, now).unwrap()
}

#[tokio::test]
async fn an_unfinished_payment_without_its_record_gets_it_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let admitted = admit(key("lost-record"));
    applied(&store, admitted.clone()).await;
    store.close().await.unwrap();
    drop(store);

    let database = raw_database(directory.path());
    let records = database.open_tree("payments").unwrap();
    let names: Vec<_> = records.iter().keys().map(Result::unwrap).collect();
    assert_eq!(names.len(), 1);
    records.remove(&names[0]).unwrap();
    drop((records, database));

    let store = open(directory.path());
    let found = store.get(&key("lost-record")).await.unwrap();
    assert_eq!(found, Some(admitted.operation));
}

/// Damage in the index stops the service, and its next start has an index from the journal.
#[tokio::test]
async fn an_index_that_is_found_damaged_is_built_again_by_the_next_start() {
    type Damage = fn(&[u8], &mut Vec<u8>);
    let damages: [Damage; 3] = [
        |_, value| *value.last_mut().unwrap() ^= 1,
        // Right in itself, and about another entry, or another version.
        |storage_key, value| {
            let mut block = tips::decode(storage_key, value).unwrap();
            block.0[0].1.last_sequence -= 1;
            *value = tips::encode(storage_key, &block).unwrap();
        },
        |storage_key, value| {
            let mut block = tips::decode(storage_key, value).unwrap();
            block.0[0].1.version += 1;
            *value = tips::encode(storage_key, &block).unwrap();
        },
    ];
    for damage in damages {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let settled = settle(&store, "k").await;
        store.close().await.unwrap();
        drop(store);

        let database = raw_database(directory.path());
        let trees = database.open_tree("tips").unwrap();
        let (storage_key, value) = trees.first().unwrap().unwrap();
        let mut value = value.to_vec();
        damage(&storage_key, &mut value);
        trees.insert(storage_key, value).unwrap();
        drop((trees, database));

        let store = open(directory.path());
        let error = store.get(&key("k")).await.unwrap_err();
        assert!(matches!(error, StoreError::Fatal(_)), "{error:?}");
        // An end in order may not make it believed again.
        store.close().await.unwrap_err();
        drop(store);
        // Until then `verify` shows what is wrong.
        let copy = Original::hold(directory.path()).unwrap();
        let copy = copy.copy_into(tempfile::tempdir().unwrap()).unwrap();
        let mut findings = Vec::new();
        verify(&copy, &mut |found| findings.push(found), &mut |_, _, _| {});
        assert!(
            findings.iter().any(|found| found.tree == "payments"),
            "{findings:?}"
        );
        drop(copy);
        for _ in 0..2 {
            let store = open(directory.path());
            assert_eq!(store.get(&key("k")).await.unwrap(), Some(settled.clone()));
            store.close().await.unwrap();
        }
    }
}

/// A payment that is admitted, sent and confirmed.
async fn settle(store: &LocalStore, name: &str) -> Operation {
    settle_as(store, name, 9).await
}

async fn settle_as(store: &LocalStore, name: &str, seed: u8) -> Operation {
    let admitted = admit_as(key(name), seed);
    applied(store, admitted.clone()).await;
    finish(store, &admitted.operation).await
}

/// Sends a payment, and has it confirmed.
async fn finish(store: &LocalStore, payment: &Operation) -> Operation {
    let now = payment.updated_at;
    let sent = transition(payment, &Event::Dispatch(mark()), now).unwrap();
    applied(store, sent.clone()).await;
    let decided = Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
        },
        evidence: Evidence::Answer,
    };
    let settled = transition(&sent.operation, &decided, now).unwrap();
    applied(store, settled.clone()).await;
    settled.operation
}

/// Two payments of the same version whose tips were swapped: each value is right in itself.
#[tokio::test]
async fn the_history_of_another_payment_is_not_taken_for_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let one = settle(&store, "one").await;
    let other = settle_as(&store, "two", 8).await;
    store.close().await.unwrap();
    drop(store);
    for is_id_swapped in [false, true] {
        let database = raw_database(directory.path());
        let trees = database.open_tree("tips").unwrap();
        let (storage_key, value) = trees.first().unwrap().unwrap();
        let mut block = tips::decode(&storage_key, &value).unwrap();
        let (first, second) = (block.0[0].1, block.0[1].1);
        block.0[0].1.last_sequence = second.last_sequence;
        block.0[1].1.last_sequence = first.last_sequence;
        if is_id_swapped {
            (block.0[0].1.id, block.0[1].1.id) = (second.id, first.id);
        }
        let value = tips::encode(&storage_key, &block).unwrap();
        trees.insert(storage_key, value).unwrap();
        drop((trees, database));
        let store = open(directory.path());
        let error = store.get(&key("one")).await.unwrap_err();
        assert!(matches!(error, StoreError::Fatal(_)), "{error:?}");
        drop(store);
        let store = open(directory.path());
        assert_eq!(store.get(&key("one")).await.unwrap(), Some(one.clone()));
        assert_eq!(store.get(&key("two")).await.unwrap(), Some(other.clone()));
        store.close().await.unwrap();
    }
}

/// The truth about one payment cannot be read: that one is not answered for, and all others are.
#[tokio::test]
async fn damage_in_the_journal_concerns_the_payments_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let one = settle(&store, "one").await;
    settle_as(&store, "two", 8).await;
    store.close().await.unwrap();
    drop(store);
    let segment = directory
        .path()
        .join("store/journal/00000000000000000001.segment");
    let intact = std::fs::read(&segment).unwrap();
    let store = open(directory.path());
    // Not the last frame: a start would have found that.
    let at = intact
        .windows(3)
        .rposition(|bytes| bytes == b"two")
        .unwrap();
    let mut damaged = intact.clone();
    damaged[at] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    let error = store.get(&key("two")).await.unwrap_err();
    assert!(matches!(error, StoreError::Transient(_)), "{error:?}");
    assert_eq!(store.get(&key("one")).await.unwrap(), Some(one));
    applied(&store, admit_as(key("three"), 7)).await;
    std::fs::write(&segment, &intact).unwrap();
}

/// What a kill may leave between two writes: a payment that ended has its tip, and its record still, as it was before.
#[tokio::test]
async fn a_record_that_its_tip_has_overtaken_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let admitted = admit(key("k"));
    applied(&store, admitted.clone()).await;
    store.close().await.unwrap();
    drop(store);
    let index = directory.path().join("store/index");
    let mark = meta_of(directory.path());
    let store = open(directory.path());
    let settled = finish(&store, &admitted.operation).await;
    store.close().await.unwrap();
    drop(store);
    assert!(index.exists());
    let database = raw_database(directory.path());
    let payments = database.open_tree("payments").unwrap();
    assert!(payments.is_empty(), "it ended, so it has a tip");
    let storage_key = record_key(&settled.key);
    let before = Record::of(&admitted.operation, 1);
    payments
        .insert(&storage_key, before.encode(&storage_key).unwrap())
        .unwrap();
    let meta = database.open_tree("meta").unwrap();
    for (name, value) in &mark {
        meta.insert(name, value.clone()).unwrap();
    }
    drop((meta, payments, database));

    let store = open(directory.path());
    assert_eq!(store.get(&key("k")).await.unwrap(), Some(settled.clone()));
    store.close().await.unwrap();
    drop(store);
    let database = raw_database(directory.path());
    assert!(database.open_tree("payments").unwrap().is_empty());
}

/// The mark of an index, and where it looks for unfinished payments from.
fn meta_of(directory: &Path) -> Vec<(&'static str, sled::IVec)> {
    let database = raw_database(directory);
    let meta = database.open_tree("meta").unwrap();
    let names = ["chain_head", "low_water"].into_iter();
    names
        .filter_map(|name| Some((name, meta.get(name).unwrap()?)))
        .collect()
}

/// A payment with many attempts is stored whole, so that it is read at once.
#[tokio::test]
async fn a_finished_payment_with_a_long_history_is_stored_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut payment = admit(key("k")).operation;
    applied(&store, admit(key("k"))).await;
    for n in 0..TIP_OF_VERSION_MAX {
        let next_at = Timestamp::from_unix_ms(2_000 + n);
        let sent = transition(&payment, &Event::Dispatch(mark()), payment.updated_at).unwrap();
        let event = Event::HeldBack { next_at };
        let held = transition(&sent.operation, &event, payment.updated_at).unwrap();
        payment = held.operation.clone();
        applied(&store, sent).await;
        applied(&store, held).await;
    }
    let settled = finish(&store, &payment).await;
    assert!(settled.version > TIP_OF_VERSION_MAX);
    store.close().await.unwrap();
    drop(store);
    let database = raw_database(directory.path());
    assert_eq!(database.open_tree("payments").unwrap().len(), 1);
    assert!(database.open_tree("tips").unwrap().is_empty());
    drop(database);
    let store = open(directory.path());
    assert_eq!(store.get(&key("k")).await.unwrap(), Some(settled.clone()));
    let merchant = &settled.key.merchant;
    let history = store.history(merchant, settled.id).await.unwrap().unwrap();
    assert_eq!(history.len() as u64, settled.version);
}
