//! Bounds and intervals of the service, each with its reason.

use crate::breaker::BreakerOptions;
use crate::payment::Budgets;
use crate::retry::Backoff;

/// How the service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Memory for finished payments, in bytes. The cache only saves reads; 0 turns it off.
    pub cache_bytes: u64,
    /// Most open flights; beyond it new payments are refused as "at capacity". Bounds memory when
    /// the bank is slow: a flight takes a few kilobytes.
    pub flights_max: usize,
    /// Most calls to the bank at once, inquiries included. A payment that finds no free slot waits in Persisted.
    pub bank_calls_max: usize,
    /// After so long a call to the bank counts as unknown, in milliseconds.
    pub bank_timeout_ms: u64,
    /// Waits between attempts and between inquiries.
    pub backoff: Backoff,
    /// How often to try without a person.
    pub budgets: Budgets,
    /// When to hold calls back from a bank that does not answer.
    pub breaker: BreakerOptions,
    /// Most writes of one commit. A larger batch spreads the cost of a sync over more payments; the
    /// last of it waits longer.
    pub batch_max: usize,
    /// A payment that waits in Persisted for longer than this expires, in milliseconds.
    pub expire_after_ms: u64,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            flights_max: 20_000,
            bank_calls_max: 256,
            bank_timeout_ms: 10_000,
            backoff: Backoff {
                base_ms: 200,
                cap_ms: 30_000,
            },
            budgets: Budgets {
                attempts_max: 20,
                inquiries_max: 50,
            },
            breaker: BreakerOptions {
                failures_max: 10,
                open_ms: 1_000,
                open_ms_max: 10_000,
            },
            batch_max: crate::pipeline::BATCH_MAX,
            expire_after_ms: 24 * 60 * 60 * 1000,
        }
    }
}
