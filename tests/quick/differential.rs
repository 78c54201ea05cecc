//! The simulated store against the real one: the same operations, and every answer compared, until each
//! kind of operation has succeeded and been refused. What the simulated world shows holds for sled as far
//! as the two agree.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_core::{
    AccountId, Amount, BankTransactionId, Currency, Decision, DeclineCode, DeclineMessage, Event,
    Evidence, IdempotencyKey, Merchant, Metadata, Operation, OperationId, PaymentRequest, Phase,
    Reference, Request, StateName, Step, Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Filter, Log, Query, Verdict};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::sample::{key_of, mark, request};
use holdfast_tests::{AnyStore, open_store};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How often each kind of operation succeeded, and how often it was refused or found nothing.
#[derive(Debug, Default)]
struct Coverage(BTreeMap<&'static str, (u32, u32)>);

impl Coverage {
    fn count(&mut self, kind: &'static str, succeeded: bool) {
        let (good, bad) = self.0.entry(kind).or_default();
        *(if succeeded { good } else { bad }) += 1;
    }

    fn is_complete(&self) -> bool {
        const KINDS: usize = 11;
        self.0.len() == KINDS && self.0.values().all(|(good, bad)| *good > 0 && *bad > 0)
    }
}

struct Run {
    random: StdRng,
    source: SeededSource,
    now: u64,
    /// Every payment at some version it had: most writes on them are stale.
    seen: Vec<Operation>,
    coverage: Coverage,
}

impl Run {
    fn at(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_unix_ms(self.now)
    }

    fn merchant(&mut self) -> &'static str {
        ["shop", "mall", "nobody"][self.random.random_range(0..3)]
    }

    fn some(&mut self) -> Option<Operation> {
        let count = self.seen.len();
        (count > 0).then(|| self.seen[self.random.random_range(0..count)].clone())
    }

    /// An admission, under a key that may be taken.
    fn admit(&mut self, merchant: &str, amount: u64) -> Step {
        let at = self.at();
        let key = key_of(merchant, &format!("k{}", self.random.random_range(0..400)));
        let request = self.request(amount);
        let received = Operation::received(self.source.operation_id(at), key, request, at);
        transition(&received, &Event::Admit, at).unwrap()
    }

    fn request(&mut self, amount: u64) -> Request {
        let debtor = ["acct_alice", "acct_bob"][self.random.random_range(0..2)];
        let request = PaymentRequest::new(
            Amount::new(amount).unwrap(),
            self.currency(),
            AccountId::new(debtor).unwrap(),
            AccountId::new("acct_shop").unwrap(),
            self.reference(),
            Metadata::default(),
        );
        request.unwrap().into()
    }

    fn currency(&mut self) -> Currency {
        Currency::from_code(["EUR", "USD", "JPY"][self.random.random_range(0..3)]).unwrap()
    }

    fn reference(&mut self) -> Option<Reference> {
        let number = self.random.random_range(0..4);
        (number > 0).then(|| Reference::new(&format!("order {number}")).unwrap())
    }

    /// Several conditions at once.
    fn filter(&mut self, number: u32) -> Filter {
        Filter {
            idempotency_key: self
                .random
                .random_bool(0.3)
                .then(|| IdempotencyKey::new(&format!("k{number}")).unwrap()),
            state: [None, Some(StateName::Settled), Some(StateName::Persisted)]
                [self.random.random_range(0..3)],
            phase: [None, None, Some(Phase::Awaiting), Some(Phase::Unknown)]
                [self.random.random_range(0..4)],
            ..Filter::default()
        }
    }

    /// One or two of the conditions on what was asked for and when.
    fn filter_of_request(&mut self) -> Filter {
        let mut filter = Filter::default();
        for _ in 0..2 {
            match self.random.random_range(0..6) {
                0 => {
                    let account = ["acct_bob", "acct_shop"][self.random.random_range(0..2)];
                    filter.account = Some(AccountId::new(account).unwrap());
                }
                1 => filter.reference = self.reference(),
                2 => filter.currency = Some(self.currency()),
                3 => filter.amount = Amount::new(self.random.random_range(5..7)).ok(),
                4 => filter.created_after = Some(self.moment()),
                _ => filter.created_before = Some(self.moment()),
            }
        }
        filter
    }

    fn moment(&mut self) -> Timestamp {
        Timestamp::from_unix_ms(self.random.random_range(0..=self.now))
    }

    /// Whatever may follow on a payment as it once was.
    fn go_on(&mut self) -> Option<Step> {
        let payment = self.some()?;
        let at = self.at();
        let decided = |decision| Event::Decided {
            decision,
            evidence: Evidence::Inquiry,
        };
        let mut events = vec![
            Event::Dispatch(mark()),
            Event::Cancel,
            Event::NotSent { next_at: at },
            Event::GiveUp,
            decided(Decision::Confirmed {
                bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
            }),
            decided(Decision::Declined {
                code: DeclineCode::new("no").unwrap(),
                message: DeclineMessage::new("No.").unwrap(),
            }),
        ];
        while !events.is_empty() {
            let event = events.swap_remove(self.random.random_range(0..events.len()));
            if let Ok(step) = transition(&payment, &event, at) {
                return Some(step);
            }
        }
        None
    }

    async fn commit(&mut self, stores: &[&dyn AnyStore; 2]) {
        let size = self.random.random_range(1..6);
        let batch: Vec<Step> = (0..size)
            .filter_map(|_| match self.random.random_range(0..10) {
                0..4 => {
                    let merchant = ["shop", "mall"][self.random.random_range(0..2)];
                    let amount = self.random.random_range(5..8);
                    Some(self.admit(merchant, amount))
                }
                // The account of this merchant is full.
                4 => Some(self.admit("full", 999_999_999_999)),
                _ => self.go_on(),
            })
            .collect();
        let verdicts = stores[0].commit(batch.clone()).await.unwrap();
        assert_eq!(verdicts, stores[1].commit(batch.clone()).await.unwrap());
        for (write, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Applied => {
                    self.coverage.count("write", true);
                    self.coverage.count("hold", true);
                    self.seen.push(write.operation.clone());
                }
                Verdict::Lost { .. } => self.coverage.count("write", false),
                Verdict::Refused(_) => self.coverage.count("hold", false),
            }
        }
    }

    async fn read(&mut self, stores: &[&dyn AnyStore; 2]) {
        let [one, two] = stores;
        let merchant = Merchant::new(self.merchant()).unwrap();
        let number = self.random.random_range(0..500);
        let key = key_of(merchant.as_str(), &format!("k{number}"));
        let found = one.get(&key).await.unwrap();
        assert_eq!(found, two.get(&key).await.unwrap());
        self.coverage.count("get", found.is_some());

        let id = self.some().map_or_else(
            || OperationId::from_uuid(uuid::Uuid::nil()),
            |payment| payment.id,
        );
        let found = one.find(&merchant, id).await.unwrap();
        assert_eq!(found, two.find(&merchant, id).await.unwrap());
        self.coverage.count("find", found.is_some());

        let entries = one.history(&merchant, id).await.unwrap();
        assert_eq!(entries, two.history(&merchant, id).await.unwrap());
        self.coverage.count("entries", entries.is_some());

        let query = Query {
            merchant: merchant.clone(),
            filter: self.filter(number),
            before: self.random.random_bool(0.3).then_some(id),
            limit: self.random.random_range(1..20),
        };
        let page = one.list(&query).await.unwrap();
        assert_eq!(page, two.list(&query).await.unwrap(), "{query:?}");
        self.coverage.count("list", !page.operations.is_empty());

        let filter = self.filter_of_request();
        let query = Query {
            filter,
            before: None,
            ..query
        };
        let page = one.list(&query).await.unwrap();
        assert_eq!(page, two.list(&query).await.unwrap(), "{query:?}");
        self.coverage.count("filters", !page.operations.is_empty());

        let account = ["acct_alice", "acct_nobody"][self.random.random_range(0..2)];
        let account = AccountId::new(account).unwrap();
        let balances = one.account(&merchant, &account).await.unwrap();
        assert_eq!(balances, two.account(&merchant, &account).await.unwrap());
        self.coverage.count("account", !balances.is_empty());

        let notes = one.contradictions(&merchant, 0, 3).await.unwrap();
        assert_eq!(notes, two.contradictions(&merchant, 0, 3).await.unwrap());
        self.coverage.count("contradictions", !notes.is_empty());

        let after = self.random.random_range(0..12_000);
        let limit = self.random.random_range(1..30);
        let journal = one.entries(after, limit).await.unwrap();
        assert_eq!(journal, two.entries(after, limit).await.unwrap());
        self.coverage.count("journal", !journal.is_empty());

        let after = self.random.random_bool(0.8).then_some(id);
        let open = one.unfinished(after, 10).await.unwrap();
        assert_eq!(open, two.unfinished(after, 10).await.unwrap());
        let last = OperationId::from_uuid(uuid::Uuid::max());
        let none = one.unfinished(Some(last), 10).await.unwrap();
        assert_eq!(none, two.unfinished(Some(last), 10).await.unwrap());
        self.coverage.count("unfinished", !open.is_empty());
        self.coverage.count("unfinished", !none.is_empty());
    }
}

