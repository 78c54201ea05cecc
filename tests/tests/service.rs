//! The service over a simulated store and a scripted bank, in virtual time: what it does about each
//! way a bank call can end, and what it refuses.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_engine::payment::{Capability, Cause, FailureReason, Phase, State};
use holdfast_engine::service::{CreateError, CreateOptions, ServiceOptions, Unavailable};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::sample::{key, request};
use holdfast_tests::scripted::{
    KEYED, ScriptedBank, confirmed, phase, small_budgets, wait, world, world_with,
};
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
    let State::Failed { reason, .. } = &created.payment.state else {
        panic!("{:?}", created.payment);
    };
    assert_eq!(*reason, FailureReason::NotSent);
    assert_eq!(world.bank.counts(), (0, 0), "the bank never heard of it");
    // With half the grace left it is.
    world.store.set_sync_ms(1_000);
    assert_eq!(world.settles("other").await.attempts, 1);
    assert_eq!(world.bank.counts(), (1, 0));
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
    let options = ServiceOptions {
        bank_calls_max: 1,
        expire_after_ms: 4_000,
        ..ServiceOptions::default()
    };
    let world = world_with(bank, SimulatedStore::default(), options);
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
        let other = Arc::unwrap_or_clone(request(1));
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
