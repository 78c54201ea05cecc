//! The state that every part of the service shares.

use std::sync::Arc;

use holdfast_core::{Operation, State};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cache::Cache;
use super::errors::Unavailable;
use super::flight::Flights;
use super::options::ServiceOptions;
use crate::fatal::{Failure, FatalError};
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::source::SeededSource;
use crate::store::{Log, StoreError, Views};
use crate::timeline::Timeline;

/// The payment service; clones share it.
#[derive(Clone)]
pub struct Service {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) log: Arc<dyn Log>,
    pub(super) views: Arc<dyn Views>,
    pub(super) lanes: Lanes,
    /// The source of times that are stamped and compared.
    pub(super) time: Timeline,
    pub(super) source: Arc<SeededSource>,
    pub(super) options: ServiceOptions,
    pub(super) pipeline: Pipeline,
    pub(super) cache: Cache,
    pub(super) flights: Arc<Flights>,
    /// Set when the service drains: nothing new starts, and flights that only wait are parked.
    pub(super) parking: CancellationToken,
    /// Every flight's task.
    pub(super) tasks: TaskTracker,
    pub(super) failure: Failure,
    pub(super) metrics: Metrics,
    /// Held while an answer of the bank is compared with a finished operation: a contradiction is journalled once.
    pub(super) comparing: tokio::sync::Mutex<()>,
}

impl Shared {
    /// Handles a store's answer. If the error is not transient, the store cannot be trusted any more, and the
    /// service stops.
    pub(super) fn read<T>(&self, answer: Result<T, StoreError>) -> Result<T, Unavailable> {
        answer.map_err(|error| {
            match error {
                StoreError::Transient(_) => {}
                error @ (StoreError::Ambiguous(_) | StoreError::Fatal(_)) => {
                    self.failure.report(FatalError::Store(error));
                }
            }
            Unavailable::Stopped
        })
    }

    /// Counts and caches an operation that has just become finished and durable.
    pub(super) fn finished(&self, operation: &Arc<Operation>) {
        match operation.state {
            State::Settled { .. } => self.metrics.settled.inc(),
            State::Failed { .. } => self.metrics.failed.inc(),
            State::Received | State::Persisted | State::BankCalled(_) => return,
        };
        self.cache.insert(operation);
    }
}
