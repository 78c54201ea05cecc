//! The driver of one operation, from its admission to its end.
//!
//! A plain loop: look at the durable record, do the next step, wait for its time or a wake. Each step follows from the
//! record alone, so an operation that is found after a crash is handled by the same code as a new one. Persist, then
//! speak: a step is committed before its effect happens, and a flight publishes only durable data.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{
    BankCalled, Dispatch, Event, Evidence, Interruption, NextStep, Operation, OperationKey, Phase,
    State, Step, Timestamp, next_step, transition,
};

use super::evidence;
use super::flight::Pilot;
use super::shared::Shared;
use crate::bank::{ChargeOutcome, InquiryOutcome};
use crate::fatal::FatalError;
use crate::lanes::{Lane, Turn};
use crate::pipeline::{Changed, Dispatched, RecordMissing, SendPermit};
use crate::store::StoreError;
use crate::timeline::Since;

/// How often an attempt of another current tenure is checked again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The right to send one attempt, a turn at the bank, and the moment from which the attempt's age is counted.
pub(super) type Clearance = (SendPermit, Turn, Since);

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another step, after this wait. A wake ends the wait.
    After(Duration),
    /// Nothing: the operation is finished, in review or parked, or the service has stopped.
    Land,
}

impl Next {
    const AT_ONCE: Self = Self::After(Duration::ZERO);
}

/// An operation under way.
pub(super) struct Driver {
    shared: Arc<Shared>,
    pilot: Pilot,
    lane: Arc<Lane>,
    pub(super) operation: Arc<Operation>,
    clearance: Option<Clearance>,
    /// The version whose wait is over: its next step is due, even if the wall clock says otherwise.
    served_version: u64,
    /// The moment from which the age of the first attempt that may have reached the bank is counted.
    since: Since,
    /// When this flight last called the bank, or began.
    called_at: Timestamp,
}

/// The log lists an operation but has no record of it. Its key would be taken for a new one and charged again. So the
/// service stops, as at every other failure of the store.
pub(super) fn record_is_gone(shared: &Shared, key: &OperationKey) {
    let error = StoreError::fatal(RecordMissing(key.clone()));
    shared.failure.report(FatalError::Store(error));
}

pub(super) fn legal(operation: &Operation, event: &Event, now: Timestamp) -> Step {
    transition(operation, event, now).expect("the caller has checked that the event fits the state")
}

/// Whether some attempt may have reached the bank.
fn is_exposed(operation: &Operation) -> bool {
    match &operation.state {
        State::BankCalled(called) => called.exposed,
        State::Received | State::Persisted | State::Settled { .. } | State::Failed { .. } => false,
    }
}

impl Driver {
    /// A driver of an unfinished operation. `clearance` is there when it was admitted with an attempt.
    pub(super) fn new(
        shared: Arc<Shared>,
        pilot: Pilot,
        lane: Arc<Lane>,
        operation: Arc<Operation>,
        clearance: Option<Clearance>,
    ) -> Self {
        let since = clearance
            .as_ref()
            .map_or_else(|| shared.time.since_earlier(), |(_, _, since)| *since);
        Self {
            called_at: shared.time.now(),
            shared,
            pilot,
            lane,
            operation,
            clearance,
            served_version: 0,
            since,
        }
    }

    /// Drives the operation until it is finished, in review or parked, or the service has stopped.
    pub(super) async fn run(&mut self) {
        loop {
            let wait = match self.step().await {
                Next::After(wait) => wait,
                Next::Land => return,
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {}
                // What only waits is parked; the next start resumes it.
                () = self.shared.parking.cancelled() => return,
                // Someone else changed the record while this flight waited for its next step.
                () = self.pilot.flight.wake.notified() => {
                    if self.reload().await == Next::Land {
                        return;
                    }
                }
            }
        }
    }

