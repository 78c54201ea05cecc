//! Driving one payment to its end: the flight's own task.
//!
//! Each step follows from the durable record alone, so a payment found after a crash goes on by the
//! same code as one just admitted. Persist, then speak: a step commits before it acts, and what the
//! flight publishes is durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_retry::RetryIf;
use tracing::Instrument;

use super::Inner;
use super::calls::Turn;
use super::flight::{Pilot, Refusal};
use crate::bank::{ChargeOutcome, InquiryOutcome};
use crate::fatal::FatalError;
use crate::payment::{
    BankCalled, Event, Evidence, Interruption, NextStep, Payment, PaymentId, PaymentKey,
    PaymentRequest, Phase, State, Timestamp, next_step, transition,
};
use crate::pipeline::{Committed, SendPermit};
use crate::store::{StoreError, Write};
use crate::timeline::Since;

/// The right to send one attempt, a turn at the bank to do it, and since when the attempt's age is counted.
type Clearance = (SendPermit, Turn, Since);

/// Why a flight was opened.
#[derive(Debug)]
pub(super) enum Errand {
    /// Someone asks for a payment under its key.
    Create(Arc<PaymentRequest>),
    /// The store said that something is left to do about this payment.
    Recover(PaymentId),
}

/// Why a flight does not go on now.
#[derive(Debug, PartialEq, Eq)]
enum Pause {
    /// Go on after the wait that was set.
    Later,
    /// Nothing more to do here: finished, in review, parked, or the service has stopped.
    Land,
}

/// One payment under way.
struct Drive {
    inner: Arc<Inner>,
    pilot: Pilot,
    payment: Mutex<Arc<Payment>>,
    clearance: Mutex<Option<Clearance>>,
    /// How long to wait before the next step, in milliseconds.
    wait_ms: AtomicU64,
    /// The version whose wait has been served: due, whatever the wall clock says.
    served_version: AtomicU64,
    /// Held while a step runs, so that parking happens only between steps.
    stepping: tokio::sync::Mutex<()>,
    /// Since when the age of the first attempt that may have reached the bank is counted.
    since: Mutex<Since>,
    /// When this flight last called the bank, or began.
    called_at: Mutex<Timestamp>,
}

/// The task of a flight: finds or admits the payment of its key, and drives it.
pub(super) async fn fly(inner: Arc<Inner>, pilot: Pilot, errand: Errand) {
    let Ok(stored) = inner.read(inner.store.get(pilot.key()).await) else {
        return;
    };
    let recovers = match &errand {
        Errand::Create(_) => false,
        Errand::Recover(id) => {
            if stored.as_ref().is_none_or(|payment| payment.id != *id) {
                return record_is_gone(&inner, pilot.key());
            }
            true
        }
    };
    let (payment, clearance) = match (stored, errand) {
        (Some(payment), _) => {
            let payment = Arc::new(payment);
            pilot.flight.publish(payment.clone());
            (payment, None)
        }
        (None, Errand::Create(_)) if !inner.store.has_room() => {
            pilot.flight.publish_refused(Refusal::Disk);
            return;
        }
        (None, Errand::Create(request)) => match admit(&inner, &pilot, request).await {
            Some(admitted) => admitted,
            None => return,
        },
        (None, Errand::Recover(_)) => return record_is_gone(&inner, pilot.key()),
    };
    describe(&payment);
    if payment.is_finished() {
        describe_end(&payment);
        inner.cache.insert(&payment);
        if recovers {
            let watch = inner.clone().resume_watch(payment);
            inner
                .tasks
                .spawn(watch.instrument(tracing::Span::current()));
        }
        return;
    }
    let since = clearance
        .as_ref()
        .map_or_else(|| inner.time.since_earlier(), |(_, _, since)| *since);
    let called_at = Mutex::new(inner.time.now());
    let drive = Arc::new(Drive {
        inner,
        pilot,
        payment: Mutex::new(payment),
        clearance: Mutex::new(clearance),
        wait_ms: AtomicU64::new(0),
        served_version: AtomicU64::new(0),
        stepping: tokio::sync::Mutex::new(()),
        since: Mutex::new(since),
        called_at,
    });
    drive.clone().run().await;
    describe_end(&drive.current());
}

