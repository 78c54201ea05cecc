//! The service: one flight per key, the cache in front, the store behind, the bank at the side.
//!
//! Lookup order of a create: cache, flight table, store. The first to find nothing opens the flight
//! and only then reads the store; everyone else joins. A flight is a task of its own, so a client
//! that hangs up cancels nothing.

mod books;
mod cache;
mod calls;
mod drive;
mod errors;
mod flight;
mod inquiry;
mod options;
mod question;
mod resolve;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::bank::Bank;
use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::fatal::{Failure, FatalError};
use crate::metrics::{ByLayer, Layer, Metrics};
use crate::payment::{
    Event, FailureReason, JournalEntry, Merchant, Payment, PaymentId, PaymentKey, PaymentRequest,
    State, Step, transition,
};
use crate::pipeline::{Committed, Pipeline};
use crate::source::SeededSource;
use crate::store::{Page, Query, Store, StoreError, Write};
use crate::timeline::Timeline;
use crate::trace::TraceContext;
pub use books::FeedPage;
use cache::Cache;
use drive::Errand;
pub use errors::{CancelError, CreateError, Unavailable};
use flight::{Boarding, Flight, Flights, Refusal};
pub use inquiry::{AskError, Asked};
pub use options::ServiceOptions;
pub use resolve::ResolveError;

/// What the service is made of. All of it comes from outside.
pub struct Parts {
    /// The source of truth.
    pub store: Arc<dyn Store>,
    /// The bank.
    pub bank: Arc<dyn Bank>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub source: Arc<SeededSource>,
    /// Bounds and intervals.
    pub options: ServiceOptions,
}

/// The payment service; clones share it.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    bank: Arc<dyn Bank>,
    /// What is stamped and compared.
    time: Timeline,
    source: Arc<SeededSource>,
    options: ServiceOptions,
    pipeline: Pipeline,
    cache: Cache,
    flights: Arc<Flights>,
    /// The bulkhead: one permit per call to the bank.
    slots: Arc<Semaphore>,
    breaker: Breaker,
    /// Set when the service drains: nothing new starts, whatever only waits is parked.
    parking: CancellationToken,
    /// Every flight's task.
    tasks: TaskTracker,
    failure: Failure,
    metrics: Metrics,
    /// Held while an answer of the bank is held against a finished payment: one that does not fit is
    /// journalled once.
    comparing: tokio::sync::Mutex<()>,
}

/// How a create is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateOptions {
    /// How long to wait for the end of the payment. Durability is always waited for.
    pub wait: Duration,
    /// Refuse to join a payment that is still in flight.
    pub strict: bool,
}

/// The answer to a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The payment as it durably stands.
    pub payment: Arc<Payment>,
    /// `false` only for the request that opened the payment.
    pub replayed: bool,
}

/// What is to follow when a record was changed from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aftermath {
    /// Nothing.
    None,
    /// The bank is watched.
    Watch,
}

