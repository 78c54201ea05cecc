//! One key, one flight: the running effort for a key, which all concurrent duplicates join.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_core::{Operation, OperationKey, Refusal};
use tokio::sync::Notify;

use super::in_question::InQuestion;
use crate::fatal::{Failure, FatalError};
use crate::metrics::Metrics;

/// The news of a flight so far. Only durable data gets in here.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage {
    /// The durable payment; `None` until the store has answered.
    pub(super) payment: Option<Arc<Operation>>,
    /// Whether this flight admitted it, rather than found it in the store.
    pub(super) admitted_here: bool,
    /// Why the payment was not admitted, if it was not.
    pub(super) refused: Option<NotAdmitted>,
    /// Whether the flight is over. The payment may be unfinished then: parked, or in review.
    pub(super) ended: bool,
}

/// Why a payment was not admitted. Nothing was stored.
#[derive(Debug, Clone)]
pub(super) enum NotAdmitted {
    /// A guard did not hold.
    Refused(Refusal),
    /// The disk has no room.
    NoRoom,
}

/// The flight of one key.
#[derive(Debug)]
pub(super) struct Flight {
    stage: Mutex<Stage>,
    /// Wakes who joined, in the order they came: a simulation repeats it.
    staged: Notify,
    /// Ends the wait of a step for its turn at the bank, because the record was changed by someone
    /// else.
    pub(super) poke: Notify,
    /// Ends the wait between two steps, for the same reason.
    pub(super) wake: Notify,
    in_question: Arc<InQuestion>,
}

impl Flight {
    /// The current news of the flight.
    pub(super) fn stage(&self) -> Stage {
        self.lock().clone()
    }

    /// Waits until the news satisfy the caller.
    pub(super) async fn said(&self, enough: impl Fn(&Stage) -> bool) -> Stage {
        loop {
            let staged = self.staged.notified();
            tokio::pin!(staged);
            // Before looking, so that nothing said in between is missed.
            staged.as_mut().enable();
            let stage = self.stage();
            if enough(&stage) {
                return stage;
            }
            staged.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // A panic elsewhere leaves a stage whole: it is changed by plain assignments.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, change: impl FnOnce(&mut Stage)) {
        change(&mut self.lock());
        self.staged.notify_waiters();
    }

    /// Tells the flight that its record was changed by someone else.
    pub(super) fn record_changed(&self) {
        self.poke.notify_one();
        self.wake.notify_one();
    }

    /// Tells everyone who joined the durable state of the payment.
    pub(super) fn publish(&self, payment: Arc<Operation>) {
        self.say(|stage| {
            let known = stage.payment.as_ref().map_or(0, |known| known.version);
            // Who was told of a version is never told of an earlier one.
            if payment.version >= known {
                self.in_question.note(&payment);
                stage.payment = Some(payment);
            }
        });
    }

    /// Tells everyone who joined that the payment was not admitted.
    pub(super) fn publish_refused(&self, why: NotAdmitted) {
        self.say(|stage| stage.refused = Some(why));
    }

    /// Like [`Self::publish`], for a payment that this flight admitted.
    pub(super) fn publish_admitted(&self, payment: Arc<Operation>) {
        self.say(|stage| {
            stage.payment = Some(payment);
            stage.admitted_here = true;
        });
    }
}

/// All open flights.
#[derive(Debug)]
pub(super) struct Flights {
    open: Mutex<BTreeMap<OperationKey, Arc<Flight>>>,
    pub(super) in_question: Arc<InQuestion>,
    metrics: Metrics,
    failure: Failure,
}

/// The result of [`Flights::join_or_open`].
pub(super) enum Boarding {
    /// There is a flight; wait for it.
    Joined(Arc<Flight>),
    /// There was none. The holder of the pilot must run the flight.
    Opened(Arc<Flight>, Pilot),
    /// There was none, and the limit is reached.
    Full,
}

impl Flights {
    pub(super) fn new(metrics: Metrics, failure: Failure) -> Self {
        Self {
            open: Mutex::new(BTreeMap::new()),
            in_question: Arc::new(InQuestion::new(metrics.clone())),
            metrics,
            failure,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<OperationKey, Arc<Flight>>> {
        // The map is changed by single inserts and removes: a panic elsewhere leaves it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn get(&self, key: &OperationKey) -> Option<Arc<Flight>> {
        self.lock().get(key).cloned()
    }

    /// Atomic insert-if-absent: of any number of callers, exactly one becomes the pilot.
    pub(super) fn join_or_open(
        self: &Arc<Self>,
        key: &OperationKey,
        flights_max: usize,
    ) -> Boarding {
        let mut open = self.lock();
        if let Some(flight) = open.get(key) {
            return Boarding::Joined(flight.clone());
        }
        if open.len() >= flights_max {
            return Boarding::Full;
        }
        let flight = Arc::new(Flight {
            stage: Mutex::default(),
            staged: Notify::new(),
            poke: Notify::new(),
            wake: Notify::new(),
            in_question: self.in_question.clone(),
        });
        open.insert(key.clone(), flight.clone());
        drop(open);
        self.metrics.flights.inc();
        let pilot = Pilot {
            flights: self.clone(),
            key: key.clone(),
            flight: flight.clone(),
        };
        Boarding::Opened(flight, pilot)
    }
}

/// Owns an open flight. When it is dropped, for any reason, the flight is closed, so that nobody waits for ever.
#[derive(Debug)]
pub(super) struct Pilot {
    flights: Arc<Flights>,
    key: OperationKey,
    pub(super) flight: Arc<Flight>,
}

impl Pilot {
    pub(super) fn key(&self) -> &OperationKey {
        &self.key
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        // Off the board first: who comes now opens a new flight and reads what is durable.
        self.flights.lock().remove(&self.key);
        self.flights.metrics.flights.dec();
        self.flight.say(|stage| stage.ended = true);
        if std::thread::panicking() {
            // The payment would otherwise stand still until the next start.
            self.flights.failure.report(FatalError::Panicked);
        }
    }
}
