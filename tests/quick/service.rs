//! The service over a simulated store and a scripted bank, in virtual time: what it does about each
//! way a bank call can end, and what it refuses.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::{
    BankName, Capability, Cause, Event, Evidence, FailureReason, Interruption, JournalEntry, Mark,
    Operation, OperationId, OperationKey, Phase, State, Step, Tenure, Timestamp, transition,
};
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::{
    CreateError, CreateOptions, Service, ServiceOptions, ServiceParts, Unavailable,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::startup::{BankTerms, Misfit, check_banks};
use holdfast_engine::store::{Log, NotedTime, Store, StoreError, Verdict};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::sample::{key, mark, request};
use holdfast_tests::scripted::{
    KEYED, ScriptedBank, VirtualClock, World, confirmed, lane, phase, small_budgets, wait, world,
    world_at, world_of, world_with,
};
use tokio::sync::watch;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn the_fast_path_is_two_commits_and_three_entries() {
    let world = world(ScriptedBank::new(KEYED));
    let created = world.pay("k", wait(10)).await.unwrap();
    assert!(!created.replayed);
    assert_eq!(world.store.commits(), 2);
    assert_eq!(
        world.causes(),
        [Cause::Request, Cause::Dispatch, Cause::BankAnswer]
    );
    let again = world.pay("k", wait(10)).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.payment, created.payment);
    assert_eq!((world.store.commits(), world.bank.counts()), (2, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_at_a_keyed_bank_is_sent_again_under_the_same_reference() {
    let bank = ScriptedBank::new(KEYED).charges([ChargeOutcome::Unknown, ChargeOutcome::Unknown]);
    let world = world(bank);
    let payment = world.settles("k").await;
    assert_eq!(payment.attempts, 3);
    let references = world.bank.references();
    assert_eq!(references, vec![payment.bank_reference(); 3]);
    assert_eq!(world.bank.attempts(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_is_unknown_and_never_failed() {
    let world = world(ScriptedBank::new(KEYED).latency_s(11));
    let created = world.pay("k", wait(15)).await.unwrap();
    assert!(matches!(created.payment.state, State::BankCalled(_)));
    assert!(world.causes().contains(&Cause::NoAnswer));
}

/// A request may reach the bank after it has answered an inquiry and before that answer is here.
#[tokio::test(start_paused = true)]
async fn not_found_is_as_old_as_the_question() {
    let (grace_ms, latency_s) = (3_000, 5);
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms })
        .charges([ChargeOutcome::Unknown])
        .inquiry_latency_s(latency_s);
    let world = world(bank);
    assert_eq!(world.settles("k").await.attempts, 2);
    let journal = world.store.journal();
    let sent = journal.iter().find(|entry| entry.cause == Cause::Dispatch);
    let proof = journal.iter().find(|entry| {
        let phase = match &entry.to {
            State::BankCalled(called) => Some(called.phase),
            _ => None,
        };
        entry.cause == Cause::Inquiry && phase == Some(Phase::Awaiting)
    });
    let after_ms = proof.unwrap().at.ms_since(sent.unwrap().at);
    assert!(
        after_ms >= grace_ms + latency_s * 1_000,
        "what proved it was asked for after the grace: {after_ms} ms"
    );
}

#[tokio::test(start_paused = true)]
async fn without_room_for_new_payments_known_ones_are_answered_and_those_under_way_end() {
    let bank = ScriptedBank::new(KEYED).latency_s(5);
    let world = world(bank);
    let settled = world.settles("known").await;
    let under_way = world.pay("under-way", wait(0)).await.unwrap();
    world.store.set_full(true);
    assert!(matches!(
        world.pay("new", wait(10)).await,
        Err(CreateError::Unavailable(Unavailable::NoRoom))
    ));
    assert_eq!(world.service.ready(), Err(Unavailable::NoRoom));
    assert_eq!(world.pay("known", wait(0)).await.unwrap().payment, settled);
    let ended = world.settles("under-way").await;
    assert_eq!(ended.id, under_way.payment.id);
    world.store.set_full(false);
    assert_eq!(world.service.ready(), Ok(()));
    world.settles("new").await;
    assert_eq!(world.bank.counts(), (3, 0));
}

/// The grace is counted from the mark: a request that leaves long after it might arrive after the proof that
/// it never did.
#[tokio::test(start_paused = true)]
async fn an_attempt_whose_mark_took_long_to_become_durable_is_not_sent() {
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms: 2_000 });
    let store = SimulatedStore::default();
    store.set_sync_ms(1_001);
    let world = world_with(bank, store, small_budgets());
    let created = world.pay("k", wait(60)).await.unwrap();
    assert_eq!(phase(&created.payment), Some(Phase::Awaiting));
    assert_eq!(world.bank.counts(), (0, 0), "the bank never heard of it");
    let held_back = created.payment.attempts;
    assert!(held_back > small_budgets().budgets.attempts_max);
    // With half the grace left it is sent. What was held back has cost no attempt.
    world.store.set_sync_ms(1_000);
    assert_eq!(world.settles("other").await.attempts, 1);
    assert!(world.settles("k").await.attempts > held_back);
    assert_eq!(world.bank.counts(), (2, 0));
}

/// Someone else moves the record while the bank's answer is on its way: what the bank said is not dropped.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_applied_to_what_stands_then() {
    let world = world(ScriptedBank::new(KEYED).latency_s(5));
    let waiting = world.pay("k", wait(3_600));
    let other_writer = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let standing = world.store.get(&key("k")).await.unwrap().unwrap();
        let next_at = standing.updated_at.plus_ms(3_600_000);
        let interruption = Interruption::NoAnswer;
        let unknown = Event::OutcomeUnknown {
            next_at,
            interruption,
        };
        let step = transition(&standing, &unknown, standing.updated_at).unwrap();
        world.store.commit(vec![step]).await.unwrap()
    };
    let (paid, verdicts) = tokio::join!(waiting, other_writer);
    assert_eq!(verdicts, [Verdict::Applied]);
    let payment = paid.unwrap().payment;
    assert!(matches!(payment.state, State::Settled { .. }));
    assert_eq!(world.bank.counts(), (1, 0), "neither asked nor sent again");
    let causes = world.causes();
    assert_eq!(causes[2..], [Cause::NoAnswer, Cause::BankAnswer]);
}

