//! One body of tests over every store: the same operations, the same answers.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::sync::Arc;

use holdfast_core::{
    AccountId, Amount, BankTransactionId, Cause, Currency, Decision, Event, Evidence, Merchant,
    Metadata, MovementKind, Operation, OperationId, OperationKey, PaymentRequest, Phase, Reference,
    Request, State, StateName, Step, Tenure, Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{CursorName, Filter, Log, Page, Query, StoreError, Verdict, Views};
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_simulator::SimulatedStore;
use holdfast_simulator::store::Medium;
use holdfast_tests::sample::{key, key_of, mark, request};
use holdfast_tests::{AnyStore, open_store as open};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// A payment of one key, and the writes of its life.
struct Life {
    source: SeededSource,
    now: u64,
}

impl Life {
    /// Lives of different seeds share no ids.
    fn new(seed: u8) -> Self {
        Self {
            source: SeededSource::new([seed; 32]),
            now: 1_000,
        }
    }

    fn admit(&mut self, key: OperationKey) -> Step {
        let request = request(self.now + 1);
        self.admit_request(key, request)
    }

    fn admit_request(&mut self, key: OperationKey, request: Request) -> Step {
        self.now += 1;
        let id = self.source.operation_id(at(self.now));
        let received = Operation::received(id, key, request, at(self.now));
        transition(&received, &Event::Admit, at(self.now)).unwrap()
    }

    fn step(&mut self, payment: &Operation, event: &Event) -> Step {
        self.now += 1;
        transition(payment, event, at(self.now)).unwrap()
    }

    fn settle(&mut self, payment: &Operation) -> Step {
        let event = Event::Decided {
            decision: Decision::Confirmed {
                bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
            },
            evidence: Evidence::Answer,
        };
        let dispatched = transition(payment, &Event::Dispatch(mark()), at(self.now)).unwrap();
        let settled = transition(&dispatched.operation, &event, at(self.now)).unwrap();
        dispatched.then(settled)
    }
}

async fn applied(store: &dyn AnyStore, write: Step) -> Operation {
    let payment = write.operation.clone();
    assert_eq!(store.commit(vec![write]).await.unwrap(), [Verdict::Applied]);
    payment
}

fn query(merchant: &str) -> Query {
    Query {
        merchant: Merchant::new(merchant).unwrap(),
        filter: Filter::default(),
        before: None,
        limit: 100,
    }
}

async fn a_write_is_read_back_by_key_and_by_id(store: &dyn AnyStore) {
    let mut life = Life::new(1);
    let admitted = applied(store, life.admit(key("read-back"))).await;
    assert_eq!(
        store.get(&admitted.key).await.unwrap().as_ref(),
        Some(&admitted)
    );
    let found = store
        .find(&admitted.key.merchant, admitted.id)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&admitted));
    assert_eq!(store.get(&key("another")).await.unwrap(), None);
    let settled = applied(store, life.settle(&admitted)).await;
    assert_eq!(store.get(&admitted.key).await.unwrap(), Some(settled));
}