/// Everything both stores hold.
async fn snapshot(store: &dyn AnyStore) -> String {
    let journal = store.entries(0, usize::MAX).await.unwrap();
    let open = store.unfinished(None, usize::MAX).await.unwrap();
    let mut said = format!("{} entries, {open:?}\n{journal:?}\n", journal.len());
    for merchant in ["shop", "mall", "full"] {
        let merchant = Merchant::new(merchant).unwrap();
        for account in ["acct_alice", "acct_shop"] {
            let account = AccountId::new(account).unwrap();
            let balances = store.account(&merchant, &account).await.unwrap();
            writeln!(said, "{merchant} {account} {balances:?}").unwrap();
        }
    }
    said
}

#[tokio::test]
async fn the_simulated_store_answers_as_the_real_one_does() {
    for seed in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let (mut simulated, mut real) = (SimulatedStore::default(), open_store(directory.path()));
        let mut run = Run {
            random: StdRng::seed_from_u64(seed),
            source: SeededSource::new([5; 32]),
            now: 0,
            seen: Vec::new(),
            coverage: Coverage::default(),
        };
        fill(&mut run, &[&simulated, &real]).await;
        let mut rounds = 0;
        while rounds < 150 || !run.coverage.is_complete() {
            assert!(rounds < 5_000, "{:?}", run.coverage);
            run.commit(&[&simulated, &real]).await;
            run.read(&[&simulated, &real]).await;
            rounds += 1;
            if rounds % 60 == 0 {
                // Both are closed and opened again.
                simulated = simulated.reopen();
                real.close().await.unwrap();
                drop(real);
                real = open_store(directory.path());
            }
        }
        assert_eq!(snapshot(&simulated).await, snapshot(&real).await);
    }
}

/// Fills an account, so that the next hold finds no room.
async fn fill(run: &mut Run, stores: &[&dyn AnyStore; 2]) {
    for batch in 0..9 {
        let writes: Vec<Step> = (0..1_001)
            .map(|n| {
                let at = run.at();
                let key = key_of("full", &format!("f{batch}-{n}"));
                let received = Operation::received(
                    run.source.operation_id(at),
                    key,
                    request(999_999_999_999),
                    at,
                );
                transition(&received, &Event::Admit, at).unwrap()
            })
            .collect();
        let verdicts = stores[0].commit(writes.clone()).await.unwrap();
        assert_eq!(verdicts, stores[1].commit(writes).await.unwrap());
    }
}
