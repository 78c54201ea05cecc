//! The life of a service: start, housekeeping, orderly shutdown.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cache::Cache;
use super::errors::Unavailable;
use super::flight::Flights;
use super::options::ServiceOptions;
use super::shared::{Service, Shared};
use crate::clock::Clock;
use crate::fatal::{Failure, FatalError};
use crate::lanes::{LaneParts, Lanes};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::source::SeededSource;
use crate::store::Store;
use crate::timeline::Timeline;

/// The parts of a service. All of them come from outside.
pub struct ServiceParts {
    /// The source of truth.
    pub store: Store,
    /// The banks; the first one takes new payments.
    pub banks: Vec<LaneParts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub source: Arc<SeededSource>,
    /// Limits and intervals.
    pub options: ServiceOptions,
}

/// Interval of the housekeeping. After a crash, the time of the end is known to about this precision.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

impl Service {
    /// Starts the service and its pipeline on the current tokio runtime.
    pub fn start(parts: ServiceParts) -> Self {
        let ServiceParts {
            store,
            banks,
            clock,
            source,
            options,
        } = parts;
        let Store { log, views, .. } = store;
        let failure = Failure::default();
        let metrics = Metrics::default();
        let (pipeline, run) = Pipeline::new(
            log.clone(),
            options.batch_max,
            metrics.clone(),
            failure.clone(),
        );
        // Ends by itself when the last handle of the pipeline goes, or at a failure.
        tokio::spawn(run);
        let time = Timeline::begin(clock, log.noted_time());
        let shared = Shared {
            log,
            views,
            lanes: Lanes::new(banks, &metrics),
            time,
            source,
            pipeline,
            cache: Cache::new(options.cache_bytes),
            flights: Arc::new(Flights::new(metrics.clone(), failure.clone())),
            parking: CancellationToken::new(),
            tasks: TaskTracker::new(),
            failure,
            metrics,
            options,
            comparing: tokio::sync::Mutex::new(()),
        };
        let shared = Arc::new(shared);
        // Ends by itself when the service goes, stops or fails.
        tokio::spawn(keep_house(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// The first fatal failure, once there is one.
    pub fn failure(&self) -> &Failure {
        &self.shared.failure
    }

    /// The metrics of the service.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Whether new payments are accepted.
    ///
    /// # Errors
    /// When the service drains, the store has failed, or its disk is almost full.
    pub fn ready(&self) -> Result<(), Unavailable> {
        if self.shared.failure.is_set() {
            return Err(Unavailable::Stopped);
        }
        if self.shared.parking.is_cancelled() {
            return Err(Unavailable::Draining);
        }
        if !self.shared.log.has_room() {
            return Err(Unavailable::NoRoom);
        }
        Ok(())
    }

    /// How many finished payments the cache holds now.
    pub fn cached(&self) -> u64 {
        self.shared.cache.len()
    }

    /// Completes when the service begins to shut down. Tasks that only listen should end then.
    pub async fn draining(&self) {
        self.shared.parking.cancelled().await;
    }

    /// Shuts down in order: accepts nothing new, parks flights that only wait, lets current calls end, and then closes
    /// the store. Parked operations resume at the next start.
    ///
    /// # Errors
    /// When the store has failed before or fails to sync.
    pub async fn shutdown(&self) -> Result<(), Arc<FatalError>> {
        let shared = &self.shared;
        shared.parking.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
        if let Some(error) = shared.failure.get() {
            return Err(error);
        }
        // The next life begins no earlier than this one ends.
        shared
            .read(shared.log.note_time(shared.time.to_note()).await)
            .ok();
        let closed = shared.log.close().await;
        closed.map_err(|error| shared.failure.report(FatalError::Store(error)))
    }
}

/// Records the time while payments are open, and checks that this process is still the writer of the log.
async fn keep_house(service: Weak<Shared>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        let Some(shared) = service.upgrade() else {
            return;
        };
        if shared.failure.is_set() {
            return;
        }
        if shared.read(shared.log.check_tenure()).is_err() {
            return;
        }
        let to_note = shared.time.to_note();
        let doubted = to_note.in_doubt && !shared.log.noted_time().in_doubt;
        if doubted || !shared.flights.is_empty() {
            let noted = shared.log.note_time(to_note).await;
            if shared.read(noted).is_err() {
                return;
            }
        }
    }
}