/// The store knows of a payment and has no record of it: its key would be taken for a new one, and charged again. So the
/// service stops, as at every other failure of the store.
fn record_is_gone(inner: &Inner, key: &PaymentKey) {
    let key = format!("{} {}", key.merchant, key.idempotency_key);
    let tree = "payments";
    let error = StoreError::Missing { tree, key };
    inner.failure.report(FatalError::Store(error));
}

/// Says in the flight's span which payment it is about: once, for what is recorded again is recorded beside it.
fn describe(payment: &Payment) {
    let span = tracing::Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("payment_id", tracing::field::display(payment.id));
    span.record("merchant", payment.key.merchant.as_str());
}

/// Says in the flight's span where the payment stands when it ends.
fn describe_end(payment: &Payment) {
    let span = tracing::Span::current();
    span.record("state", tracing::field::debug(payment.state.name()));
}

/// Makes the intent durable. With a turn at the bank to be had, the mark "about to call" goes with it in
/// the same commit, so the fast path costs two syncs in all.
async fn admit(
    inner: &Arc<Inner>,
    pilot: &Pilot,
    request: Arc<PaymentRequest>,
) -> Option<(Arc<Payment>, Option<Clearance>)> {
    let (now, since) = (inner.time.now(), inner.time.since_now());
    let id = inner.source.payment_id(now);
    let received = Payment::received(id, pilot.key().clone(), request, now)
        .for_bank(inner.bank.name().clone());
    let turn = inner.try_turn();
    let admitted = legal(&received, &Event::Admit, now);
    let write = if turn.is_some() {
        let event = Event::Dispatch(inner.bank.mark());
        let dispatched = legal(&admitted.payment, &event, now);
        Write::new(admitted).then(dispatched)
    } else {
        Write::new(admitted)
    };
    match inner.pipeline.commit(write).await.ok()? {
        Committed::Applied { payment, permit } => {
            inner.metrics.admitted.inc();
            pilot.flight.publish_admitted(payment.clone());
            let clearance = permit.zip(turn).map(|(permit, turn)| (permit, turn, since));
            Some((payment, clearance))
        }
        Committed::Refused(full) => {
            pilot.flight.publish_refused(Refusal::Accounts(full));
            None
        }
        // Another writer (a replica, say) was first with this key.
        Committed::Lost { current } => {
            let Some(payment) = current else {
                record_is_gone(inner, pilot.key());
                return None;
            };
            pilot.flight.publish(payment.clone());
            Some((payment, None))
        }
    }
}

fn legal(payment: &Payment, event: &Event, now: Timestamp) -> crate::payment::Step {
    transition(payment, event, now).expect("the caller has checked that the event fits the state")
}

/// Whether some attempt may have reached the bank.
fn is_exposed(payment: &Payment) -> bool {
    match &payment.state {
        State::BankCalled(called) => called.exposed,
        State::Received | State::Persisted | State::Settled { .. } | State::Failed { .. } => false,
    }
}

impl Drive {
    async fn run(self: Arc<Self>) {
        loop {
            let drive = self.clone();
            let waits = std::iter::from_fn(move || {
                Some(Duration::from_millis(drive.wait_ms.load(Ordering::Relaxed)))
            });
            let steps = || {
                let drive = self.clone();
                async move { drive.step().await }
            };
            let flown = RetryIf::start(waits, steps, |pause: &Pause| matches!(pause, Pause::Later));
            tokio::select! {
                biased;
                _ = flown => return,
                () = self.parked() => return,
                // Someone else moved the record while this flight waited for its next step.
                () = self.woken() => {}
            }
            if self.reload().await == Err(Pause::Land) {
                return;
            }
        }
    }

    /// Returns once the record was changed by someone else and no step is running.
    async fn woken(&self) {
        self.pilot.flight.wake.notified().await;
        let _between_steps = self.stepping.lock().await;
    }

    /// Returns once the service parks and this flight only waits for its next step.
    async fn parked(&self) {
        self.inner.parking.cancelled().await;
        let _between_steps = self.stepping.lock().await;
    }