/// A log that knows of an unfinished payment and has no record of it.
struct WithoutRecord(Arc<SimulatedStore>);

#[async_trait]
impl Log for WithoutRecord {
    fn tenure(&self) -> Tenure {
        self.0.tenure()
    }

    fn is_over(&self, tenure: Tenure) -> bool {
        self.0.is_over(tenure)
    }

    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError> {
        self.0.commit(batch).await
    }

    async fn get(&self, _: &OperationKey) -> Result<Option<Operation>, StoreError> {
        Ok(None)
    }

    async fn entries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.0.entries(after, limit).await
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.0.head()
    }

    async fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError> {
        self.0.unfinished(after, limit).await
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn noted_time(&self) -> NotedTime {
        self.0.noted_time()
    }

    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        self.0.note_time(noted).await
    }

    fn check_tenure(&self) -> Result<(), StoreError> {
        self.0.check_tenure()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }
}

/// A retry of that payment would be taken for a new one and charged again.
#[tokio::test(start_paused = true)]
async fn an_unfinished_payment_without_a_record_stops_the_service() {
    let world = world(ScriptedBank::new(KEYED).latency_s(5));
    world.pay("k", wait(0)).await.unwrap();
    let bank = Arc::new(ScriptedBank::new(KEYED));
    let store = Arc::new(world.store.reopen());
    let service = Service::start(ServiceParts {
        store: Store {
            log: Arc::new(WithoutRecord(store.clone())),
            ..Store::new(store)
        },
        banks: vec![lane(bank.clone())],
        clock: Arc::new(world.clock.clone()),
        source: Arc::new(SeededSource::new([1; 32])),
        options: ServiceOptions::default(),
    });
    service.recover().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let failure = service.failure().get().expect("it stops");
    let source = std::error::Error::source(&*failure).unwrap().to_string();
    assert!(
        source.contains("the record of the payment default k is missing"),
        "{source}"
    );
    let request = request(1999);
    let retry = service.create(key("k"), request, wait(10)).await;
    assert!(matches!(
        retry,
        Err(CreateError::Unavailable(Unavailable::Stopped))
    ));
    assert_eq!(bank.counts(), (0, 0));
}