impl Service {
    /// Starts the service and its pipeline on the current tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts {
            store,
            bank,
            clock,
            source,
            options,
        } = parts;
        let failure = Failure::default();
        let metrics = Metrics::default();
        let (pipeline, run) = Pipeline::new(
            store.clone(),
            options.batch_max,
            metrics.clone(),
            failure.clone(),
        );
        // Ends by itself when the last handle of the pipeline goes, or at a failure.
        tokio::spawn(run);
        let time = Timeline::begin(clock, store.noted_time());
        let inner = Inner {
            store,
            bank,
            time,
            source,
            pipeline,
            cache: Cache::new(options.cache_bytes),
            flights: Arc::new(Flights::new(metrics.clone(), failure.clone())),
            slots: Arc::new(Semaphore::new(options.bank_calls_max)),
            breaker: Breaker::new(options.breaker, metrics.breaker_open.clone()),
            parking: CancellationToken::new(),
            tasks: TaskTracker::new(),
            failure,
            metrics,
            options,
            comparing: tokio::sync::Mutex::new(()),
        };
        let inner = Arc::new(inner);
        // Ends by itself when the service goes, stops or fails.
        tokio::spawn(keep_house(Arc::downgrade(&inner)));
        Self { inner }
    }

    /// The first fatal failure, once there is one.
    pub fn failure(&self) -> &Failure {
        &self.inner.failure
    }

    /// What the service counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Whether new payments are taken in.
    ///
    /// # Errors
    /// When the service drains, the store has failed, or its disk is almost full.
    pub fn ready(&self) -> Result<(), Unavailable> {
        if self.inner.failure.is_set() {
            return Err(Unavailable::Stopped);
        }
        if self.inner.parking.is_cancelled() {
            return Err(Unavailable::Draining);
        }
        if !self.inner.store.has_room() {
            return Err(Unavailable::NoRoom);
        }
        Ok(())
    }

    /// How many finished payments the cache holds now.
    pub fn cached(&self) -> u64 {
        self.inner.cache.len()
    }

    /// Creates a payment, or answers with the one the key stands for.
    ///
    /// # Errors
    /// When the key stands for another request, when joining was declined, or when nothing is taken
    /// in. In each case this call charged nothing.
    pub async fn create(
        &self,
        key: PaymentKey,
        request: PaymentRequest,
        options: CreateOptions,
    ) -> Result<Created, CreateError> {
        if self.inner.failure.is_set() {
            return Err(Unavailable::Stopped.into());
        }
        if let Some(payment) = self.inner.cache.get(&key) {
            self.inner.replayed_by(Layer::Cache);
            same_request(&payment, &request)?;
            return Ok(Created {
                payment,
                replayed: true,
            });
        }
        let request = Arc::new(request);
        let (flight, opened) = self.board(&key, &request)?;

        // Nothing is said before the store has spoken.
        let stage = flight
            .said(|stage| stage.payment.is_some() || stage.refused.is_some() || stage.ended)
            .await;
        match stage.refused {
            None => {}
            Some(Refusal::Accounts(full)) => return Err(CreateError::AccountFull(full)),
            Some(Refusal::Disk) => return Err(Unavailable::NoRoom.into()),
        }
        let payment = stage.payment.ok_or(Unavailable::Stopped)?;
        same_request(&payment, &request)?;
        let replayed = !(opened && stage.admitted_here);
        if opened && replayed && payment.is_finished() {
            self.inner.replayed_by(Layer::Store);
        }
        if options.strict && replayed && !payment.is_finished() && !stage.ended {
            return Err(CreateError::InProgress(payment));
        }

        // The time being up is no error: the answer is then the payment as it stands.
        let ended = flight.said(|stage| stage.ended);
        let _ = tokio::time::timeout(options.wait, ended).await;
        let payment = flight.stage().payment.unwrap_or(payment);
        Ok(Created { payment, replayed })
    }

    fn board(
        &self,
        key: &PaymentKey,
        request: &Arc<PaymentRequest>,
    ) -> Result<(Arc<Flight>, bool), Unavailable> {
        let inner = &self.inner;
        let flights_max = if inner.parking.is_cancelled() {
            0
        } else {
            inner.options.flights_max
        };
        match inner.flights.join_or_open(key, flights_max) {
            Boarding::Joined(flight) => {
                inner.metrics.joins.inc();
                Ok((flight, false))
            }
            Boarding::Opened(flight, pilot) => {
                let errand = Errand::Create(request.clone());
                let fly = drive::fly(inner.clone(), pilot, errand);
                let fly = TraceContext::carried(fly.instrument(flight_span()));
                inner.tasks.spawn(fly);
                Ok((flight, true))
            }
            Boarding::Full if flights_max == 0 => Err(Unavailable::Draining),
            Boarding::Full => Err(Unavailable::AtCapacity),
        }
    }

    /// A merchant's payment by id.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn find(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Payment>, Unavailable> {
        self.inner.read(self.inner.store.find(merchant, id).await)
    }

    /// The payment under a key, if there is one, in flight or not.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn find_by_key(&self, key: &PaymentKey) -> Result<Option<Payment>, Unavailable> {
        self.inner.read(self.inner.store.get(key).await)
    }

    /// A page of a merchant's payments, newest first.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn list(&self, query: &Query) -> Result<Page, Unavailable> {
        self.inner.read(self.inner.store.list(query).await)
    }

    /// A payment's journal entries, oldest first; `None` when the merchant has no such payment.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, Unavailable> {
        self.inner
            .read(self.inner.store.entries(merchant, id).await)
    }

    /// Cancels a payment that the bank has provably not been called for. Repeatable.
    ///
    /// # Errors
    /// When there is no such payment, when it is too late, or when nothing is taken in.
    pub async fn cancel(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Arc<Payment>, CancelError> {
        loop {
            let payment = self
                .find(merchant, id)
                .await?
                .ok_or(CancelError::NotFound)?;
            if let State::Failed {
                reason: FailureReason::Cancelled,
                ..
            } = payment.state
            {
                return Ok(Arc::new(payment));
            }
            let now = self.inner.time.now();
            let Ok(step) = transition(&payment, &Event::Cancel, now) else {
                return Err(CancelError::TooLate(Arc::new(payment)));
            };
            match self.inner.change(step, Aftermath::None).await? {
                Committed::Applied { payment, .. } => return Ok(payment),
                Committed::Refused(_) => unreachable!("only an admission places a hold"),
                // Someone moved it first. Versions only rise and the machine is finite, so this
                // ends: look again.
                Committed::Lost { .. } => {}
            }
        }
    }

    /// The merchants that have payments.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn merchants(&self) -> Result<BTreeSet<Merchant>, Unavailable> {
        self.inner.read(self.inner.store.merchants().await)
    }

    /// Resumes every unfinished payment, and every watch of the bank. The service answers while this runs; a request for a key
    /// under recovery joins its flight. Running it again, or crashing in it, changes nothing.
    ///
    /// Returns how many payments were resumed.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn recover(&self) -> Result<usize, Unavailable> {
        /// Keys read at once.
        const PAGE: usize = 1_000;
        let inner = &self.inner;
        let mut after = None;
        let mut resumed = 0;
        loop {
            let page = inner.read(inner.store.unfinished(after, PAGE).await)?;
            for (id, key) in &page {
                if inner.parking.is_cancelled() {
                    return Err(Unavailable::Draining);
                }
                // Never refused for want of room: these payments were accepted before.
                if inner.recover(*id, key) {
                    resumed += 1;
                } else {
                    // A client was faster. What that flight leaves, such as a watch to go on with, is looked at after it.
                    let (inner, id, key) = (inner.clone(), *id, key.clone());
                    inner.tasks.clone().spawn(async move {
                        while !inner.parking.is_cancelled() && !inner.recover(id, &key) {
                            tokio::select! {
                                () = inner.parking.cancelled() => return,
                                () = tokio::time::sleep(HOUSEKEEPING) => {}
                            }
                        }
                    });
                }
            }
            match page.last() {
                Some((last, _)) => after = Some(*last),
                None => return Ok(resumed),
            }
        }
    }

    /// Stops in order: takes nothing new in, parks what only waits, lets calls under way end, then
    /// closes the store. What is parked resumes at the next start.
    ///
    /// # Errors
    /// When the store has failed before or fails to sync.
    pub async fn shutdown(&self) -> Result<(), Arc<FatalError>> {
        let inner = &self.inner;
        inner.parking.cancel();
        inner.tasks.close();
        inner.tasks.wait().await;
        if let Some(error) = inner.failure.get() {
            return Err(error);
        }
        // The next life begins no earlier than this one ends.
        inner
            .read(inner.store.note_time(inner.time.to_note()).await)
            .ok();
        let closed = inner.store.close().await;
        closed.map_err(|error| inner.failure.report(FatalError::Store(error)))
    }
}