    /// Does the next thing the durable record calls for.
    async fn step(&self) -> Result<(), Pause> {
        let _stepping = self.stepping.lock().await;
        let payment = self.current();
        if let Some(clearance) = self.take_clearance() {
            return self.call(&payment, clearance).await;
        }
        if self.inner.parking.is_cancelled() {
            return Err(Pause::Land);
        }
        match &payment.state {
            State::Received => unreachable!("a received payment is never stored"),
            State::Persisted => self.send(&payment).await,
            State::BankCalled(called) => self.resume(&payment, called).await,
            State::Settled { .. } | State::Failed { .. } => Ok(()),
        }
    }

    /// Goes on with a payment that the bank may have.
    async fn resume(&self, payment: &Payment, called: &BankCalled) -> Result<(), Pause> {
        let now = self.inner.time.now();
        let Some(due) = called.next_at else {
            return if called.phase == Phase::Review {
                Err(Pause::Land)
            } else {
                // Whoever made this mark is gone, and what came of the attempt with it.
                let interruption = Interruption::Restart;
                self.record(
                    payment,
                    Event::OutcomeUnknown {
                        next_at: now,
                        interruption,
                    },
                )
                .await
            };
        };
        let served = self.served_version.load(Ordering::Relaxed) == payment.version;
        if due > now && !served {
            self.served_version
                .store(payment.version, Ordering::Relaxed);
            let wait_ms = due.ms_since(now).min(self.inner.options.backoff.cap_ms);
            self.wait_ms.store(wait_ms, Ordering::Relaxed);
            return Err(Pause::Later);
        }
        match self.next_step(payment, called) {
            NextStep::Send => self.send(payment).await,
            NextStep::Inquire => self.inquire(payment, called).await,
            NextStep::Escalate => self.record(payment, Event::Escalate).await,
            NextStep::GiveUp => self.record(payment, Event::GiveUp).await,
            NextStep::Rest => Err(Pause::Land),
        }
    }

    fn next_step(&self, payment: &Payment, called: &BankCalled) -> NextStep {
        let capability = self.inner.bank.capability();
        let budgets = self.inner.options.budgets;
        let latest = self.inner.time.latest(*self.since());
        next_step(capability, budgets, payment, called, latest)
    }

    /// How long a payment may still wait to be sent at all; `None` once it was.
    fn patience(&self, payment: &Payment) -> Option<Duration> {
        if payment.state != State::Persisted {
            return None;
        }
        let age_ms = self.inner.time.now().ms_since(payment.created_at);
        let left_ms = self.inner.options.expire_after_ms.saturating_sub(age_ms);
        Some(Duration::from_millis(left_ms))
    }

    /// Waits for a turn at the bank, makes the attempt durable, and sends it.
    async fn send(&self, payment: &Payment) -> Result<(), Pause> {
        let inner = &self.inner;
        let patience = self.patience(payment);
        if patience.is_some_and(|patience| patience.is_zero()) {
            return self.record(payment, Event::Expire).await;
        }
        let turn = tokio::select! {
            biased;
            turn = inner.turn() => turn,
            () = inner.parking.cancelled() => return Err(Pause::Land),
            () = self.pilot.flight.poke.notified() => return self.reload().await,
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {
                return self.record(payment, Event::Expire).await;
            }
        };
        // The turn may have come late: what was right to do then need not be right now.
        if let State::BankCalled(called) = &payment.state
            && self.next_step(payment, called) != NextStep::Send
        {
            return self.at_once();
        }
        let since = inner.time.since_now();
        let event = Event::Dispatch(inner.bank.mark());
        let step = legal(payment, &event, inner.time.now());
        if !is_exposed(payment) {
            // Nothing that was sent before can have reached the bank.
            *self.since() = since;
        }
        match inner.pipeline.commit(Write::new(step)).await {
            Ok(Committed::Applied {
                payment,
                permit: Some(permit),
            }) => {
                self.adopt(payment.clone());
                self.call(&payment, (permit, turn, since)).await
            }
            Ok(Committed::Applied { permit: None, .. } | Committed::Refused(_)) => {
                unreachable!("a durable dispatch comes with its permit, and holds nothing")
            }
            Ok(Committed::Lost { .. }) => self.reload().await,
            Err(_) => Err(Pause::Land),
        }
    }