    /// Does the next step that the durable record requires.
    async fn step(&mut self) -> Next {
        if let Some(clearance) = self.clearance.take() {
            return self.call(clearance).await;
        }
        if self.shared.parking.is_cancelled() {
            return Next::Land;
        }
        let operation = self.operation.clone();
        match &operation.state {
            State::Persisted => self.send().await,
            State::BankCalled(called) => self.resume(called).await,
            // The first is never stored, the others are final.
            State::Received | State::Settled { .. } | State::Failed { .. } => Next::Land,
        }
    }

    /// Continues with an operation that the bank may have.
    async fn resume(&mut self, called: &BankCalled) -> Next {
        let now = self.shared.time.now();
        let Some(due) = called.next_at else {
            return match called.phase {
                Phase::Review => Next::Land,
                Phase::Awaiting | Phase::Unknown => self.close_interrupted(called, now).await,
            };
        };
        let served = self.served_version == self.operation.version;
        if due > now && !served {
            self.served_version = self.operation.version;
            let wait_ms = due.ms_since(now).min(self.shared.options.backoff.cap_ms);
            return Next::After(Duration::from_millis(wait_ms));
        }
        match self.next_step(called) {
            NextStep::Send => self.send().await,
            NextStep::Inquire => self.inquire(called).await,
            NextStep::Escalate => self.record(Event::Escalate).await,
            NextStep::GiveUp => self.record(Event::GiveUp).await,
            NextStep::Rest => Next::Land,
        }
    }

    /// An attempt is under way that this flight did not send. If its tenure is over, nobody can record its end any
    /// more, so its outcome is unknown. If its tenure is current, the attempt is left to its owner.
    async fn close_interrupted(&mut self, called: &BankCalled, now: Timestamp) -> Next {
        let tenure = called.mark.as_ref().and_then(|mark| mark.tenure);
        if tenure.is_some_and(|tenure| !self.shared.log.is_over(tenure)) {
            if self.served_version != self.operation.version {
                self.served_version = self.operation.version;
                tracing::warn!(
                    payment = %self.operation.id, ?tenure,
                    "another life of the service is sending this payment: its outcome is left to that life"
                );
            }
            return match self.reload().await {
                Next::After(_) => Next::After(LOOK_AGAIN),
                Next::Land => Next::Land,
            };
        }
        self.record(Event::OutcomeUnknown {
            next_at: now,
            interruption: Interruption::Restart,
        })
        .await
    }

    fn next_step(&self, called: &BankCalled) -> NextStep {
        let capability = self.lane.capability();
        let budgets = self.shared.options.budgets;
        let latest = self.shared.time.latest(self.since);
        next_step(capability, budgets, &self.operation, called, latest)
    }

    /// How long an operation may still wait before it is sent; `None` after it was sent.
    fn patience(&self) -> Option<Duration> {
        if self.operation.state != State::Persisted {
            return None;
        }
        let age_ms = self.shared.time.now().ms_since(self.operation.created_at);
        let left_ms = self.shared.options.expire_after_ms.saturating_sub(age_ms);
        Some(Duration::from_millis(left_ms))
    }

    /// Waits for a turn at the bank, makes the attempt durable, and sends it.
    async fn send(&mut self) -> Next {
        let patience = self.patience();
        if patience.is_some_and(|patience| patience.is_zero()) {
            return self.record(Event::Expire).await;
        }
        let turn = tokio::select! {
            biased;
            turn = self.lane.turn() => turn,
            () = self.shared.parking.cancelled() => return Next::Land,
            () = self.pilot.flight.poke.notified() => return self.reload().await,
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {
                return self.record(Event::Expire).await;
            }
        };
        // The turn may have come late: what was right to do then need not be right now.
        if let State::BankCalled(called) = &self.operation.state
            && self.next_step(called) != NextStep::Send
        {
            return Next::AT_ONCE;
        }
        let since = self.shared.time.since_now();
        let mark = self.lane.mark(self.shared.log.tenure());
        let dispatch = Dispatch::new(&self.operation, mark, self.shared.time.now())
            .expect("an attempt may follow wherever the next step is to send");
        if !is_exposed(&self.operation) {
            // Nothing that was sent before can have reached the bank.
            self.since = since;
        }
        match self.shared.pipeline.dispatch(dispatch).await {
            Ok(Dispatched::Cleared { operation, permit }) => {
                self.adopt(operation);
                self.call((permit, turn, since)).await
            }
            Ok(Dispatched::Lost(_)) => self.reload().await,
            Err(_) => Next::Land,
        }
    }

