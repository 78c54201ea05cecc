//! An index that is not what the journal leads to, and what earlier builds wrote into it.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::Path;

use holdfast_core::record::{Record, Stored, Tip};
use holdfast_core::{
    BankTransactionId, Decision, Event, Evidence, Operation, OperationKey, Step, Timestamp,
    transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, StoreError, Verdict, Views};
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_tests::raw_database;
use holdfast_tests::sample::{key, mark, request};

fn open(directory: &Path) -> LocalStore {
    let options = LocalOptions {
        directory: directory.to_owned(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 16 << 20,
    };
    LocalStore::open(&options).unwrap()
}

async fn applied(store: &LocalStore, step: Step) {
    let verdicts = store.commit(vec![step]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Applied]);
}

fn admit(key: OperationKey) -> Step {
    let now = Timestamp::from_unix_ms(1_000);
    let id = SeededSource::new([9; 32]).operation_id(now);
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
            let tip = Stored::decode(storage_key, value).unwrap().tip();
            let last_sequence = tip.last_sequence - 1;
            *value = tip_as_stored(
                storage_key,
                Tip {
                    last_sequence,
                    ..tip
                },
            );
        },
        |storage_key, value| {
            let tip = Stored::decode(storage_key, value).unwrap().tip();
            let version = tip.version + 1;
            *value = tip_as_stored(storage_key, Tip { version, ..tip });
        },
    ];
    for damage in damages {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let settled = settle(&store, "k").await;
        store.close().await.unwrap();
        drop(store);

        let database = raw_database(directory.path());
        let payments = database.open_tree("payments").unwrap();
        let (storage_key, value) = payments.first().unwrap().unwrap();
        let mut value = value.to_vec();
        damage(&storage_key, &mut value);
        payments.insert(storage_key, value).unwrap();
        drop((payments, database));

        let store = open(directory.path());
        let error = store.get(&key("k")).await.unwrap_err();
        assert!(matches!(error, StoreError::Fatal(_)), "{error:?}");
        // An end in order may not make it believed again.
        store.close().await.unwrap_err();
        drop(store);
        for _ in 0..2 {
            let store = open(directory.path());
            assert_eq!(store.get(&key("k")).await.unwrap(), Some(settled.clone()));
            store.close().await.unwrap();
        }
    }
}

fn tip_as_stored(storage_key: &[u8], tip: Tip) -> Vec<u8> {
    Stored::Tip(tip).encode(storage_key).unwrap()
}

/// A payment that is admitted, sent and confirmed.
async fn settle(store: &LocalStore, name: &str) -> Operation {
    let admitted = admit(key(name));
    let now = admitted.operation.updated_at;
    let sent = transition(&admitted.operation, &Event::Dispatch(mark()), now).unwrap();
    applied(store, admitted.then(sent.clone())).await;
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

/// What earlier builds stored whole is read as it is, and replaced when something more happens to it.
#[tokio::test]
async fn finished_payments_that_are_stored_whole_are_read_as_ever() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let settled = settle(&store, "k").await;
    store.close().await.unwrap();
    drop(store);
    let database = raw_database(directory.path());
    let payments = database.open_tree("payments").unwrap();
    let (storage_key, value) = payments.first().unwrap().unwrap();
    let tip = Stored::decode(&storage_key, &value).unwrap().tip();
    let whole = Stored::Record(Record::of(&settled, tip.last_sequence));
    payments
        .insert(&storage_key, whole.encode(&storage_key).unwrap())
        .unwrap();
    drop((payments, database));
    let store = open(directory.path());
    assert_eq!(store.get(&key("k")).await.unwrap(), Some(settled.clone()));
    let merchant = &settled.key.merchant;
    let found = store.find(merchant, settled.id).await.unwrap();
    assert_eq!(found, Some(settled.clone()));
    let history = store.history(merchant, settled.id).await.unwrap().unwrap();
    assert_eq!(history.len(), 3);
}
