//! Calls to the bank: each waits for its turn, is bounded in time, and tells the breaker how it went.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_retry::RetryIf;
use tracing::Instrument;

use super::Inner;
use crate::bank::{ChargeOutcome, InquiryOutcome};
use crate::breaker::Pass;
use crate::metrics::{ByOutcome, Outcome};
use crate::payment::{
    BankReference, Cause, Decision, Event, Evidence, Payment, PaymentId, State, transition,
};
use crate::pipeline::{Committed, SendPermit};
use crate::store::Write;

/// The right to make one call: a place in the bulkhead, and the breaker's pass.
#[derive(Debug)]
pub(super) struct Turn {
    pass: Pass,
    _slot: OwnedSemaphorePermit,
}

impl Inner {
    /// A turn, if there is one at once.
    pub(super) fn try_turn(&self) -> Option<Turn> {
        let slot = self.slots.clone().try_acquire_owned().ok()?;
        let pass = self.breaker.try_pass()?;
        Some(Turn { pass, _slot: slot })
    }

    /// Waits for a turn. Slots are given in the order they are asked for; whoever has one and finds
    /// the breaker open keeps it, so at most the bulkhead's width wakes when the breaker closes.
    pub(super) async fn turn(&self) -> Turn {
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.expect("the bulkhead is never closed");
        let pass = self.breaker.pass().await;
        Turn { pass, _slot: slot }
    }

    /// Sends an attempt. Time being up says nothing about what the bank did.
    pub(super) async fn charge(&self, permit: SendPermit, turn: Turn) -> ChargeOutcome {
        self.metrics.bank_attempts.inc();
        let began = Instant::now();
        let span = tracing::debug_span!(
            "charge",
            otel.kind = "client",
            attempt = permit.attempt(),
            bank_reference = %permit.bank_reference(),
            outcome = tracing::field::Empty
        );
        let call = self.bank.charge(permit).instrument(span.clone());
        let answer = tokio::time::timeout(self.bank_timeout(), call).await;
        let seconds = began.elapsed().as_secs_f64();
        self.metrics.bank_seconds.observe(seconds);
        let charged = answer.unwrap_or(ChargeOutcome::Unknown);
        let outcome = match charged {
            ChargeOutcome::Decided(Decision::Confirmed { .. }) => Outcome::Confirmed,
            ChargeOutcome::Decided(Decision::Declined { .. }) => Outcome::Declined,
            ChargeOutcome::Throttled { .. } => Outcome::Throttled,
            ChargeOutcome::NotSent => Outcome::NotSent,
            ChargeOutcome::Known => Outcome::Known,
            ChargeOutcome::Unknown => Outcome::Unknown,
        };
        match outcome {
            Outcome::Confirmed | Outcome::Declined | Outcome::Known => turn.pass.answered(),
            Outcome::Throttled | Outcome::NotSent | Outcome::Unknown => turn.pass.failed(),
        }
        span.record("outcome", outcome.name());
        let label = ByOutcome { outcome };
        self.metrics.bank_outcomes.get_or_create(&label).inc();
        charged
    }

    /// Asks what became of a reference.
    pub(super) async fn inquire(&self, reference: BankReference, turn: Turn) -> InquiryOutcome {
        self.metrics.bank_inquiries.inc();
        let span =
            tracing::debug_span!("inquiry", otel.kind = "client", bank_reference = %reference);
        let call = self.bank.inquire(reference).instrument(span);
        let answer = tokio::time::timeout(self.bank_timeout(), call).await;
        let outcome = answer.unwrap_or(InquiryOutcome::Unknown);
        match outcome {
            InquiryOutcome::Decided(_) | InquiryOutcome::NotFound => turn.pass.answered(),
            InquiryOutcome::Unknown => turn.pass.failed(),
        }
        outcome
    }

    pub(super) fn bank_timeout(&self) -> Duration {
        Duration::from_millis(self.options.bank_timeout_ms)
    }