    /// Sends the one attempt that `clearance` allows and records how it ended.
    async fn call(&self, payment: &Payment, clearance: Clearance) -> Result<(), Pause> {
        let (permit, turn, since) = clearance;
        if self.is_too_late(payment, since) {
            drop((permit, turn));
            let next_at = self.after_wait(payment, payment.attempts, 0);
            return self.record(payment, Event::HeldBack { next_at }).await;
        }
        let outcome = self.inner.charge(permit, turn).await;
        *self.called_at() = self.inner.time.now();
        let event = match outcome {
            ChargeOutcome::Decided(decision) => Event::Decided {
                decision,
                evidence: Evidence::Answer,
            },
            ChargeOutcome::NotSent => Event::NotSent {
                next_at: self.after_wait(payment, payment.attempts, 0),
            },
            ChargeOutcome::Throttled { retry_after_ms } => Event::NotSent {
                next_at: self.after_wait(payment, payment.attempts, retry_after_ms),
            },
            ChargeOutcome::Known => Event::OutcomeUnknown {
                next_at: self.after_wait(payment, payment.attempts, 0),
                interruption: Interruption::Known,
            },
            ChargeOutcome::Unknown => Event::OutcomeUnknown {
                next_at: self.after_wait(payment, payment.attempts, 0),
                interruption: Interruption::NoAnswer,
            },
        };
        self.record(payment, event).await
    }

    /// Whether it took so long to make the attempt's mark durable that the request might arrive after the
    /// grace, which is counted from the mark: half of it is for the disk, half for the way.
    fn is_too_late(&self, payment: &Payment, since: Since) -> bool {
        let State::BankCalled(called) = &payment.state else {
            return false;
        };
        let latest = self.inner.time.latest(since);
        let waited_ms = latest.ms_since(called.last_called_at);
        let capability = called.capability(self.inner.bank.capability());
        // Without a grace no request outlives its call.
        let grace_ms = capability.grace_ms();
        grace_ms.is_some_and(|grace_ms| grace_ms > 0 && waited_ms > grace_ms / 2)
    }

    /// Asks the bank what became of our reference and records the answer.
    async fn inquire(&self, payment: &Payment, called: &BankCalled) -> Result<(), Pause> {
        let inner = &self.inner;
        let turn = tokio::select! {
            biased;
            turn = inner.turn() => turn,
            () = inner.parking.cancelled() => return Err(Pause::Land),
            () = self.pilot.flight.poke.notified() => return self.reload().await,
        };
        // The answer is about the moment at which it was asked for: a request that arrives while the answer
        // is on its way is not in it.
        let proof_in_ms = self.grace_left_ms(called);
        let outcome = inner.inquire(payment.bank_reference(), turn).await;
        let next_at = self.after_wait(payment, called.inquiries.saturating_add(1), 0);
        let event = match outcome {
            InquiryOutcome::Decided(decision) => Event::Decided {
                decision,
                evidence: Evidence::Inquiry,
            },
            // The bank has said that it has it: that it does not find it there proves nothing.
            InquiryOutcome::NotFound if called.known => Event::InquiryInconclusive { next_at },
            InquiryOutcome::NotFound => match proof_in_ms {
                // What follows is another attempt, however often it was asked before.
                Some(0) => Event::ProvenUnsent {
                    next_at: self.after_wait(payment, payment.attempts, 0),
                },
                // Asking is worth while as soon as the answer can prove something.
                Some(left_ms) => Event::InquiryInconclusive {
                    next_at: next_at.min(inner.time.now().plus_ms(left_ms)),
                },
                None => Event::InquiryInconclusive { next_at },
            },
            InquiryOutcome::Unknown => Event::InquiryInconclusive { next_at },
        };
        self.record(payment, event).await
    }

