//! The fast path: finished payments in memory. It guarantees nothing and may forget at any time.
//!
//! Architecture invariant: only durable, finished payments get in. They never change, so an entry is never stale.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use holdfast_core::{Operation, OperationKey, Request};
use moka::policy::EvictionPolicy;

/// A cache below this size, in bytes, removes entries over its limit at once. A larger one does so later, by the
/// system's clock, which a simulation could not repeat.
const EXACT_BELOW_BYTES: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Cache {
    finished: moka::sync::Cache<OperationKey, Arc<Operation>, BuildHasherDefault<DefaultHasher>>,
    /// Whether entries over the limit are removed at each insert.
    exact: bool,
}

impl Cache {
    pub(super) fn new(bytes_max: u64) -> Self {
        let finished = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|key, operation: &Arc<Operation>| bytes_of(key, operation))
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildHasherDefault::default());
        Self {
            finished,
            exact: bytes_max < EXACT_BELOW_BYTES,
        }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> u64 {
        // It counts when it has a moment: now it has.
        self.finished.run_pending_tasks();
        self.finished.entry_count()
    }

    pub(super) fn get(&self, key: &OperationKey) -> Option<Arc<Operation>> {
        self.finished.get(key)
    }

    /// Adds an operation that is finished and durable.
    pub(super) fn insert(&self, operation: &Arc<Operation>) {
        assert!(
            operation.is_finished(),
            "the cache holds finished payments only"
        );
        self.finished
            .insert(operation.key.clone(), operation.clone());
        if self.exact {
            self.finished.run_pending_tasks();
        }
    }
}

/// Memory of one entry, in bytes: the texts, and a fixed part for structs and moka's bookkeeping.
fn bytes_of(key: &OperationKey, operation: &Operation) -> u32 {
    const FIXED: usize = 600;
    let Request::Payment(request) = &operation.request;
    let metadata: usize = request
        .metadata()
        .entries()
        .iter()
        .map(|(key, value)| key.len() + value.len() + 64)
        .sum();
    let texts = key.merchant.as_str().len()
        + key.idempotency_key.as_str().len()
        + request.debtor().as_str().len()
        + request.creditor().as_str().len()
        + request
            .reference()
            .map_or(0, |reference| reference.as_str().len());
    u32::try_from(FIXED + texts + metadata).unwrap_or(u32::MAX)
}