impl Inner {
    /// Takes a store's answer; any error stops the service, for it cannot be trusted any more.
    fn read<T>(&self, answer: Result<T, StoreError>) -> Result<T, Unavailable> {
        answer.map_err(|error| {
            match error {
                StoreError::Closed => {}
                error => {
                    self.failure.report(FatalError::Store(error));
                }
            }
            Unavailable::Stopped
        })
    }

    /// Changes a record from outside its flight. A task of its own, so that a client that hangs up
    /// half-way leaves nothing half done.
    async fn change(
        self: &Arc<Self>,
        step: Step,
        aftermath: Aftermath,
    ) -> Result<Committed, Unavailable> {
        let inner = self.clone();
        let change = async move {
            let committed = inner.pipeline.commit(Write::new(step)).await;
            if let Ok(Committed::Applied { payment, .. }) = &committed {
                inner.finished(payment);
                match inner.flights.get(&payment.key) {
                    Some(flight) => {
                        // Before anyone is answered: who joins from now on must not see less.
                        flight.publish(payment.clone());
                        flight.record_changed();
                    }
                    None => inner.flights.in_question.note(payment),
                }
                match aftermath {
                    Aftermath::None => {}
                    Aftermath::Watch => {
                        let watch = inner.clone().watch_resolved(payment.clone());
                        let watch = watch.instrument(Span::current());
                        inner.tasks.spawn(TraceContext::carried(watch));
                    }
                }
            }
            committed
        };
        let change = change.instrument(Span::current());
        let changed = self.tasks.spawn(TraceContext::carried(change));
        let committed = changed.await.map_err(|_| Unavailable::Stopped)?;
        committed.map_err(|_| Unavailable::Stopped)
    }

