//! What the engine counts. One set per engine, so that simulated lives do not share them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The engine's counters; clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Payments admitted: intents made durable.
    pub admitted: Counter,
    /// Payments that reached Settled.
    pub settled: Counter,
    /// Payments that reached Failed.
    pub failed: Counter,
    /// Creates answered from the cache.
    pub cache_hits: Counter,
    /// Creates that joined an open flight.
    pub joins: Counter,
    /// Attempts sent to the bank.
    pub bank_attempts: Counter,
    /// Inquiries sent to the bank.
    pub bank_inquiries: Counter,
    /// Attempts that ended with an unknown outcome.
    pub bank_unknown: Counter,
    /// Finished payments that the bank contradicted.
    pub contradictions: Counter,
    /// Payments that went to review.
    pub reviews: Counter,
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
        Self {
            admitted: Counter::default(),
            settled: Counter::default(),
            failed: Counter::default(),
            cache_hits: Counter::default(),
            joins: Counter::default(),
            bank_attempts: Counter::default(),
            bank_inquiries: Counter::default(),
            bank_unknown: Counter::default(),
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
            "cache_hits",
            "Creates answered from the cache",
            &self.cache_hits,
        );
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
            "bank_unknown",
            "Attempts with an unknown outcome",
            &self.bank_unknown,
        );
        counter(
            "contradictions",
            "Finished payments that the bank contradicted: look at each of them",
            &self.contradictions,
        );
        counter(
            "reviews",
            "Payments that went to review: an operator decides",
            &self.reviews,
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
