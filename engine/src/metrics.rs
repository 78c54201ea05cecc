//! The engine's metrics. Each engine has its own set, so that simulated lives do not share them.

use std::fmt;

use holdfast_core::Phase;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The layer that answered a repeat of a finished payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The cache.
    Cache,
    /// The store.
    Store,
}

impl EncodeLabelValue for Layer {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        let name = match self {
            Self::Cache => "cache",
            Self::Store => "store",
        };
        name.encode(encoder)
    }
}

/// The label of a repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByLayer {
    /// Who answered.
    pub layer: Layer,
}

/// How an attempt at the bank ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Debited.
    Confirmed,
    /// Not debited, and why.
    Declined,
    /// Throttled; nothing was processed.
    Throttled,
    /// No byte was sent.
    NotSent,
    /// The bank already has the reference.
    Known,
    /// Unknown.
    Unknown,
}

impl Outcome {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Declined => "declined",
            Self::Throttled => "throttled",
            Self::NotSent => "not_sent",
            Self::Known => "known",
            Self::Unknown => "unknown",
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

/// The label of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    /// How it ended.
    pub outcome: Outcome,
}

/// A phase, as a label's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhaseLabel(pub Phase);

impl EncodeLabelValue for PhaseLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        let name = match self.0 {
            Phase::Awaiting => "awaiting",
            Phase::Unknown => "unknown",
            Phase::Review => "review",
        };
        name.encode(encoder)
    }
}

/// The label of a payment whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByPhase {
    /// Its phase.
    pub phase: PhaseLabel,
}

impl ByPhase {
    /// The label of a phase.
    pub const fn of(phase: Phase) -> Self {
        Self {
            phase: PhaseLabel(phase),
        }
    }
}

/// The engine's counters; clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Payments admitted: intents made durable.
    pub admitted: Counter,
    /// Payments that reached Settled.
    pub settled: Counter,
    /// Payments that reached Failed.
    pub failed: Counter,
    /// Creates of payments that were already finished, by the layer that answered.
    pub replays: Family<ByLayer, Counter>,
    /// Creates that joined an open flight.
    pub joins: Counter,
    /// Attempts sent to the bank.
    pub bank_attempts: Counter,
    /// How they ended.
    pub bank_outcomes: Family<ByOutcome, Counter>,
    /// How long they took, in seconds.
    pub bank_seconds: Histogram,
    /// Inquiries sent to the bank.
    pub bank_inquiries: Counter,
    /// Finished payments that the bank contradicted.
    pub contradictions: Counter,
    /// Payments that went to review.
    pub reviews: Counter,
    /// Payments whose outcome is currently unknown, or that are in review.
    pub in_question: Family<ByPhase, Gauge>,
    /// 1 while calls to the bank are held back by the circuit breaker.
    pub breaker_open: Gauge,
    /// Open flights.
    pub flights: Gauge,
    /// Writes per durable commit.
    pub batch_size: Histogram,
    /// Time of one durable commit, in seconds: apply and sync.
    pub commit_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let in_question = Family::<ByPhase, Gauge>::default();
        // Both are there from the start: an alert on what is missing is no alert.
        for phase in [Phase::Unknown, Phase::Review] {
            let _ = in_question.get_or_create(&ByPhase::of(phase));
        }
        Self {
            in_question,
            admitted: Counter::default(),
            settled: Counter::default(),
            failed: Counter::default(),
            replays: Family::default(),
            joins: Counter::default(),
            bank_attempts: Counter::default(),
            bank_outcomes: Family::default(),
            bank_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            bank_inquiries: Counter::default(),
            contradictions: Counter::default(),
            reviews: Counter::default(),
            breaker_open: Gauge::default(),
            flights: Gauge::default(),
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 14)),
        }
    }
}

impl Metrics {
    /// Adds every metric to `registry`, under its documented name.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name, help, metric: &Counter| {
            registry.register(name, help, metric.clone());
        };
        counter(
            "payments_admitted",
            "Payments whose intent was made durable",
            &self.admitted,
        );
        counter("payments_settled", "Payments that settled", &self.settled);
        counter("payments_failed", "Payments that failed", &self.failed);
        counter(
            "flight_joins",
            "Creates that joined an open flight",
            &self.joins,
        );
        counter(
            "bank_attempts",
            "Attempts sent to the bank",
            &self.bank_attempts,
        );
        counter(
            "bank_inquiries",
            "Inquiries sent to the bank",
            &self.bank_inquiries,
        );
        counter(
            "contradictions",
            "Finished payments that the bank contradicted: an operator must check each",
            &self.contradictions,
        );
        counter(
            "reviews",
            "Payments that went to review: an operator decides",
            &self.reviews,
        );
        registry.register(
            "payments_in_question",
            "Payments whose outcome is unknown now, by phase: unknown, or in review",
            self.in_question.clone(),
        );
        registry.register(
            "replays",
            "Creates of payments that were already finished, by the layer that answered",
            self.replays.clone(),
        );
        registry.register(
            "bank_outcomes",
            "How attempts at the bank ended",
            self.bank_outcomes.clone(),
        );
        registry.register_with_unit(
            "bank",
            "Time of an attempt at the bank",
            Unit::Seconds,
            self.bank_seconds.clone(),
        );
        registry.register(
            "bank_breaker_open",
            "1 while calls to the bank are held back",
            self.breaker_open.clone(),
        );
        registry.register("flights", "Open flights", self.flights.clone());
        registry.register(
            "commit_batch_size",
            "Writes per durable commit",
            self.batch_size.clone(),
        );
        registry.register_with_unit(
            "commit",
            "Time of one durable commit: apply and sync",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
    }
}
