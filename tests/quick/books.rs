//! The books of both stores: after every batch of random runs, what the journal alone leads to is what
//! the store says, record by record and balance by balance.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;

use holdfast_core::journal::Digest;
use holdfast_core::journal::{Replay, Replayed};
use holdfast_core::ledger::{AccountKey, Balance, LedgerError, SIDE_MAX};
use holdfast_core::record::Chunk;
use holdfast_core::{
    BankTransactionId, Decision, Event, Evidence, Merchant, Operation, OperationKey, Refusal,
    Request, Step, Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Filter, Log, Query, Verdict, Views};
use holdfast_local::format::{BalanceAt, account_key, encode_balance};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::sample::{key_of, mark, request};
use holdfast_tests::{AnyStore, open_store as open};
use holdfast_tests::{copy_directory, raw_database, raw_old_database, to_old_layout};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

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

impl Lives {
    /// Commits a batch, and keeps what it leads to.
    async fn one_batch(
        &mut self,
        store: &dyn AnyStore,
        known: &mut BTreeMap<OperationKey, Operation>,
    ) {
        let batch = self.batch();
        let payments: Vec<_> = batch.iter().map(|write| write.operation.clone()).collect();
        let verdicts = store.commit(batch).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        for payment in payments {
            if !payment.is_finished() {
                self.open.push(payment.clone());
            }
            known.insert(payment.key.clone(), payment);
        }
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
        lives.one_batch(store, &mut known).await;
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

/// After a kill the index may have a part of what is behind its mark: any record, any id and any balance of a later state.
#[tokio::test]
async fn an_index_that_is_ahead_of_its_mark_in_any_part_is_brought_up_to_the_same_values() {
    let directory = tempfile::tempdir().unwrap();
    let (data, index) = (directory.path(), directory.path().join("store/index"));
    let mut random = StdRng::seed_from_u64(7);
    let mut lives = Lives::new(7);
    let mut known = BTreeMap::new();
    for round in 0..12 {
        let earlier = tempfile::tempdir().unwrap();
        if round > 0 {
            copy_directory(&index, earlier.path());
        }
        let store = open(data);
        for _ in 0..20 {
            lives.one_batch(&store, &mut known).await;
        }
        store.close().await.unwrap();
        drop(store);
        // The store of before, with any part of what came since.
        let newer: Vec<_> = ["payments", "ids", "accounts"]
            .into_iter()
            .map(|name| {
                let tree = raw_database(data).open_tree(name).unwrap();
                (name, tree.iter().map(Result::unwrap).collect::<Vec<_>>())
            })
            .collect();
        if round > 0 {
            std::fs::remove_dir_all(&index).unwrap();
            copy_directory(earlier.path(), &index);
            let database = raw_database(data);
            for (name, values) in newer {
                let share = random.random_range(0.0..=1.0);
                let tree = database.open_tree(name).unwrap();
                for (key, value) in values {
                    if random.random_bool(share) {
                        tree.insert(key, value).unwrap();
                    }
                }
            }
            let probe = database.open_tree("probe").unwrap();
            probe.insert("it was not built again", "").unwrap();
            database.flush().unwrap();
        }
        let store = open(data);
        compare(&store, &known).await;
        store.close().await.unwrap();
        drop(store);
        if round > 0 {
            let database = raw_database(data);
            assert_eq!(database.open_tree("probe").unwrap().len(), 1);
            assert!(database.drop_tree("probe").unwrap());
        }
    }
}

/// What was committed is seen in memory, half in memory, and in the trees.
#[tokio::test]
async fn searches_and_accounts_are_the_same_while_the_index_is_behind() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut lives = Lives::new(9);
    let mut known = BTreeMap::new();
    for _ in 0..2_000 {
        // Enough of them that tables are written meanwhile.
        lives.one_batch(&store, &mut known).await;
        if lives.random.random_bool(0.05) {
            let mut newest: Vec<_> = known
                .values()
                .filter(|payment| payment.key.merchant.as_str() == "shop")
                .map(|payment| payment.id)
                .collect();
            newest.sort_unstable_by(|one, other| other.cmp(one));
            newest.truncate(50);
            let query = Query {
                merchant: Merchant::new("shop").unwrap(),
                before: None,
                limit: 50,
                filter: Filter::default(),
            };
            let page = store.list(&query).await.unwrap();
            let listed: Vec<_> = page.operations.iter().map(|payment| payment.id).collect();
            assert_eq!(listed, newest);
            let any = known
                .values()
                .nth(lives.random.random_range(0..known.len()));
            let any = any.unwrap();
            let found = store.find(&any.key.merchant, any.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(any));
        }
    }
    compare(&store, &known).await;
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
        let full = BalanceAt {
            balance: full,
            up_to: 1,
        };
        let value = encode_balance(&storage_key, &full).unwrap();
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