async fn a_stale_write_loses_and_is_told_what_stands(store: &dyn AnyStore) {
    let mut life = Life::new(2);
    let first = life.admit(key("race"));
    let second = life.admit(key("race"));
    let bystander = life.admit(key("bystander"));
    let winner = first.operation.clone();
    // All in one batch: the loser fails alone.
    let verdicts = store.commit(vec![first, second, bystander]).await.unwrap();
    let lost = Verdict::Lost {
        current: Some(Box::new(winner.clone())),
    };
    assert_eq!(verdicts, [Verdict::Applied, lost, Verdict::Applied]);

    // Two transitions from the same version: exactly one wins, also within one batch.
    let cancel = life.step(&winner, &Event::Cancel);
    let dispatch = life.step(&winner, &Event::Dispatch(mark()));
    let cancelled = cancel.operation.clone();
    let verdicts = store.commit(vec![cancel, dispatch]).await.unwrap();
    let lost = Verdict::Lost {
        current: Some(Box::new(cancelled.clone())),
    };
    assert_eq!(verdicts, [Verdict::Applied, lost]);
    assert_eq!(store.get(&winner.key).await.unwrap(), Some(cancelled));

    // A transition of something that was never stored.
    let ghost = life.admit(key("ghost"));
    let orphan = life.step(&ghost.operation, &Event::Cancel);
    assert_eq!(
        store.commit(vec![orphan]).await.unwrap(),
        [Verdict::Lost { current: None }]
    );
    let entries = store
        .history(&winner.key.merchant, winner.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(entries.len(), 2, "a lost write leaves no journal entry");
}

async fn merchants_do_not_see_each_other(store: &dyn AnyStore) {
    let mut life = Life::new(3);
    let mine = applied(store, life.admit(key_of("mine", "k"))).await;
    let yours = applied(store, life.admit(key_of("yours", "k"))).await;
    // A merchant whose name begins with another's.
    let longer = applied(store, life.admit(key_of("mine2", "k"))).await;
    assert_ne!(mine.id, yours.id);
    assert_eq!(
        store.find(&yours.key.merchant, mine.id).await.unwrap(),
        None
    );
    assert_eq!(
        store.history(&yours.key.merchant, mine.id).await.unwrap(),
        None
    );
    assert_eq!(store.list(&query("mine")).await.unwrap().operations, [mine]);
    assert_eq!(
        store.list(&query("mine2")).await.unwrap().operations,
        [longer]
    );
    assert_eq!(store.list(&query("nobody")).await.unwrap(), Page::default());
}

async fn pages_are_newest_first_and_hold_every_payment_once(store: &dyn AnyStore) {
    let mut life = Life::new(4);
    let mut ids = Vec::new();
    for n in 0..25 {
        let admitted = applied(store, life.admit(key_of("pager", &format!("k{n}")))).await;
        ids.push(admitted.id);
        if n % 3 == 0 {
            applied(store, life.settle(&admitted)).await;
        }
    }
    ids.reverse();
    let pages = |state: Option<StateName>, limit: usize| async move {
        let mut seen: Vec<OperationId> = Vec::new();
        let mut before = None;
        loop {
            let page = store
                .list(&Query {
                    before,
                    limit,
                    filter: Filter {
                        state,
                        ..Filter::default()
                    },
                    ..query("pager")
                })
                .await
                .unwrap();
            assert!(page.operations.len() <= limit);
            seen.extend(page.operations.iter().map(|payment| payment.id));
            before = page.next_before;
            if before.is_none() {
                return seen;
            }
        }
    };
    for limit in [1, 7, 25, 100] {
        assert_eq!(pages(None, limit).await, ids);
    }
    let settled: Vec<_> = ids.iter().rev().step_by(3).rev().copied().collect();
    assert_eq!(pages(Some(StateName::Settled), 4).await, settled);
    let persisted: Vec<_> = ids
        .iter()
        .filter(|id| !settled.contains(id))
        .copied()
        .collect();
    assert_eq!(pages(Some(StateName::Persisted), 4).await, persisted);
    assert_eq!(pages(Some(StateName::Failed), 4).await, []);
    let in_phase = |phase, state| Query {
        filter: Filter {
            phase: Some(phase),
            state,
            ..Filter::default()
        },
        ..query("pager")
    };
    // A call that is not made is in no phase; one that is, in one.
    let nothing = store.list(&in_phase(Phase::Awaiting, None)).await.unwrap();
    assert_eq!(nothing, Page::default());
    let admitted = store.list(&query("pager")).await.unwrap().operations;
    let waiting = admitted
        .into_iter()
        .find(|payment| payment.state == State::Persisted)
        .unwrap();
    let called = applied(store, life.step(&waiting, &Event::Dispatch(mark()))).await;
    for state in [None, Some(StateName::BankCalled)] {
        let found = store.list(&in_phase(Phase::Awaiting, state)).await.unwrap();
        assert_eq!(found.operations.first(), Some(&called));
        assert_eq!(found.operations.len(), 1);
        let found = store.list(&in_phase(Phase::Review, state)).await.unwrap();
        assert_eq!(found.operations, []);
    }
    let found = in_phase(Phase::Awaiting, Some(StateName::Settled));
    assert_eq!(store.list(&found).await.unwrap().operations, []);

    let by_key = |text: &str, state| Query {
        filter: Filter {
            idempotency_key: Some(key(text).idempotency_key),
            state,
            ..Filter::default()
        },
        ..query("pager")
    };
    let page = store.list(&by_key("k3", None)).await.unwrap();
    assert_eq!(
        page.operations
            .iter()
            .map(|payment| payment.id)
            .collect::<Vec<_>>(),
        [ids[21]]
    );
    let filtered = by_key("k3", Some(StateName::Failed));
    assert_eq!(store.list(&filtered).await.unwrap(), Page::default());
    assert_eq!(
        store.list(&by_key("unknown", None)).await.unwrap(),
        Page::default()
    );
}

/// Payments to search for. The clock goes back in between, so the third is older than its id.
async fn searched(store: &dyn AnyStore) -> Vec<Operation> {
    let mut life = Life::new(21);
    let account = |name: &str| AccountId::new(name).unwrap();
    let payments = [
        (2_000, 5, "EUR", "alice", "shop", Some("order 1")),
        (3_000, 5, "JPY", "bob", "shop", Some("order 2")),
        (2_500, 7, "EUR", "shop", "alice", None),
        (4_000, 7, "EUR", "bob", "carol", Some("order 1")),
    ];
    let mut made = Vec::new();
    for (now, amount, currency, debtor, creditor, text) in payments {
        life.now = now;
        let request = PaymentRequest::new(
            Amount::new(amount).unwrap(),
            Currency::from_code(currency).unwrap(),
            account(debtor),
            account(creditor),
            text.map(|text| Reference::new(text).unwrap()),
            Metadata::default(),
        );
        let step = life.admit_request(
            key_of("searched", &now.to_string()),
            request.unwrap().into(),
        );
        made.push(applied(store, step).await);
    }
    made
}

/// All that a query finds, page by page.
async fn found(store: &dyn AnyStore, query: &Query) -> Vec<OperationId> {
    let (mut found, mut before) = (Vec::new(), query.before);
    loop {
        let page = Query {
            before,
            ..query.clone()
        };
        let page = store.list(&page).await.unwrap();
        found.extend(page.operations.iter().map(|payment| payment.id));
        before = page.next_before;
        if before.is_none() {
            return found;
        }
    }
}

async fn every_condition_of_a_search_holds(store: &dyn AnyStore) {
    let payments = searched(store).await;
    let none = Filter::default;
    let after = |ms| Filter {
        created_after: Some(at(ms)),
        ..none()
    };
    let before = |ms| Filter {
        created_before: Some(at(ms)),
        ..none()
    };
    let of_account = |name| Filter {
        account: Some(AccountId::new(name).unwrap()),
        ..none()
    };
    let of_reference = |text| Filter {
        reference: Some(Reference::new(text).unwrap()),
        ..none()
    };
    let of = |amount, currency: Option<&str>| Filter {
        amount: Amount::new(amount).ok(),
        currency: currency.map(|code| Currency::from_code(code).unwrap()),
        ..none()
    };
    let persisted = Filter {
        state: Some(StateName::Persisted),
        created_before: Some(at(4_001)),
        ..of_account("shop")
    };
    let settled = Filter {
        state: Some(StateName::Settled),
        ..of_account("shop")
    };
    // They were created at 2001, 3001, 2501 and 4001. Both bounds are exclusive.
    let cases: [(Filter, &[usize]); 14] = [
        (none(), &[3, 2, 1, 0]),
        (of_account("alice"), &[2, 0]),
        (of_account("carol"), &[3]),
        (of_reference("order 1"), &[3, 0]),
        (of(5, None), &[1, 0]),
        (of(5, Some("EUR")), &[0]),
        (after(2_001), &[3, 2, 1]),
        (after(2_000), &[3, 2, 1, 0]),
        (before(3_001), &[2, 0]),
        (before(3_002), &[2, 1, 0]),
        (after(2_501), &[3, 1]),
        (after(u64::MAX), &[]),
        (persisted, &[2, 1, 0]),
        (settled, &[]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|number| payments[*number].id).collect();
        for limit in [1, 3, 100] {
            let query = Query {
                filter: filter.clone(),
                limit,
                ..query("searched")
            };
            assert_eq!(found(store, &query).await, expected, "{query:?}");
        }
    }
    // A cursor that is older than what is looked for.
    let past = Query {
        before: Some(payments[0].id),
        filter: after(3_000),
        ..query("searched")
    };
    assert_eq!(store.list(&past).await.unwrap(), Page::default());
}

async fn the_journal_is_dense_and_tells_each_life_in_order(store: &dyn AnyStore) {
    let mut life = Life::new(5);
    let first = applied(store, life.admit(key_of("journal", "a"))).await;
    let second = applied(store, life.admit(key_of("journal", "b"))).await;
    let first = applied(store, life.settle(&first)).await;
    let cancel = life.step(&second, &Event::Cancel);
    let second = applied(store, cancel).await;
    let of = |payment: Operation| async move {
        store
            .history(&payment.key.merchant, payment.id)
            .await
            .unwrap()
            .unwrap()
    };
    let (a, b) = (of(first.clone()).await, of(second).await);
    let movements = |entries: &[(u64, holdfast_core::JournalEntry)]| {
        entries
            .iter()
            .map(|(_, e)| e.movement.as_ref().map(|m| m.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        movements(&a),
        [Some(MovementKind::Hold), None, Some(MovementKind::Post)]
    );
    assert_eq!(
        movements(&b),
        [Some(MovementKind::Hold), Some(MovementKind::Void)]
    );
    assert_eq!(a[0].1.admission.as_ref().unwrap().request, first.request);
    assert!(a[1].1.admission.is_none());
    let mut sequences: Vec<u64> = a.iter().chain(&b).map(|(sequence, _)| *sequence).collect();
    assert!(a.is_sorted_by_key(|(sequence, _)| *sequence));
    sequences.sort_unstable();
    let start = sequences[0];
    assert_eq!(sequences, (start..start + 5).collect::<Vec<_>>());
}

async fn unfinished_payments_are_listed_oldest_first_until_they_end(store: &dyn AnyStore) {
    let mut life = Life::new(6);
    let mut open = Vec::new();
    for n in 0..10 {
        let admitted = applied(store, life.admit(key_of("unfinished", &format!("k{n}")))).await;
        if n % 2 == 0 {
            applied(store, life.settle(&admitted)).await;
        } else {
            open.push((admitted.id, admitted.key));
        }
    }
    let all = store.unfinished(None, 1_000).await.unwrap();
    let of_mine = |(_, key): &&(OperationId, OperationKey)| key.merchant.as_str() == "unfinished";
    let mine: Vec<_> = all.iter().filter(of_mine).cloned().collect();
    assert_eq!(mine, open);
    assert!(all.is_sorted());
    assert_eq!(
        store.unfinished(Some(all[1].0), 2).await.unwrap(),
        all[2..4]
    );
}

async fn a_closed_store_refuses_work(store: &dyn AnyStore) {
    let mut life = Life::new(7);
    let write = life.admit(key("too-late"));
    store.close().await.unwrap();
    assert!(matches!(
        store.commit(vec![write]).await,
        Err(StoreError::Transient(_))
    ));
    assert!(matches!(
        store.get(&key("too-late")).await,
        Err(StoreError::Transient(_))
    ));
}

async fn a_contradiction_is_journalled_and_listed_and_leaves_the_record_as_it_is(
    store: &dyn AnyStore,
) {
    let mut life = Life::new(7);
    let admitted = applied(store, life.admit(key_of("disputed", "k"))).await;
    let cancelled = applied(store, life.step(&admitted, &Event::Cancel)).await;
    let debit = |id: &str| Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new(id).unwrap(),
        },
        evidence: Evidence::Inquiry,
    };
    let (first, second) = (debit("b_1"), debit("b_2"));
    let batch = vec![
        life.step(&cancelled, &first),
        life.step(&cancelled, &second),
    ];
    let verdicts = store.commit(batch).await.unwrap();
    assert_eq!(
        verdicts,
        [Verdict::Applied, Verdict::Applied],
        "neither changes the version"
    );
    assert_eq!(
        store.get(&cancelled.key).await.unwrap().as_ref(),
        Some(&cancelled)
    );

    let merchant = Merchant::new("disputed").unwrap();
    let listed = store.contradictions(&merchant, 0, 10).await.unwrap();
    let entries = store
        .history(&merchant, admitted.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(listed, entries[2..], "in the payment's own history as well");
    assert!(
        listed
            .iter()
            .all(|(_, entry)| matches!(entry.cause, Cause::Contradiction(_)))
    );
    assert_eq!(
        store.contradictions(&merchant, 0, 1).await.unwrap(),
        listed[..1]
    );
    let after_first = store
        .contradictions(&merchant, listed[0].0, 10)
        .await
        .unwrap();
    assert_eq!(after_first, listed[1..]);
    let other = Merchant::new("dispute").unwrap();
    assert_eq!(store.contradictions(&other, 0, 10).await.unwrap(), []);
}

/// Of the lives that a store ever had, one is not over: this one.
fn every_tenure_but_its_own_is_over(store: &dyn AnyStore) {
    let own = store.tenure();
    assert!(!store.is_over(own));
    assert!(store.is_over(Tenure::NONE));
    assert!(store.is_over(Tenure::new(own.number() - 1)));
}

async fn a_cursor_is_kept_by_its_name(store: &dyn AnyStore) {
    let name = |text: &str| CursorName::new(text).unwrap();
    assert_eq!(store.load(&name("one")).await.unwrap(), 0);
    store.save(&name("one"), 7).await.unwrap();
    store.save(&name("other"), 2).await.unwrap();
    assert_eq!(store.load(&name("one")).await.unwrap(), 7);
    store.save(&name("one"), 3).await.unwrap();
    assert_eq!(store.load(&name("one")).await.unwrap(), 3, "it may go back");
    assert_eq!(store.load(&name("other")).await.unwrap(), 2);
    assert_eq!(store.load(&name("on")).await.unwrap(), 0);
}

async fn conforms(store: &dyn AnyStore) {
    every_tenure_but_its_own_is_over(store);
    a_cursor_is_kept_by_its_name(store).await;
    a_write_is_read_back_by_key_and_by_id(store).await;
    a_stale_write_loses_and_is_told_what_stands(store).await;
    merchants_do_not_see_each_other(store).await;
    pages_are_newest_first_and_hold_every_payment_once(store).await;
    every_condition_of_a_search_holds(store).await;
    the_journal_is_dense_and_tells_each_life_in_order(store).await;
    unfinished_payments_are_listed_oldest_first_until_they_end(store).await;
    a_contradiction_is_journalled_and_listed_and_leaves_the_record_as_it_is(store).await;
    a_closed_store_refuses_work(store).await;
}

#[tokio::test]
async fn the_sled_store_conforms() {
    let directory = tempfile::tempdir().unwrap();
    conforms(&open(directory.path())).await;
}

#[tokio::test(start_paused = true)]
async fn the_simulated_store_conforms() {
    let store = SimulatedStore::default().reopen();
    store.set_sync_ms(3);
    conforms(&store).await;
}

/// A tenure that comes back would take the attempts of the life before for its own.
async fn begins_a_tenure<S: AnyStore>(open: impl Fn() -> S) {
    let name = CursorName::new("consumer").unwrap();
    let mut before = Tenure::NONE;
    for life in 1..4 {
        let store = open();
        assert!(store.tenure() > before, "{life}");
        assert!(store.is_over(before));
        assert_eq!(store.load(&name).await.unwrap(), life - 1);
        store.save(&name, life).await.unwrap();
        before = store.tenure();
    }
}

#[tokio::test]
async fn each_opening_of_the_embedded_store_begins_a_tenure_and_finds_the_cursors() {
    let directory = tempfile::tempdir().unwrap();
    begins_a_tenure(|| open(directory.path())).await;
}

#[tokio::test]
async fn each_opening_of_the_simulated_store_begins_a_tenure_and_finds_the_cursors() {
    let medium = Arc::new(Medium::default());
    begins_a_tenure(|| SimulatedStore::open(medium.clone(), None)).await;
}

/// The set of unfinished payments is kept without an index write each; it must be found whole after
/// a restart at any distance from the last index write.
#[tokio::test]
async fn lingering_payments_are_found_after_a_restart_however_long_ago_they_began() {
    let directory = tempfile::tempdir().unwrap();
    let mut life = Life::new(8);
    let mut open_keys = Vec::new();
    let mut linger: Option<Operation> = None;
    for generation in 0..6 {
        let store = open(directory.path());
        let unfinished = store.unfinished(None, 1_000_000).await.unwrap();
        let found: Vec<_> = unfinished.into_iter().map(|(_, key)| key).collect();
        assert_eq!(found, open_keys, "generation {generation}");
        // The one that lingered through several moves of the mark ends now.
        if let Some(payment) = linger.take() {
            open_keys.retain(|key| *key != payment.key);
            applied(&store, life.settle(&payment)).await;
        }
        for batch in 0..12 {
            let mut writes = Vec::new();
            for n in 0..100 {
                let admit = life.admit(key(&format!("g{generation}-b{batch}-n{n}")));
                let payment = admit.operation.clone();
                writes.push(admit);
                // Each batch leaves some payments open, so many that the mark moves in several steps; the others end in the
                // batch they began in.
                if n % 5 == 2 {
                    open_keys.push(payment.key.clone());
                    linger = Some(payment);
                } else {
                    writes.push(life.settle(&payment));
                }
            }
            let verdicts = store.commit(writes).await.unwrap();
            assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        }
        store.close().await.unwrap();
    }
}

/// A search for something rare looks at thousands of payments; nobody waits behind it.
#[tokio::test]
async fn a_read_that_looks_at_many_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&LocalOptions {
        directory: directory.path().to_owned(),
        cache_bytes: 64 << 20,
        accept_older: false,
        neighbours: Vec::new(),
    });
    let store = store.unwrap();
    let mut life = Life::new(9);
    for batch in 0..20 {
        let writes: Vec<Step> = (0..100)
            .map(|n| life.admit(key(&format!("{batch}-{n}"))))
            .collect();
        let payments: Vec<Operation> = writes.iter().map(|write| write.operation.clone()).collect();
        store.commit(writes).await.unwrap();
        let settled = payments
            .iter()
            .map(|payment| life.settle(payment))
            .collect();
        store.commit(settled).await.unwrap();
    }
    let rare = Query {
        filter: Filter {
            state: Some(StateName::Failed),
            ..Filter::default()
        },
        ..query("default")
    };
    let mut searching = std::pin::pin!(store.list(&rare));
    let begun = std::future::poll_fn(|context| {
        std::task::Poll::Ready(searching.as_mut().poll(context).is_pending())
    });
    assert!(
        begun.await,
        "the search is not done on the thread of who asked"
    );
    // Others are served meanwhile, on this one thread.
    let found = store.get(&key("0-0")).await.unwrap();
    assert_eq!(found.unwrap().state.name(), StateName::Settled);
    assert_eq!(searching.await.unwrap().operations, []);
}
