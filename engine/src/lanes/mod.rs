//! Lanes: how banks are called. Each bank has its own lane, with slots for concurrent calls (the bulkhead), a circuit
//! breaker and a time limit. So one slow bank does not delay the payments of another.
//!
//! Architecture invariant: a lane knows the bank's port and permits, and knows neither payments nor the store.

mod breaker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{
    BankName, BankReference, Capability, Decision, Mark, Operation, Request, Tenure,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::Instrument;

use crate::bank::{Bank, ChargeOutcome, InquiryOutcome};
use crate::metrics::{ByOutcome, Metrics, Outcome};
use crate::pipeline::SendPermit;
pub use breaker::{Breaker, BreakerOptions, Pass};

/// Limits of the calls to one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOptions {
    /// Most calls to the bank at once, inquiries included. A payment that finds no free slot waits in Persisted.
    pub calls_max: usize,
    /// Time limit of a call, in milliseconds. After it the outcome is unknown.
    pub timeout_ms: u64,
    /// When to hold calls back from a bank that does not answer.
    pub breaker: BreakerOptions,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self {
            calls_max: 256,
            timeout_ms: 10_000,
            breaker: BreakerOptions {
                failures_max: 10,
                open_ms: 1_000,
                open_ms_max: 10_000,
            },
        }
    }
}

/// The lane of one bank.
pub struct Lane {
    bank: Arc<dyn Bank>,
    slots: Arc<Semaphore>,
    breaker: Breaker,
    timeout: Duration,
    metrics: Metrics,
}

/// The right to make one call: a slot, and the breaker's pass.
#[derive(Debug)]
pub struct Turn {
    pass: Pass,
    _slot: OwnedSemaphorePermit,
}

impl Lane {
    fn new(bank: Arc<dyn Bank>, options: LaneOptions, metrics: Metrics) -> Self {
        Self {
            bank,
            slots: Arc::new(Semaphore::new(options.calls_max)),
            breaker: Breaker::new(options.breaker, metrics.breaker_open.clone()),
            timeout: Duration::from_millis(options.timeout_ms),
            metrics,
        }
    }

    /// The bank's name.
    pub fn name(&self) -> &BankName {
        self.bank.name()
    }

    /// The bank's promise about repeats.
    pub fn capability(&self) -> Capability {
        self.bank.capability()
    }

    /// The time limit of a call.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The mark of an attempt that is sent in a tenure.
    pub fn mark(&self, tenure: Tenure) -> Arc<Mark> {
        Arc::new(Mark {
            bank: self.bank.name().clone(),
            address: self.bank.address().clone(),
            capability: self.bank.capability(),
            tenure: Some(tenure),
        })
    }

    /// A turn, if one is free now.
    pub fn try_turn(&self) -> Option<Turn> {
        let slot = self.slots.clone().try_acquire_owned().ok()?;
        let pass = self.breaker.try_pass()?;
        Some(Turn { pass, _slot: slot })
    }

    /// Waits for a turn. Slots are given in the order of the requests. A task that has a slot and finds
    /// the breaker open keeps it, so at most the bulkhead's width wakes when the breaker closes.
    ///
    /// # Panics
    /// Never: the bulkhead is never closed.
    pub async fn turn(&self) -> Turn {
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.expect("the bulkhead is never closed");
        let pass = self.breaker.pass().await;
        Turn { pass, _slot: slot }
    }

    /// Sends an attempt. At the time limit the outcome is unknown.
    pub async fn charge(&self, permit: SendPermit, turn: Turn) -> ChargeOutcome {
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
        let answer = tokio::time::timeout(self.timeout, call).await;
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

    /// Asks for the outcome of a reference.
    pub async fn inquire(&self, reference: BankReference, turn: Turn) -> InquiryOutcome {
        self.metrics.bank_inquiries.inc();
        let span =
            tracing::debug_span!("inquiry", otel.kind = "client", bank_reference = %reference);
        let call = self.bank.inquire(reference).instrument(span);
        let answer = tokio::time::timeout(self.timeout, call).await;
        let outcome = answer.unwrap_or(InquiryOutcome::Unknown);
        match outcome {
            InquiryOutcome::Decided(_) | InquiryOutcome::NotFound => turn.pass.answered(),
            InquiryOutcome::Unknown => turn.pass.failed(),
        }
        outcome
    }
}

/// The lanes of a service, by the bank's name.
pub struct Lanes {
    first: Arc<Lane>,
    by_name: BTreeMap<BankName, Arc<Lane>>,
}

/// A bank and the limits of its lane.
#[derive(Clone)]
pub struct LaneParts {
    /// The bank.
    pub bank: Arc<dyn Bank>,
    /// The limits.
    pub options: LaneOptions,
}

impl Lanes {
    /// A lane for each bank. The first one takes new payments.
    ///
    /// # Panics
    /// When there is no bank, or when two have one name: bugs in the caller.
    pub fn new(parts: Vec<LaneParts>, metrics: &Metrics) -> Self {
        let mut first = None;
        let mut by_name = BTreeMap::new();
        for LaneParts { bank, options } in parts {
            let lane = Arc::new(Lane::new(bank, options, metrics.clone()));
            first.get_or_insert_with(|| lane.clone());
            let twin = by_name.insert(lane.name().clone(), lane);
            assert!(twin.is_none(), "each bank has a name of its own");
        }
        Self {
            first: first.expect("a service has a bank"),
            by_name,
        }
    }

    /// The lane of a new request. It is chosen once: an operation never changes its bank.
    pub const fn choose(&self, request: &Request) -> &Arc<Lane> {
        match request {
            Request::Payment(_) => &self.first,
        }
    }

    /// The lane of an operation; `None` when its bank is not among these. An operation of an earlier version, which kept
    /// no names, belongs to the first.
    pub fn of(&self, operation: &Operation) -> Option<&Arc<Lane>> {
        match operation.at_bank() {
            Some(bank) => self.by_name.get(bank),
            None => Some(&self.first),
        }
    }
}