/// A payment that is unknown when the process ends, found by the next one with another promise of the bank.
async fn restarted_as(before: Capability, after: Capability) -> (World, Arc<Operation>) {
    let lost = [ChargeOutcome::Unknown];
    let first = world(ScriptedBank::new(before).charges(lost).inquiry_latency_s(9));
    first.pay("k", wait(0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let bank = ScriptedBank::new(after);
    let next = world_with(bank, first.store.reopen(), small_budgets());
    next.service.recover().await.unwrap();
    let payment = next.pay("k", wait(3_600)).await.unwrap().payment;
    (next, payment)
}

/// What the bank promised when it was called counts, and what it promises now where that is less.
#[tokio::test(start_paused = true)]
async fn a_configuration_that_promises_more_moves_no_attempt_that_was_made_before() {
    let never = Capability::InquiryOnly { grace_ms: u64::MAX };
    for (before, after) in [
        (Capability::Neither, KEYED),
        (KEYED, Capability::Neither),
        (never, KEYED),
        (KEYED, never),
    ] {
        let (world, payment) = restarted_as(before, after).await;
        assert_eq!(phase(&payment), Some(Phase::Review), "{before} to {after}");
        assert_eq!(world.bank.counts().0, 0, "never sent again");
    }
    let keyed = |window_ms, grace_ms| Capability::Keyed {
        window_ms,
        grace_ms,
    };
    // A window that a lost flag makes longer, and a grace that it makes shorter.
    for (before, after) in [
        (keyed(61_000, 60_999), keyed(86_400_000, 60_000)),
        (keyed(86_400_000, u64::MAX), keyed(86_400_000, 60_000)),
    ] {
        let (world, payment) = restarted_as(before, after).await;
        assert_eq!(phase(&payment), Some(Phase::Review), "{before} to {after}");
        assert_eq!(world.bank.counts().0, 0);
    }
    let (world, payment) = restarted_as(KEYED, KEYED).await;
    assert!(matches!(payment.state, State::Settled { .. }));
    assert_eq!(world.bank.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_has_the_reference_is_asked_and_not_sent_to() {
    let bank = ScriptedBank::new(KEYED)
        .charges([ChargeOutcome::Unknown, ChargeOutcome::Known])
        .inquiries([
            InquiryOutcome::NotFound,
            InquiryOutcome::Unknown,
            InquiryOutcome::Decided(confirmed()),
        ]);
    let world = world(bank);
    let payment = world.settles("k").await;
    assert_eq!((payment.attempts, world.bank.counts()), (2, (2, 3)));
    assert!(world.causes().contains(&Cause::Known));
}

/// By its own word it has the payment; a "not found" after that, from a copy that lags behind, is no proof that it has not.
#[tokio::test(start_paused = true)]
async fn not_found_proves_nothing_of_a_reference_that_the_bank_has() {
    let bank = ScriptedBank::new(KEYED)
        .charges(vec![ChargeOutcome::Known; 3])
        .inquiries(vec![InquiryOutcome::NotFound; 100]);
    let world = world(bank);
    let payment = world.pay("k", wait(3_600)).await.unwrap().payment;
    assert_eq!(phase(&payment), Some(Phase::Review), "{payment:?}");
    assert_eq!(world.bank.counts().0, 1, "and it is not sent again");
}

const HOUR_MS: i64 = 3_600_000;

/// Set back by more than half the grace while payments wait, the wall clock made them spend their attempts unsent.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_costs_no_attempt() {
    for ahead_ms in [-HOUR_MS, HOUR_MS] {
        let busy = std::iter::repeat_n(ChargeOutcome::Throttled { retry_after_ms: 0 }, 2);
        let world = world(ScriptedBank::new(KEYED).charges(busy));
        world.pay("k", wait(0)).await.unwrap();
        world.clock.set_ahead_ms(ahead_ms);
        let payment = world.settles("k").await;
        assert_eq!(payment.attempts, 3, "{ahead_ms}");
        assert_eq!(world.bank.counts(), (3, 0), "each of them was sent");
        assert_eq!(world.settles("new").await.attempts, 1);
    }
}

/// Forward while the attempt is marked and back afterwards: the attempt looked younger than it was.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ahead_and_back_lets_no_attempt_leave_the_banks_memory() {
    let (window_ms, grace_ms) = (30_000, 1_000);
    let capability = Capability::Keyed {
        window_ms,
        grace_ms,
    };
    for [before, after] in [[HOUR_MS, 0], [0, -HOUR_MS], [0, 0]] {
        let bank = ScriptedBank::new(capability)
            .charges(vec![ChargeOutcome::Unknown; 40])
            .inquiries(vec![InquiryOutcome::Unknown; 40]);
        let world = world(bank);
        world.clock.set_ahead_ms(before);
        world.pay("k", wait(0)).await.unwrap();
        world.clock.set_ahead_ms(after);
        let began = Instant::now();
        while world.bank.counts().1 == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let sent = world.bank.counts().0;
        assert!(began.elapsed() < Duration::from_millis(2 * window_ms));
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert_eq!(
            world.bank.counts().0,
            sent,
            "asked once its memory may be over"
        );
        assert!(sent > 1, "and sent again before");
    }
}

/// The wall clock was set back while the service was down: nobody knows how long that was.
#[tokio::test(start_paused = true)]
async fn after_a_restart_behind_what_is_durable_the_bank_is_asked_and_not_sent_to() {
    let lost = vec![ChargeOutcome::Unknown; 2];
    let first = world(ScriptedBank::new(KEYED).charges(lost));
    let unknown = first.pay("k", wait(0)).await.unwrap().payment;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let clock = VirtualClock::default();
    clock.set_ahead_ms(-HOUR_MS);
    let bank = ScriptedBank::new(KEYED).inquiries([InquiryOutcome::Decided(confirmed())]);
    let next = world_at(bank, first.store.reopen(), small_budgets(), clock);
    next.service.recover().await.unwrap();
    let payment = next.settles("k").await;
    assert_eq!(next.bank.counts(), (0, 1));
    assert!(
        payment.updated_at >= unknown.updated_at,
        "time never goes back"
    );
    // What this life makes itself is as old as it has seen.
    assert_eq!(next.settles("new").await.attempts, 1);
}

/// The clock was ahead, and was set right while the service ran: a mark made before that looks younger than it is to
/// every later life, though the wall clock is past everything by then.
#[tokio::test(start_paused = true)]
async fn after_a_clock_that_was_set_back_the_next_life_asks_and_does_not_send() {
    let clock = VirtualClock::default();
    clock.set_ahead_ms(HOUR_MS);
    let bank = ScriptedBank::new(KEYED).charges(vec![ChargeOutcome::Unknown; 20]);
    let store = SimulatedStore::default();
    let first = world_at(bank, store, ServiceOptions::default(), clock);
    first.pay("k", wait(0)).await.unwrap();
    first.clock.set_ahead_ms(0);
    // The next note says so.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let store = first.store.reopen();
    assert!(store.noted_time().in_doubt);
    // The bank remembers for a day. By the times that are stamped an hour less has passed than really has.
    tokio::time::sleep(Duration::from_mins(24 * 60 + 30)).await;
    let bank = ScriptedBank::new(KEYED).inquiries([InquiryOutcome::Decided(confirmed())]);
    let next = world_with(bank, store, ServiceOptions::default());
    next.service.recover().await.unwrap();
    next.settles("k").await;
    assert_eq!(next.bank.counts(), (0, 1));
    // With it the doubt has ended.
    assert!(!next.store.noted_time().in_doubt);
}

/// A log with one payment that was admitted for each of these banks and not sent.
async fn admitted_for(banks: &[&str]) -> SimulatedStore {
    let store = SimulatedStore::default();
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let source = SeededSource::new([4; 32]);
    for bank in banks {
        let id = source.operation_id(now);
        let received = Operation::received(id, key(bank), request(1999), now)
            .for_bank(BankName::new(bank).unwrap());
        let admitted = transition(&received, &Event::Admit, now).unwrap();
        store.commit(vec![admitted]).await.unwrap();
    }
    store.reopen()
}

/// A service over a store, with these banks.
fn service_with(store: SimulatedStore, banks: &[Arc<ScriptedBank>]) -> Service {
    Service::start(ServiceParts {
        store: Store::new(Arc::new(store)),
        banks: banks.iter().map(|bank| lane(bank.clone())).collect(),
        clock: Arc::new(VirtualClock::default()),
        source: Arc::new(SeededSource::new([1; 32])),
        options: ServiceOptions::default(),
    })
}

#[tokio::test(start_paused = true)]
async fn each_payment_goes_to_the_lane_of_its_bank_and_a_new_one_to_the_first() {
    let store = admitted_for(&["one", "two"]).await;
    let banks = ["one", "two"].map(|name| Arc::new(ScriptedBank::new(KEYED).named(name)));
    let service = service_with(store, &banks);
    assert_eq!(service.recover().await.unwrap(), 2);
    for (name, bank) in ["one", "two"].into_iter().zip(&banks) {
        let paid = service.create(key(name), request(1999), wait(60)).await;
        let payment = paid.unwrap().payment;
        assert!(matches!(payment.state, State::Settled { .. }), "{name}");
        assert_eq!(bank.references(), [payment.bank_reference()]);
    }
    let new = service.create(key("new"), request(1999), wait(60)).await;
    let new = new.unwrap().payment;
    assert_eq!(new.bank.as_ref().unwrap().as_str(), "one");
    assert_eq!(banks.map(|bank| bank.counts().0), [2, 1]);
}

/// A bank that is slow fills the slots of its own lane, and no other's.
#[tokio::test(start_paused = true)]
async fn a_lane_whose_slots_are_taken_holds_up_no_payment_of_another_bank() {
    let store = admitted_for(&["slow", "quick"]).await;
    let slow = Arc::new(ScriptedBank::new(KEYED).named("slow").latency_s(9));
    let quick = Arc::new(ScriptedBank::new(KEYED).named("quick"));
    let service = service_with(store, &[slow.clone(), quick.clone()]);
    service.recover().await.unwrap();
    let began = Instant::now();
    let paid = service.create(key("quick"), request(1999), wait(60)).await;
    assert!(matches!(paid.unwrap().payment.state, State::Settled { .. }));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!((slow.counts().0, quick.counts().0), (1, 1));
}

/// Nothing of it is sent to another bank; it waits for a service that has its own.
#[tokio::test(start_paused = true)]
async fn a_payment_whose_bank_has_no_lane_here_is_sent_nowhere() {
    let store = admitted_for(&["gone"]).await;
    let bank = Arc::new(ScriptedBank::new(KEYED).named("here"));
    let service = service_with(store, std::slice::from_ref(&bank));
    service.recover().await.unwrap();
    let paid = service
        .create(key("gone"), request(1999), wait(3_600))
        .await;
    assert_eq!(paid.unwrap().payment.state, State::Persisted);
    assert_eq!(bank.counts(), (0, 0));
}

/// The mark of an attempt that a life of this tenure sent, on a log of another one.
async fn interrupted(mark_of: impl Fn(Tenure) -> Option<Tenure>) -> World {
    let store = SimulatedStore::default().reopen();
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let id = SeededSource::new([4; 32]).operation_id(now);
    let received = Operation::received(id, key("k"), request(1999), now);
    let admitted = transition(&received, &Event::Admit, now).unwrap();
    let mark = Arc::new(Mark {
        tenure: mark_of(store.tenure()),
        ..Mark::clone(&mark())
    });
    let sent = transition(&admitted.operation, &Event::Dispatch(mark), now).unwrap();
    store.commit(vec![admitted.then(sent)]).await.unwrap();
    let world = world_with(ScriptedBank::new(KEYED), store, small_budgets());
    assert_eq!(world.service.recover().await.unwrap(), 1);
    world
}

#[tokio::test(start_paused = true)]
async fn an_attempt_of_a_tenure_that_is_over_is_closed_as_unknown_and_goes_on() {
    for earlier in [None, Some(Tenure::NONE), Some(Tenure::new(99))] {
        let world = interrupted(|_| earlier).await;
        assert_eq!(world.settles("k").await.attempts, 2);
        assert_eq!(world.causes()[2], Cause::Recovery);
    }
}

/// Whoever sent it records its end; to send it again, or to call it unknown, is not ours.
#[tokio::test(start_paused = true)]
async fn an_attempt_of_a_living_tenure_is_left_to_its_owner() {
    let world = interrupted(Some).await;
    let payment = world.pay("k", wait(60)).await.unwrap().payment;
    assert_eq!(phase(&payment), Some(Phase::Awaiting));
    assert_eq!((world.causes().len(), world.bank.counts()), (2, (0, 0)));
    // The owner does, and the flight hears of it.
    let decided = Event::Decided {
        decision: confirmed(),
        evidence: Evidence::Answer,
    };
    let step = transition(&payment, &decided, payment.updated_at).unwrap();
    world.store.commit(vec![step]).await.unwrap();
    let settled = world.pay("k", wait(60)).await.unwrap().payment;
    assert!(matches!(settled.state, State::Settled { .. }));
    assert_eq!(world.bank.counts(), (0, 0));
}

/// An earlier version kept no bank with a payment; what this one has sent says where it went.
#[tokio::test(start_paused = true)]
async fn a_payment_is_with_the_bank_that_it_was_sent_to() {
    let store = SimulatedStore::default();
    let now = Timestamp::from_unix_ms(1);
    let id = SeededSource::new([4; 32]).operation_id(now);
    let received = Operation::received(id, key("k"), request(1999), now);
    assert_eq!(received.at_bank(), None);
    let admitted = transition(&received, &Event::Admit, now).unwrap();
    let sent = transition(&admitted.operation, &Event::Dispatch(mark()), now).unwrap();
    store.commit(vec![admitted.then(sent)]).await.unwrap();
    let terms = |name: &str| BankTerms {
        name: BankName::new(name).unwrap(),
        address: mark().address.clone(),
        is_stand_in: false,
        moved: true,
    };
    let store = Store::new(Arc::new(store));
    let refused = check_banks(&store, &[terms("other")]).await.unwrap_err();
    assert!(matches!(refused, Misfit::OtherBank { .. }), "{refused}");
    check_banks(&store, &[terms("default")]).await.unwrap();
    // With several banks it is enough that one of them is the one.
    let both = [terms("other"), terms("default")];
    check_banks(&store, &both).await.unwrap();
}

/// A machine that stood still notices no time, but its wall clock does.
#[tokio::test(start_paused = true)]
async fn time_that_only_the_wall_clock_noticed_counts_against_the_banks_memory() {
    let lost = vec![ChargeOutcome::Unknown; 2];
    let bank = ScriptedBank::new(KEYED)
        .charges(lost)
        .inquiries([InquiryOutcome::Decided(confirmed())]);
    let world = world(bank);
    world.pay("k", wait(0)).await.unwrap();
    world.clock.set_ahead_ms(25 * HOUR_MS);
    world.settles("k").await;
    assert_eq!(world.bank.counts(), (1, 1), "asked, and not sent again");
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_only_bank_is_asked_and_not_found_counts_only_after_the_grace() {
    let grace_ms = 60_000;
    let bank =
        ScriptedBank::new(Capability::InquiryOnly { grace_ms }).charges([ChargeOutcome::Unknown]);
    let world = world(bank);
    let payment = world.settles("k").await;
    assert_eq!(payment.attempts, 2, "sent again once it was proven unsent");
    let journal = world.store.journal();
    let sent: Vec<_> = journal
        .iter()
        .filter(|entry| entry.cause == Cause::Dispatch)
        .collect();
    assert!(sent[1].at.ms_since(sent[0].at) >= grace_ms);
    assert!(
        world.bank.counts().1 > 1,
        "asked more than once within the grace"
    );
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_that_finds_the_debit_settles_without_another_attempt() {
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms: 60_000 })
        .charges([ChargeOutcome::Unknown])
        .inquiries([
            InquiryOutcome::NotFound,
            InquiryOutcome::Decided(confirmed()),
        ]);
    let world = world(bank);
    assert_eq!(world.settles("k").await.attempts, 1);
    assert_eq!(world.bank.counts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_can_do_neither_leads_straight_to_review() {
    let bank = ScriptedBank::new(Capability::Neither).charges([ChargeOutcome::Unknown]);
    let world = world(bank);
    let created = world.pay("k", wait(3_600)).await.unwrap();
    assert_eq!(phase(&created.payment), Some(Phase::Review));
    assert_eq!(world.bank.counts(), (1, 0), "never sent again");
    let replay = world.pay("k", wait(0)).await.unwrap();
    assert_eq!(phase(&replay.payment), Some(Phase::Review));
}

#[tokio::test(start_paused = true)]
async fn spent_inquiries_lead_to_review_with_the_hold_kept() {
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms: u64::MAX })
        .charges([ChargeOutcome::Unknown]);
    let world = world_with(bank, SimulatedStore::default(), small_budgets());
    let created = world.pay("k", wait(3_600)).await.unwrap();
    assert_eq!(phase(&created.payment), Some(Phase::Review));
    assert_eq!(world.bank.counts(), (1, 4));
    let movements = world
        .store
        .journal()
        .iter()
        .filter(|entry| entry.movement.is_some())
        .count();
    assert_eq!(movements, 1, "held, neither posted nor voided");
}

#[tokio::test(start_paused = true)]
async fn attempts_that_were_never_sent_end_as_not_sent_and_retry_after_is_honoured() {
    let never = std::iter::repeat_n(
        ChargeOutcome::Throttled {
            retry_after_ms: 5_000,
        },
        3,
    );
    let bank = ScriptedBank::new(Capability::Neither).charges(never);
    let world = world_with(bank, SimulatedStore::default(), small_budgets());
    let started = Instant::now();
    let payment = world.pay("k", wait(3_600)).await.unwrap().payment;
    assert!(matches!(
        &payment.state,
        State::Failed {
            reason: FailureReason::NotSent,
            ..
        }
    ));
    assert_eq!(world.bank.counts(), (3, 0));
    assert!(started.elapsed() >= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_waits_too_long_for_its_turn_expires_unsent() {
    let bank = ScriptedBank::new(KEYED).latency_s(9);
    let bounds = LaneOptions {
        calls_max: 1,
        ..LaneOptions::default()
    };
    let options = ServiceOptions {
        expire_after_ms: 4_000,
        ..ServiceOptions::default()
    };
    let (store, clock) = (SimulatedStore::default(), VirtualClock::default());
    let world = world_of(bank, bounds, store, options, clock);
    world.pay("first", wait(0)).await.unwrap();
    let second = world.pay("second", wait(60)).await.unwrap().payment;
    assert!(matches!(
        &second.state,
        State::Failed {
            reason: FailureReason::Expired,
            ..
        }
    ));
    assert_eq!((second.attempts, world.bank.counts().0), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn duplicates_join_strict_ones_are_refused_and_others_are_a_mismatch() {
    let world = world(ScriptedBank::new(KEYED).latency_s(2));
    let duplicate = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let strict = CreateOptions {
            strict: true,
            ..wait(10)
        };
        assert!(matches!(
            world.pay("k", strict).await,
            Err(CreateError::InProgress(_))
        ));
        let other = request(1);
        let other = world.service.create(key("k"), other, wait(10)).await;
        assert!(matches!(other, Err(CreateError::Mismatch { fields, .. }) if fields == ["amount"]));
        world.pay("k", wait(10)).await
    };
    let (first, duplicate) = tokio::join!(world.pay("k", wait(10)), duplicate);
    let (first, duplicate) = (first.unwrap(), duplicate.unwrap());
    assert_eq!((first.replayed, duplicate.replayed), (false, true));
    assert_eq!(first.payment, duplicate.payment);
    assert_eq!(world.bank.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn more_flights_than_allowed_are_refused_and_have_no_effect() {
    let bank = ScriptedBank::new(KEYED).latency_s(2);
    let options = ServiceOptions {
        flights_max: 1,
        ..ServiceOptions::default()
    };
    let world = world_with(bank, SimulatedStore::default(), options);
    world.pay("first", wait(0)).await.unwrap();
    let refused = world.pay("second", wait(0)).await.unwrap_err();
    assert!(matches!(
        refused,
        CreateError::Unavailable(Unavailable::AtCapacity)
    ));
    assert_eq!(
        world.service.find_by_key(&key("second")).await.unwrap(),
        None
    );
    world.settles("first").await;
    world.settles("second").await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_stops_the_service_and_a_new_life_goes_on() {
    let world = world(ScriptedBank::new(KEYED));
    let before = world.settles("before").await;
    world.store.fail_next_sync();
    let refused = world.pay("during", wait(10)).await.unwrap_err();
    assert!(matches!(
        refused,
        CreateError::Unavailable(Unavailable::Stopped)
    ));
    assert_eq!(
        world.bank.counts().0,
        1,
        "an intent that is not durable reaches no bank"
    );
    assert_eq!(world.service.ready(), Err(Unavailable::Stopped));
    assert!(world.service.failure().is_set());
    assert!(
        world.pay("before", wait(10)).await.is_err(),
        "everything is refused"
    );

    let reopened = world.store.reopen();
    let next = world_with(
        ScriptedBank::new(KEYED),
        reopened,
        ServiceOptions::default(),
    );
    assert_eq!(next.settles("before").await, before);
    next.settles("during").await;
}

#[tokio::test(start_paused = true)]
async fn recovery_resumes_what_was_under_way_and_running_it_twice_changes_nothing() {
    let world = world(ScriptedBank::new(KEYED).latency_s(5));
    let interrupted = world.pay("k", wait(0)).await.unwrap().payment;
    assert_eq!(phase(&interrupted), Some(Phase::Awaiting));
    // The process is gone; what was durable is found by the next one.
    let bank = ScriptedBank::new(KEYED).latency_s(1);
    let next = world_with(bank, world.store.reopen(), ServiceOptions::default());
    assert_eq!(next.service.recover().await.unwrap(), 1);
    assert_eq!(
        next.service.recover().await.unwrap(),
        0,
        "it is in flight already"
    );
    let joined = next.pay("k", wait(10)).await.unwrap();
    assert!(joined.replayed);
    assert_eq!(
        (joined.payment.id, joined.payment.attempts),
        (interrupted.id, 2)
    );
    assert_eq!(next.causes()[2..4], [Cause::Recovery, Cause::Dispatch]);
    assert_eq!(next.bank.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draining_service_takes_nothing_new_and_replays_what_is_finished() {
    let world = world(ScriptedBank::new(KEYED));
    let done = world.settles("done").await;
    world.service.shutdown().await.unwrap();
    assert_eq!(world.service.ready(), Err(Unavailable::Draining));
    let refused = world.pay("new", wait(0)).await.unwrap_err();
    assert!(matches!(
        refused,
        CreateError::Unavailable(Unavailable::Draining)
    ));
    assert_eq!(world.pay("done", wait(0)).await.unwrap().payment, done);
}