    /// Holds what the bank decided against a payment that is finished already. What does not fit is
    /// journalled and counted, once, and changes nothing.
    pub(super) async fn compare(&self, payment: &Payment, event: &Event) {
        if !payment.is_finished() {
            return;
        }
        let _comparing = self.comparing.lock().await;
        let Ok(step) = transition(payment, event, self.time.now()) else {
            return;
        };
        let Cause::Contradiction(decision) = &step.entry.cause else {
            unreachable!("nothing else can happen to a finished payment");
        };
        let merchant = &payment.key.merchant;
        let Ok(Some(known)) = self.read(self.store.entries(merchant, payment.id).await) else {
            return;
        };
        if known
            .iter()
            .any(|(_, entry)| entry.cause == step.entry.cause)
        {
            return;
        }
        tracing::error!(
            payment = %payment.id, ?decision, state = ?payment.state.name(),
            "the bank contradicts a finished payment; an operator must look at it"
        );
        if let Ok(Committed::Applied { .. }) = self.pipeline.commit(Write::new(step)).await {
            self.metrics.contradictions.inc();
        }
    }

    /// Whether this service's bank can be asked what became of a payment.
    pub(super) fn can_be_asked_about(&self, payment: &Payment) -> bool {
        let here = payment
            .at_bank()
            .is_none_or(|bank| bank == self.bank.name());
        let present = self.bank.capability();
        let capability = match &payment.state {
            State::BankCalled(called) => called.capability(present),
            State::Received | State::Persisted | State::Settled { .. } | State::Failed { .. } => {
                present
            }
        };
        here && capability.grace_ms().is_some()
    }

    /// Goes on with a watch that an earlier life began, if it is not over.
    pub(super) async fn resume_watch(self: Arc<Self>, payment: Arc<Payment>) {
        if self.is_watched(&payment).await {
            self.watch_resolved(payment).await;
        }
    }

    async fn is_watched(&self, payment: &Payment) -> bool {
        let merchant = &payment.key.merchant;
        match self.read(self.store.entries(merchant, payment.id).await) {
            Ok(Some(entries)) => entries.last().is_some_and(|(_, last)| last.leaves_open()),
            Ok(None) | Err(_) => false,
        }
    }

    /// Watches the bank after an operator decided without it, for as long as it would have been
    /// asked otherwise. Ends early when the bank decides. When the service stops, the next life goes on with it.
    pub(super) async fn watch_resolved(self: Arc<Self>, payment: Arc<Payment>) {
        if !self.can_be_asked_about(&payment) {
            tracing::warn!(
                payment = %payment.id, bank = ?payment.bank,
                "an operator decided this payment, and its bank is not the one of this service: what it says of the \
                 payment is asked once a service with that bank starts"
            );
            return;
        }
        let tries_max = self.options.budgets.inquiries_max;
        let waits = (1..tries_max).map(|tries| {
            let jitter = self.source.jitter(payment.id, tries);
            Duration::from_millis(self.options.backoff.wait_ms(tries, jitter, 0))
        });
        let watched = RetryIf::start(
            waits,
            || self.look_once(&payment),
            |undecided: &Undecided| {
                tracing::debug!(payment = %undecided.0, "the bank has not decided");
                true
            },
        );
        tokio::select! {
            biased;
            () = self.parking.cancelled() => {}
            _ = watched => self.end_watch(&payment).await,
        }
    }

    /// Makes it durable that a watch is over, unless it is.
    async fn end_watch(&self, payment: &Payment) {
        let _comparing = self.comparing.lock().await;
        if !self.is_watched(payment).await {
            return;
        }
        if let Ok(step) = transition(payment, &Event::EndWatch, self.time.now()) {
            // A failure shows in the service itself.
            let _ = self.pipeline.commit(Write::new(step)).await;
        }
    }

    async fn look_once(&self, payment: &Payment) -> Result<(), Undecided> {
        let turn = self.turn().await;
        match self.inquire(payment.bank_reference(), turn).await {
            InquiryOutcome::Decided(decision) => {
                let evidence = Evidence::Inquiry;
                self.compare(payment, &Event::Decided { decision, evidence })
                    .await;
                Ok(())
            }
            InquiryOutcome::NotFound | InquiryOutcome::Unknown => Err(Undecided(payment.id)),
        }
    }
}

/// The bank does not know the reference, or did not say.
#[derive(Debug)]
struct Undecided(PaymentId);
