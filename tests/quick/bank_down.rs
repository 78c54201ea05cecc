//! A bank that does not answer: the breaker holds payments where they can still be cancelled, the
//! bulkhead bounds what is under way, and everything ends once the bank is back.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_core::{Capability, FailureReason, State};
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_engine::lanes::{BreakerOptions, LaneOptions};
use holdfast_engine::service::ServiceOptions;
use holdfast_simulator::SimulatedStore;
use holdfast_tests::scripted::{
    KEYED, ScriptedBank, VirtualClock, World, wait, world_bounded, world_of, world_with,
};
use tokio::time::Instant;

fn bounds() -> LaneOptions {
    LaneOptions {
        breaker: BreakerOptions {
            failures_max: 3,
            open_ms: 60_000,
            open_ms_max: 60_000,
        },
        ..LaneOptions::default()
    }
}

/// A world whose breaker has just opened: three calls were refused, a fourth will be answered.
async fn opened() -> World {
    let bank = ScriptedBank::new(KEYED).charges(vec![ChargeOutcome::NotSent; 3]);
    let world = world_bounded(bank, bounds());
    for n in 0..3 {
        world.pay(&format!("early{n}"), wait(0)).await.unwrap();
    }
    while world.service.metrics().breaker_open.get() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_payments_are_held_in_persisted_and_can_be_cancelled() {
    let world = opened().await;
    let calls = world.bank.counts().0;
    let kept = world.pay("kept", wait(10)).await.unwrap().payment;
    let unwanted = world.pay("unwanted", wait(0)).await.unwrap().payment;
    assert_eq!(kept.state, State::Persisted);
    assert_eq!(unwanted.state, State::Persisted);
    assert_eq!(world.bank.counts().0, calls, "the bank is left alone");

    let merchant = &unwanted.key.merchant;
    let cancelled = world.service.cancel(merchant, unwanted.id).await.unwrap();
    assert!(matches!(
        cancelled.state,
        State::Failed {
            reason: FailureReason::Cancelled,
            ..
        }
    ));
    // The rest ends once a probe gets through.
    world.settles("kept").await;
    for n in 0..3 {
        world.settles(&format!("early{n}")).await;
    }
    let references = world.bank.references();
    assert!(!references.contains(&cancelled.bank_reference()));
    assert_eq!(world.service.metrics().breaker_open.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_one_probe_at_a_time_asks() {
    let bank = ScriptedBank::new(Capability::InquiryOnly { grace_ms: 1_000 })
        .charges([ChargeOutcome::Unknown])
        .inquiries(vec![InquiryOutcome::Unknown; 40]);
    let world = world_bounded(bank, bounds());
    let started = Instant::now();
    let payment = world.settles("k").await;
    // After three failures in a row, one probe a minute: that is what 40 failed inquiries took.
    assert!(started.elapsed() > Duration::from_mins(35));
    assert_eq!(
        payment.attempts, 2,
        "asked until it was proven unsent, then sent again"
    );
}

/// The bank's memory of a reference may run out while a re-send waits for its turn: then it must not
/// be sent any more.
#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_after_the_banks_memory_is_over_is_used_to_ask_and_not_to_send() {
    let capability = Capability::Keyed {
        window_ms: 30_000,
        grace_ms: 5_000,
    };
    let bank = ScriptedBank::new(capability)
        .charges(vec![ChargeOutcome::Unknown; 3])
        .inquiries(vec![InquiryOutcome::Unknown; 3]);
    let world = world_bounded(bank, bounds());
    for n in 0..3 {
        world.pay(&format!("k{n}"), wait(0)).await.unwrap();
    }
    // The breaker opens for a minute before any of them is sent again.
    while world.bank.counts().1 < 3 {
        let sent = world.bank.counts().0;
        assert_eq!(sent, 3, "not sent again before it was asked");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for n in 0..3 {
        let payment = world.settles(&format!("k{n}")).await;
        assert_eq!(payment.attempts, 2, "sent again once it was proven unsent");
    }
}

#[tokio::test(start_paused = true)]
async fn the_schedule_of_attempts_survives_a_restart() {
    let throttled = ChargeOutcome::Throttled {
        retry_after_ms: 25_000,
    };
    let bank = ScriptedBank::new(KEYED).charges([throttled]);
    let world = world_with(bank, SimulatedStore::default(), ServiceOptions::default());
    let payment = world.pay("k", wait(1)).await.unwrap().payment;
    let State::BankCalled(called) = &payment.state else {
        panic!("it waits for its next attempt: {payment:?}");
    };
    let due_ms = called.next_at.unwrap().ms_since(payment.updated_at);
    assert_eq!(due_ms, 25_000);

    // Another process finds the record; its clock begins where the first one's did.
    let (bank, store) = (ScriptedBank::new(KEYED), world.store.reopen());
    let (options, clock) = (ServiceOptions::default(), VirtualClock::default());
    let next = world_of(bank, bounds(), store, options, clock);
    let started = Instant::now();
    assert_eq!(next.service.recover().await.unwrap(), 1);
    next.settles("k").await;
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_millis(due_ms - 1_000),
        "{waited:?}"
    );
    assert_eq!(next.bank.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_expired_while_the_service_was_off_is_not_sent() {
    let world = opened().await;
    let held = world.pay("held", wait(0)).await.unwrap().payment;
    assert_eq!(held.state, State::Persisted);
    let reopened = world.store.reopen();
    // The next life begins long after, with a bank that would take it at once.
    let options = ServiceOptions {
        expire_after_ms: 0,
        ..ServiceOptions::default()
    };
    let next = world_with(ScriptedBank::new(KEYED), reopened, options);
    next.service.recover().await.unwrap();
    let expired = next.pay("held", wait(10)).await.unwrap().payment;
    assert!(matches!(
        expired.state,
        State::Failed {
            reason: FailureReason::Expired,
            ..
        }
    ));
    assert!(!next.bank.references().contains(&expired.bank_reference()));
}