    /// Sends the one attempt that `clearance` allows and records how it ended.
    async fn call(&mut self, clearance: Clearance) -> Next {
        let (permit, turn, since) = clearance;
        if self.is_too_late(since) {
            drop((permit, turn));
            let next_at = self.after_wait(self.operation.attempts, 0);
            return self.record(Event::HeldBack { next_at }).await;
        }
        let outcome = self.lane.charge(permit, turn).await;
        self.called_at = self.shared.time.now();
        let attempts = self.operation.attempts;
        let event = match outcome {
            ChargeOutcome::Decided(decision) => Event::Decided {
                decision,
                evidence: Evidence::Answer,
            },
            ChargeOutcome::NotSent => Event::NotSent {
                next_at: self.after_wait(attempts, 0),
            },
            ChargeOutcome::Throttled { retry_after_ms } => Event::NotSent {
                next_at: self.after_wait(attempts, retry_after_ms),
            },
            ChargeOutcome::Known => Event::OutcomeUnknown {
                next_at: self.after_wait(attempts, 0),
                interruption: Interruption::Known,
            },
            ChargeOutcome::Unknown => Event::OutcomeUnknown {
                next_at: self.after_wait(attempts, 0),
                interruption: Interruption::NoAnswer,
            },
        };
        self.record(event).await
    }

    /// Whether the attempt's mark became durable too late: the request might arrive after the grace, which is counted
    /// from the mark. Half of the grace is budgeted for the disk, half for the network.
    fn is_too_late(&self, since: Since) -> bool {
        let State::BankCalled(called) = &self.operation.state else {
            return false;
        };
        let latest = self.shared.time.latest(since);
        let waited_ms = latest.ms_since(called.last_called_at);
        let capability = called.capability(self.lane.capability());
        // Without a grace no request outlives its call.
        let grace_ms = capability.grace_ms();
        grace_ms.is_some_and(|grace_ms| grace_ms > 0 && waited_ms > grace_ms / 2)
    }

    /// Asks the bank for the outcome of our reference and records the answer.
    async fn inquire(&mut self, called: &BankCalled) -> Next {
        let turn = tokio::select! {
            biased;
            turn = self.lane.turn() => turn,
            () = self.shared.parking.cancelled() => return Next::Land,
            () = self.pilot.flight.poke.notified() => return self.reload().await,
        };
        // The answer is about the moment at which it was asked for: a request that arrives while the answer
        // is on its way is not in it.
        let proof_in_ms = self.grace_left_ms(called);
        let reference = self.operation.bank_reference();
        let outcome = self.lane.inquire(reference, turn).await;
        let next_at = self.after_wait(called.inquiries.saturating_add(1), 0);
        let event = match outcome {
            InquiryOutcome::Decided(decision) => Event::Decided {
                decision,
                evidence: Evidence::Inquiry,
            },
            // The bank has said that it has it: that it does not find it there proves nothing.
            InquiryOutcome::NotFound if called.known => Event::InquiryInconclusive { next_at },
            InquiryOutcome::NotFound => match proof_in_ms {
                // Another attempt follows, however often the bank was asked before.
                Some(0) => Event::ProvenUnsent {
                    next_at: self.after_wait(self.operation.attempts, 0),
                },
                // Asking is worth while as soon as the answer can prove something.
                Some(left_ms) => Event::InquiryInconclusive {
                    next_at: next_at.min(self.shared.time.now().plus_ms(left_ms)),
                },
                None => Event::InquiryInconclusive { next_at },
            },
            InquiryOutcome::Unknown => Event::InquiryInconclusive { next_at },
        };
        self.record(event).await
    }

