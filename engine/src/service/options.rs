//! Limits and intervals of the service, each with its reason.

use holdfast_core::Budgets;
use holdfast_core::retry::Backoff;

use crate::pipeline::BATCH_MAX;

/// The options of the service. Those of one bank are in [`LaneOptions`](crate::lanes::LaneOptions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Memory for finished payments, in bytes. The cache only saves reads; 0 turns it off.
    pub cache_bytes: u64,
    /// Most open flights. Above it new payments are rejected as "at capacity". It limits memory when
    /// the bank is slow: a flight takes a few kilobytes.
    pub flights_max: usize,
    /// Waits between attempts and between inquiries.
    pub backoff: Backoff,
    /// Limits of the automatic attempts and inquiries.
    pub budgets: Budgets,
    /// Most steps of one commit. A larger batch spreads the cost of a sync over more payments; the
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
            backoff: Backoff {
                base_ms: 200,
                cap_ms: 30_000,
            },
            budgets: Budgets {
                attempts_max: 20,
                inquiries_max: 50,
            },
            batch_max: BATCH_MAX,
            expire_after_ms: 24 * 60 * 60 * 1000,
        }
    }
}