    /// How long "not found" still proves nothing, in milliseconds: until every request is older than
    /// any may be on its way, by the time of its mark *and* by what this flight itself has seen pass. `None` when it
    /// never proves anything.
    fn grace_left_ms(&self, called: &BankCalled) -> Option<u64> {
        let capability = called.capability(self.inner.bank.capability());
        let grace_ms = capability.grace_ms()?;
        let now = self.inner.time.now();
        let by_mark_ms = now.ms_since(called.last_called_at);
        let here_ms = now.ms_since(*self.called_at());
        Some(grace_ms.saturating_sub(by_mark_ms.min(here_ms)))
    }

    /// Makes `event` durable and publishes what follows from it.
    ///
    /// Whoever moved the record meanwhile did so without what the bank has said: that is applied again to what stands
    /// now, as long as the machine allows it. Nothing that a bank said is dropped.
    async fn record(&self, payment: &Payment, event: Event) -> Result<(), Pause> {
        let inner = &self.inner;
        let mut step = legal(payment, &event, inner.time.now());
        loop {
            match inner.pipeline.commit(Write::new(step)).await {
                Ok(Committed::Applied { payment, .. }) => return self.recorded(payment, &event),
                Ok(Committed::Refused(_)) => unreachable!("only an admission places a hold"),
                Ok(Committed::Lost { .. }) => {}
                Err(_) => return Err(Pause::Land),
            }
            let reloaded = self.reload().await;
            if reloaded == Err(Pause::Land) {
                return reloaded;
            }
            let current = self.current();
            if current.is_finished() {
                // What the bank said meanwhile may not fit what was decided without it.
                inner.compare(&current, &event).await;
                return reloaded;
            }
            // Versions only rise and the machine is finite, so this ends.
            step = match (&event, transition(&current, &event, inner.time.now())) {
                (Event::Decided { .. }, Ok(again)) => again,
                (_, Ok(_) | Err(_)) => return reloaded,
            };
        }
    }

    fn recorded(&self, payment: Arc<Payment>, event: &Event) -> Result<(), Pause> {
        let inner = &self.inner;
        if *event == Event::Escalate {
            inner.metrics.reviews.inc();
            tracing::warn!(payment = %payment.id, "the payment is in review: an operator must decide");
        }
        let finished = payment.is_finished();
        if finished {
            inner.finished(&payment);
        }
        self.adopt(payment);
        if finished { Ok(()) } else { self.at_once() }
    }

    /// Someone else moved the record: takes it as it durably stands, and goes on from there.
    async fn reload(&self) -> Result<(), Pause> {
        let stored = self
            .inner
            .read(self.inner.store.get(self.pilot.key()).await);
        match stored {
            Ok(Some(payment)) => {
                self.adopt(Arc::new(payment));
                self.at_once()
            }
            Ok(None) => {
                record_is_gone(&self.inner, self.pilot.key());
                Err(Pause::Land)
            }
            Err(_) => Err(Pause::Land),
        }
    }

    fn at_once(&self) -> Result<(), Pause> {
        self.wait_ms.store(0, Ordering::Relaxed);
        Err(Pause::Later)
    }

    /// When to look again, after the wait that backoff and the bank ask for.
    fn after_wait(&self, payment: &Payment, tries: u32, at_least_ms: u64) -> Timestamp {
        // The version numbers the draw: no two waits of a payment share one.
        let draw = u32::try_from(payment.version).unwrap_or(u32::MAX);
        let jitter = self.inner.source.jitter(payment.id, draw);
        let wait_ms = self
            .inner
            .options
            .backoff
            .wait_ms(tries, jitter, at_least_ms);
        self.inner.time.now().plus_ms(wait_ms)
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called_at(&self) -> MutexGuard<'_, Timestamp> {
        self.called_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Arc<Payment> {
        self.payment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn take_clearance(&self) -> Option<Clearance> {
        self.clearance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Takes a durable record over and tells everyone who joined.
    fn adopt(&self, payment: Arc<Payment>) {
        *self.payment.lock().unwrap_or_else(PoisonError::into_inner) = payment.clone();
        self.pilot.flight.publish(payment);
    }
}