    /// How long "not found" still proves nothing, in milliseconds: until no request can be in transit any more, by the
    /// time of its mark *and* by the time that this flight itself has measured. `None` when it never proves anything.
    fn grace_left_ms(&self, called: &BankCalled) -> Option<u64> {
        let capability = called.capability(self.lane.capability());
        let grace_ms = capability.grace_ms()?;
        let now = self.shared.time.now();
        let by_mark_ms = now.ms_since(called.last_called_at);
        let here_ms = now.ms_since(self.called_at);
        Some(grace_ms.saturating_sub(by_mark_ms.min(here_ms)))
    }

    /// Makes `event` durable and publishes the result.
    ///
    /// If someone else changed the record meanwhile, the bank's answer is applied to the current record, if the
    /// machine allows it. No answer of a bank is dropped.
    async fn record(&mut self, event: Event) -> Next {
        let mut step = legal(&self.operation, &event, self.shared.time.now());
        loop {
            match self.shared.pipeline.change(step).await {
                Ok(Changed::Applied(operation)) => return self.recorded(operation, &event),
                Ok(Changed::Lost(_)) => {}
                Err(_) => return Next::Land,
            }
            if self.reload().await == Next::Land {
                return Next::Land;
            }
            if self.operation.is_finished() {
                // What the bank said meanwhile may not fit what was decided without it.
                evidence::compare(&self.shared, &self.operation, &event).await;
                return Next::AT_ONCE;
            }
            // Versions only rise and the machine is finite, so this ends.
            let again = transition(&self.operation, &event, self.shared.time.now());
            step = match (&event, again) {
                (Event::Decided { .. }, Ok(again)) => again,
                (_, Ok(_) | Err(_)) => return Next::AT_ONCE,
            };
        }
    }

    fn recorded(&mut self, operation: Arc<Operation>, event: &Event) -> Next {
        if *event == Event::Escalate {
            self.shared.metrics.reviews.inc();
            tracing::warn!(payment = %operation.id, "the payment is in review: an operator must decide");
        }
        let finished = operation.is_finished();
        if finished {
            self.shared.finished(&operation);
        }
        self.adopt(operation);
        if finished { Next::Land } else { Next::AT_ONCE }
    }

    /// Someone else changed the record: loads the durable record and continues from it.
    async fn reload(&mut self) -> Next {
        let stored = self.shared.log.get(self.pilot.key()).await;
        match self.shared.read(stored) {
            Ok(Some(operation)) => {
                self.adopt(Arc::new(operation));
                Next::AT_ONCE
            }
            Ok(None) => {
                record_is_gone(&self.shared, self.pilot.key());
                Next::Land
            }
            Err(_) => Next::Land,
        }
    }

    /// When the next step is due, after the wait that backoff and the bank require.
    fn after_wait(&self, tries: u32, at_least_ms: u64) -> Timestamp {
        let operation = &self.operation;
        // The version numbers the draw: no two waits of an operation share one.
        let draw = u32::try_from(operation.version).unwrap_or(u32::MAX);
        let jitter = self.shared.source.jitter(operation.id, draw);
        let backoff = self.shared.options.backoff;
        let wait_ms = backoff.wait_ms(tries, jitter, at_least_ms);
        self.shared.time.now().plus_ms(wait_ms)
    }

    /// Stores a durable record in the flight and tells everyone who joined.
    fn adopt(&mut self, operation: Arc<Operation>) {
        self.operation = operation.clone();
        self.pilot.flight.publish(operation);
    }
}
