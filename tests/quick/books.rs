//! The books of both stores: after every batch of random runs, what the journal alone leads to is what
//! the store says, record by record and balance by balance.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::Digest;
use holdfast_core::journal::{Replay, Replayed};
use holdfast_core::ledger::{AccountKey, Balance, LedgerError, SIDE_MAX};
use holdfast_core::record::Chunk;
use holdfast_core::{
    BankTransactionId, Decision, Event, Evidence, Operation, OperationKey, Refusal, Request, Step,
    Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, Verdict, Views};
use holdfast_local::format::account_key;
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::AnyStore;
use holdfast_tests::sample::{key_of, mark, request};
use holdfast_tests::{raw_database, raw_old_database, to_old_layout};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn open(directory: &std::path::Path) -> LocalStore {
    let options = LocalOptions {
        directory: directory.to_owned(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 16 << 20,
    };
    LocalStore::open(&options).unwrap()
}

/// Random lives of payments, in batches.
struct Lives {
    random: StdRng,
    source: SeededSource,
    open: Vec<Operation>,
    admitted: u64,
}

impl Lives {
    fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            source: SeededSource::new([3; 32]),
            open: Vec::new(),
            admitted: 0,
        }
    }

    fn admit(&mut self) -> Step {
        self.admitted += 1;
        let now = Timestamp::from_unix_ms(self.admitted);
        let merchant = ["shop", "mall"][self.random.random_range(0..2)];
        let key = key_of(merchant, &format!("k{}", self.admitted));
        let request = request(self.random.random_range(1..1_000));
        let received = Operation::received(self.source.operation_id(now), key, request, now);
        transition(&received, &Event::Admit, now).unwrap()
    }

    /// Whatever may happen next to an open payment.
    fn go_on(&mut self) -> Option<Step> {
        if self.open.is_empty() {
            return None;
        }
        let place = self.random.random_range(0..self.open.len());
        let payment = self.open.swap_remove(place);
        let decided = |decision| Event::Decided {
            decision,
            evidence: Evidence::Answer,
        };
        let next_at = Timestamp::from_unix_ms(9);
        let mut events = vec![
            Event::Dispatch(mark()),
            Event::Cancel,
            decided(Decision::Confirmed {
                bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
            }),
            Event::NotSent { next_at },
            Event::GiveUp,
        ];
        loop {
            let event = events.swap_remove(self.random.random_range(0..events.len()));
            let now = Timestamp::from_unix_ms(self.admitted);
            if let Ok(step) = transition(&payment, &event, now) {
                return Some(step);
            }
        }
    }

    fn batch(&mut self) -> Vec<Step> {
        let size = self.random.random_range(1..8);
        (0..size)
            .filter_map(|_| {
                if self.random.random_bool(0.4) {
                    Some(self.admit())
                } else {
                    self.go_on()
                }
            })
            .collect()
    }
}

/// Everything the store says, against everything its journal says.
async fn compare(store: &dyn AnyStore, known: &BTreeMap<OperationKey, Operation>) {
    let mut replay = Replay::default();
    let mut rebuilt: BTreeMap<OperationKey, Operation> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.entries(after, 7).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (sequence, entry) in page {
            match replay.apply(sequence, &entry).unwrap() {
                Replayed::Finished(payment) => {
                    rebuilt.insert(payment.key.clone(), *payment);
                }
                Replayed::Open(_) | Replayed::Note(_) => {}
            }
        }
    }
    assert_eq!(*store.head().borrow(), after);
    for payment in replay.all_open() {
        rebuilt.insert(payment.key.clone(), payment.clone());
    }
    assert_eq!(rebuilt, *known);
    for (key, payment) in &rebuilt {
        assert_eq!(store.get(key).await.unwrap().as_ref(), Some(payment));
    }
    for (
        AccountKey {
            merchant,
            account,
            currency,
        },
        balance,
    ) in replay.book().iter()
    {
        let balances = store.account(merchant, account).await.unwrap();
        assert_eq!(balances, [(*currency, *balance)], "{merchant} {account}");
    }
    assert!(replay.book().sums().values().all(|sums| sums.agree()));
}