    fn replayed_by(&self, layer: Layer) {
        self.metrics.replays.get_or_create(&ByLayer { layer }).inc();
    }

    /// Books a payment that has just become finished and durable.
    fn finished(&self, payment: &Arc<Payment>) {
        match payment.state {
            State::Settled { .. } => self.metrics.settled.inc(),
            State::Failed { .. } => self.metrics.failed.inc(),
            State::Received | State::Persisted | State::BankCalled(_) => return,
        };
        self.cache.insert(payment);
    }
}

/// How often the service looks after its store: a life that ends leaves the time of its end known to about this.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

impl Inner {
    /// Opens a flight for an unfinished payment, unless there is one.
    fn recover(self: &Arc<Self>, id: PaymentId, key: &PaymentKey) -> bool {
        // Never refused for want of room: these payments were accepted before.
        let boarding = self.flights.join_or_open(key, usize::MAX);
        let Boarding::Opened(_, pilot) = boarding else {
            return false;
        };
        let fly = drive::fly(self.clone(), pilot, Errand::Recover(id));
        self.tasks.spawn(fly.instrument(flight_span()));
        true
    }
}

/// Notes the time while payments are under way, and looks whether the store still is where it was.
async fn keep_house(service: Weak<Inner>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        let Some(inner) = service.upgrade() else {
            return;
        };
        if inner.failure.is_set() {
            return;
        }
        if inner.read(inner.store.check_place()).is_err() {
            return;
        }
        let to_note = inner.time.to_note();
        let doubted = to_note.in_doubt && !inner.store.noted_time().in_doubt;
        if doubted || !inner.flights.is_empty() {
            let noted = inner.store.note_time(to_note).await;
            if inner.read(noted).is_err() {
                return;
            }
        }
    }
}

/// What a flight does, as a part of what opened it.
fn flight_span() -> tracing::Span {
    tracing::debug_span!(
        "payment",
        payment_id = tracing::field::Empty,
        merchant = tracing::field::Empty,
        state = tracing::field::Empty
    )
}

fn same_request(payment: &Arc<Payment>, request: &PaymentRequest) -> Result<(), CreateError> {
    let fields = payment.request.mismatched_fields(request);
    if fields.is_empty() {
        Ok(())
    } else {
        Err(CreateError::Mismatch {
            fields,
            payment: payment.clone(),
        })
    }
}
