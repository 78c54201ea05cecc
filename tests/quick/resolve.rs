//! What no machine can decide: review, an operator's resolution, and evidence that comes too late.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{
    BankTransactionId, Capability, Cause, Decision, EvidenceText, FailureReason, MovementKind,
    Operation, OperatorName, Phase, Resolution, ResolvedOutcome, State,
};
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_engine::metrics::ByPhase;
use holdfast_engine::service::{ResolveError, ServiceOptions};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::scripted::{
    KEYED, ScriptedBank, World, confirmed, phase, small_budgets, wait, world, world_with,
};

fn failed(evidence: &str) -> Resolution {
    Resolution {
        outcome: ResolvedOutcome::Failed,
        evidence: EvidenceText::new(evidence).unwrap(),
        operator: OperatorName::new("olga").unwrap(),
    }
}

fn settled(transaction: &str) -> Resolution {
    Resolution {
        outcome: ResolvedOutcome::Settled {
            bank_transaction_id: BankTransactionId::new(transaction).unwrap(),
        },
        ..failed("statement, line 14")
    }
}

/// A payment that stands in review.
async fn reviewed(capability: Capability, later: Vec<InquiryOutcome>) -> (World, Arc<Operation>) {
    let spent = small_budgets().budgets.inquiries_max as usize;
    let inquiries = std::iter::repeat_n(InquiryOutcome::NotFound, spent).chain(later);
    let bank = ScriptedBank::new(capability)
        .charges([ChargeOutcome::Unknown])
        .inquiries(inquiries);
    let world = world_with(bank, SimulatedStore::default(), small_budgets());
    let payment = world.pay("k", wait(3_600)).await.unwrap().payment;
    assert_eq!(phase(&payment), Some(Phase::Review));
    (world, payment)
}

/// Decides about `payment` as it was seen.
async fn resolve(
    world: &World,
    payment: &Operation,
    resolution: &Resolution,
) -> Result<Arc<Operation>, ResolveError> {
    let merchant = &payment.key.merchant;
    let service = &world.service;
    service
        .resolve(
            merchant,
            payment.id,
            |version| version == payment.version,
            resolution,
        )
        .await
}

#[tokio::test(start_paused = true)]
async fn an_operator_decides_and_state_ledger_and_journal_move_together() {
    for (resolution, kind) in [
        (settled("b_9"), MovementKind::Post),
        (failed("the bank says no"), MovementKind::Void),
    ] {
        let (world, payment) = reviewed(Capability::Neither, vec![]).await;
        let resolved = resolve(&world, &payment, &resolution).await.unwrap();
        match &resolved.state {
            State::Settled {
                bank_transaction_id,
                ..
            } => {
                assert_eq!(bank_transaction_id.as_str(), "b_9");
            }
            state => assert!(
                matches!(
                    state,
                    State::Failed {
                        reason: FailureReason::Resolved,
                        ..
                    }
                ),
                "{state:?}"
            ),
        }
        let journal = world.store.journal();
        let entry = journal.last().unwrap();
        assert_eq!(entry.movement.as_ref().unwrap().kind, kind);
        let expected = Cause::Resolution {
            operator: resolution.operator.clone(),
            evidence: resolution.evidence.clone(),
            watched: false,
        };
        assert_eq!(
            entry.cause, expected,
            "a bank that cannot be asked is not watched"
        );
        // A retry by the client gets what was decided.
        let retry = world.pay("k", wait(0)).await.unwrap();
        assert_eq!(retry.payment, resolved);
    }
}

/// How many payments are in question: unknown, and in review.
fn in_question(world: &World) -> [i64; 2] {
    [Phase::Unknown, Phase::Review].map(|phase| {
        let gauges = &world.service.metrics().in_question;
        gauges.get_or_create(&ByPhase::of(phase)).get()
    })
}