async fn random_run(store: &dyn AnyStore, seed: u64, batches: u32) {
    let mut lives = Lives::new(seed);
    let mut known = BTreeMap::new();
    for _ in 0..batches {
        let batch = lives.batch();
        let payments: Vec<_> = batch.iter().map(|write| write.operation.clone()).collect();
        let verdicts = store.commit(batch).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        for payment in payments {
            if !payment.is_finished() {
                lives.open.push(payment.clone());
            }
            known.insert(payment.key.clone(), payment);
        }
        compare(store, &known).await;
    }
}

#[tokio::test]
async fn the_journal_of_the_sled_store_leads_to_its_records_and_balances() {
    for seed in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        random_run(&open(directory.path()), seed, 40).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_of_the_simulated_store_leads_to_its_records_and_balances() {
    for seed in 0..20 {
        random_run(&SimulatedStore::default(), seed, 40).await;
    }
}

#[tokio::test]
async fn a_store_of_version_1_gets_its_balances_and_its_chain_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    random_run(&open(directory.path()), 1, 30).await;
    let expected = snapshot(directory.path()).await;
    {
        // Back to what version 1 wrote.
        to_old_layout(directory.path(), 1);
        let database = raw_old_database(directory.path());
        let journal = database.open_tree("journal").unwrap();
        for item in &journal {
            let (storage_key, bytes) = item.unwrap();
            let mut chunk = Chunk::decode(&storage_key, &bytes).unwrap();
            chunk.previous = None;
            let first = u64::from_be_bytes(storage_key.as_ref().try_into().unwrap());
            journal
                .insert(storage_key, chunk.encode(first).unwrap())
                .unwrap();
        }
        database.open_tree("accounts").unwrap().clear().unwrap();
        let meta = database.open_tree("meta").unwrap();
        meta.remove("chain_head").unwrap();
        database.flush().unwrap();
    }
    assert_eq!(snapshot(directory.path()).await, expected);
    // And it goes on from there.
    let store = open(directory.path());
    let mut lives = Lives::new(77);
    lives.admitted = 1_000;
    let admit = lives.admit();
    assert_eq!(store.commit(vec![admit]).await.unwrap(), [Verdict::Applied]);
}

/// The digest of the whole journal, and every balance.
async fn snapshot(directory: &std::path::Path) -> (Digest, Vec<(AccountKey, Balance)>) {
    let store = open(directory);
    let mut replay = Replay::default();
    for (sequence, entry) in store.entries(0, usize::MAX).await.unwrap() {
        replay.apply(sequence, &entry).unwrap();
    }
    let mut balances = Vec::new();
    for (key, _) in replay.book().iter() {
        for (currency, balance) in store.account(&key.merchant, &key.account).await.unwrap() {
            let key = AccountKey {
                currency,
                ..key.clone()
            };
            balances.push((key, balance));
        }
    }
    (replay.digest(), balances)
}

#[tokio::test]
async fn a_payment_that_its_account_has_no_room_for_is_refused_and_nothing_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let mut lives = Lives::new(5);
    let first = lives.admit();
    let merchant = first.key().merchant.clone();
    let Request::Payment(asked) = &first.operation.request;
    let creditor = asked.creditor().clone();
    open(directory.path()).commit(vec![first]).await.unwrap();
    {
        let database = raw_database(directory.path());
        let key = AccountKey {
            merchant: merchant.clone(),
            account: creditor.clone(),
            currency: request(1).currency(),
        };
        let full = Balance {
            credits_posted: SIDE_MAX,
            ..Balance::default()
        };
        let storage_key = account_key(&key);
        let value = codec::encode(ValueKind::Account, &storage_key, &full).unwrap();
        database
            .open_tree("accounts")
            .unwrap()
            .insert(storage_key, value)
            .unwrap();
        database.flush().unwrap();
    }
    let store = open(directory.path());
    let (mut refused, mut bystander) = (lives.admit(), lives.admit());
    while refused.key().merchant != merchant {
        refused = lives.admit();
    }
    while bystander.key().merchant == merchant {
        bystander = lives.admit();
    }
    let key = refused.key().clone();
    let verdicts = store.commit(vec![refused, bystander]).await.unwrap();
    assert!(matches!(
        &verdicts[0],
        Verdict::Refused(Refusal::AccountFull(LedgerError::Full { account, .. })) if *account == creditor
    ));
    assert_eq!(
        verdicts[1],
        Verdict::Applied,
        "others of the batch are not touched by it"
    );
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(store.entries(0, 100).await.unwrap().len(), 2);
}