#[tokio::test(start_paused = true)]
async fn payments_in_question_are_counted_also_after_a_restart() {
    let lost =
        || ScriptedBank::new(KEYED).charges([ChargeOutcome::Unknown, ChargeOutcome::Unknown]);
    let (review, reviewed) = reviewed(Capability::Neither, vec![]).await;
    assert_eq!(in_question(&review), [0, 1]);
    let again = world_with(lost(), review.store.reopen(), small_budgets());
    assert_eq!(in_question(&again), [0, 0]);
    assert_eq!(again.service.recover().await.unwrap(), 1);
    // It comes to rest at once; then, later, so that it gets an id of its own, another payment becomes unknown.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(in_question(&again), [0, 1]);
    again.pay("other", wait(0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(in_question(&again), [1, 1]);
    resolve(&again, &reviewed, &failed("seen")).await.unwrap();
    assert_eq!(in_question(&again), [1, 0]);
    again.settles("other").await;
    assert_eq!(in_question(&again), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_same_resolution_again_is_the_same_answer_and_another_one_is_refused() {
    let (world, payment) = reviewed(Capability::Neither, vec![]).await;
    let first = resolve(&world, &payment, &failed("seen")).await.unwrap();
    let entries = world.store.journal().len();
    assert_eq!(
        resolve(&world, &payment, &failed("seen")).await.unwrap(),
        first
    );
    assert_eq!(
        resolve(&world, &first, &failed("seen")).await.unwrap(),
        first
    );
    for other in [settled("b_9"), failed("seen elsewhere")] {
        let refused = resolve(&world, &payment, &other).await.unwrap_err();
        assert!(matches!(refused, ResolveError::NotResolvable(standing) if standing == first));
    }
    assert_eq!(world.store.journal().len(), entries, "journalled once");
}

#[tokio::test(start_paused = true)]
async fn a_decision_about_an_older_version_is_stale_and_a_payment_not_in_question_is_refused() {
    let (world, payment) = reviewed(Capability::Neither, vec![]).await;
    let seen_before = Operation {
        version: payment.version - 1,
        ..(*payment).clone()
    };
    let refused = resolve(&world, &seen_before, &failed("x"))
        .await
        .unwrap_err();
    assert!(matches!(refused, ResolveError::Stale(standing) if standing == payment));

    let done = world.settles("done").await;
    let refused = resolve(&world, &done, &failed("x")).await.unwrap_err();
    assert!(matches!(refused, ResolveError::NotResolvable(_)));

    // While a call is under way, its answer comes first.
    let slow = self::world(ScriptedBank::new(KEYED).latency_s(5));
    let calling = slow.pay("k", wait(0)).await.unwrap().payment;
    let refused = resolve(&slow, &calling, &failed("x")).await.unwrap_err();
    assert!(matches!(refused, ResolveError::NotResolvable(_)));
}

#[tokio::test(start_paused = true)]
async fn a_resolution_between_two_inquiries_ends_the_flight_and_answers_who_waits_for_it() {
    let bank = ScriptedBank::new(Capability::InquiryOnly {
        grace_ms: 3_600_000,
    })
    .charges([ChargeOutcome::Unknown]);
    let world = world(bank);
    let waiting = world.pay("k", wait(3_600));
    let operator = async {
        // By then the waits between inquiries are long.
        tokio::time::sleep(Duration::from_mins(5)).await;
        let standing = world.pay("k", wait(0)).await.unwrap().payment;
        assert_eq!(phase(&standing), Some(Phase::Unknown));
        let resolved = resolve(&world, &standing, &settled("b_1")).await.unwrap();
        (resolved, tokio::time::Instant::now())
    };
    let (answered, (resolved, at)) = tokio::join!(waiting, operator);
    assert_eq!(answered.unwrap().payment, resolved);
    assert!(
        at.elapsed() < Duration::from_millis(10),
        "at once, not at the next inquiry"
    );
}

/// The flight takes the decision up only when its inquiry has ended; nobody who asks meanwhile is told less.
#[tokio::test(start_paused = true)]
async fn a_resolution_during_an_inquiry_is_shown_to_whoever_asks_next() {
    let bank = ScriptedBank::new(Capability::InquiryOnly {
        grace_ms: 3_600_000,
    })
    .charges([ChargeOutcome::Unknown])
    .inquiry_latency_s(5);
    // The cache, which may forget at any time, has forgotten.
    let options = ServiceOptions {
        cache_bytes: 0,
        ..ServiceOptions::default()
    };
    let world = world_with(bank, SimulatedStore::default(), options);
    let standing = world.pay("k", wait(2)).await.unwrap().payment;
    assert_eq!(phase(&standing), Some(Phase::Unknown));
    assert_eq!(world.bank.counts(), (1, 1), "an inquiry is under way");
    let resolved = resolve(&world, &standing, &settled("b_1")).await.unwrap();
    assert_eq!(world.pay("k", wait(0)).await.unwrap().payment, resolved);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.pay("k", wait(0)).await.unwrap().payment, resolved);
}

#[tokio::test(start_paused = true)]
async fn a_debit_found_after_the_resolution_is_journalled_counted_and_listed_once() {
    let grace = Capability::InquiryOnly { grace_ms: u64::MAX };
    let later = vec![
        InquiryOutcome::NotFound,
        InquiryOutcome::Unknown,
        InquiryOutcome::Decided(confirmed()),
    ];
    let (world, payment) = reviewed(grace, later).await;
    let resolved = resolve(&world, &payment, &failed("no debit"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;

    let merchant = &payment.key.merchant;
    let listed = world.service.contradictions(merchant, 0, 10).await.unwrap();
    let [(_, entry)] = listed.as_slice() else {
        panic!("one contradiction: {listed:?}");
    };
    assert_eq!(entry.cause, Cause::Contradiction(confirmed()));
    assert_eq!((entry.operation_id, &entry.movement), (payment.id, &None));
    assert_eq!(world.service.metrics().contradictions.get(), 1);
    let standing = world.service.find(merchant, payment.id).await.unwrap();
    assert_eq!(standing.as_ref(), Some(&*resolved), "never written over");
    assert_eq!(world.pay("k", wait(0)).await.unwrap().payment, resolved);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_agrees_with_the_resolution_is_no_contradiction() {
    let grace = Capability::InquiryOnly { grace_ms: u64::MAX };
    let later = vec![InquiryOutcome::Decided(confirmed())];
    let (world, payment) = reviewed(grace, later).await;
    let Decision::Confirmed {
        bank_transaction_id,
    } = confirmed()
    else {
        unreachable!("it confirms");
    };
    let resolution = settled(bank_transaction_id.as_str());
    resolve(&world, &payment, &resolution).await.unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let listed = world
        .service
        .contradictions(&payment.key.merchant, 0, 10)
        .await;
    assert_eq!(listed.unwrap(), []);
    let noted = world.causes().pop();
    assert_eq!(noted, Some(Cause::WatchEnded), "and the watch is over");
    assert_eq!(
        world.bank.counts().1,
        u64::from(small_budgets().budgets.inquiries_max) + 1
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_takes_nothing_of_the_decision_with_it() {
    let grace = Capability::InquiryOnly { grace_ms: u64::MAX };
    let later = vec![InquiryOutcome::Decided(confirmed())];
    let (world, payment) = reviewed(grace, later).await;
    world.store.set_sync_ms(50);
    let decision = failed("no debit");
    let cut_off = resolve(&world, &payment, &decision);
    let cut_off = tokio::time::timeout(Duration::from_millis(10), cut_off);
    assert!(
        cut_off.await.is_err(),
        "it hangs up while the decision is being written"
    );
    tokio::time::sleep(Duration::from_hours(1)).await;

    let retry = world.pay("k", wait(0)).await.unwrap();
    assert!(retry.payment.is_finished(), "decided all the same");
    assert_eq!(world.service.metrics().failed.get(), 1);
    let merchant = &payment.key.merchant;
    let listed = world.service.contradictions(merchant, 0, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "and the bank was watched");
}

/// What the bank says weeks later must be heard, whatever happened to the process in between.
#[tokio::test(start_paused = true)]
async fn the_watch_outlives_a_restart_and_ends_for_good() {
    let grace = Capability::InquiryOnly { grace_ms: u64::MAX };
    let (world, payment) = reviewed(grace, vec![]).await;
    let resolved = resolve(&world, &payment, &failed("no debit"))
        .await
        .unwrap();
    // The process ends before the bank has said anything.
    let bank = ScriptedBank::new(grace).inquiries([InquiryOutcome::Decided(confirmed())]);
    let next = world_with(bank, world.store.reopen(), small_budgets());
    assert_eq!(next.service.recover().await.unwrap(), 1);
    let merchant = &payment.key.merchant;
    tokio::time::sleep(Duration::from_mins(5)).await;
    let listed = next.service.contradictions(merchant, 0, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(next.pay("k", wait(0)).await.unwrap().payment, resolved);

    // It has said it: nothing is left to do.
    let last = world_with(
        ScriptedBank::new(grace),
        next.store.reopen(),
        small_budgets(),
    );
    assert_eq!(last.service.recover().await.unwrap(), 0);
}

/// A bank that knows nothing is asked as often as an unknown payment would be, and then no more.
#[tokio::test(start_paused = true)]
async fn a_watch_that_hears_nothing_ends_once() {
    let grace = Capability::InquiryOnly { grace_ms: u64::MAX };
    let (world, payment) = reviewed(grace, vec![]).await;
    let asked = world.bank.counts().1;
    resolve(&world, &payment, &failed("no debit"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let most = u64::from(small_budgets().budgets.inquiries_max);
    assert_eq!(world.bank.counts().1 - asked, most);
    assert_eq!(world.causes().pop(), Some(Cause::WatchEnded));
    let next = world_with(
        ScriptedBank::new(grace),
        world.store.reopen(),
        small_budgets(),
    );
    assert_eq!(next.service.recover().await.unwrap(), 0);
}

/// The flight's own inquiry is under way when an operator decides; its answer and that of the watch
/// come while the other one is being written.
#[tokio::test(start_paused = true)]
async fn two_answers_at_once_are_one_contradiction() {
    let answers = vec![InquiryOutcome::Decided(confirmed()); 2];
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms: u64::MAX })
        .inquiry_latency_s(5)
        .charges([ChargeOutcome::Unknown])
        .inquiries(answers);
    let world = world(bank);
    world.pay("k", wait(0)).await.unwrap();
    while world.bank.counts().1 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The flight hears at 5 s and knows at 6 s that it lost; the watch hears at 6.5 s.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let unknown = world.pay("k", wait(0)).await.unwrap().payment;
    assert_eq!(phase(&unknown), Some(Phase::Unknown));
    world.store.set_sync_ms(1_000);
    resolve(&world, &unknown, &failed("no debit"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.bank.counts().1, 2);
    let merchant = &unknown.key.merchant;
    let listed = world.service.contradictions(merchant, 0, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(world.service.metrics().contradictions.get(), 1);
}
