//! Creating a payment: cache, flight table, store, in this order. The first request to find nothing opens the flight and
//! only then reads the store; everyone else joins. A flight is a separate task, so a client that hangs up cancels
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{Operation, OperationKey, Refusal, Request};
use tracing::Instrument;

use super::errors::{CreateError, Unavailable};
use super::flight::{Boarding, Flight, NotAdmitted};
use super::shared::{Service, Shared};
use super::task::{Errand, fly};
use crate::metrics::{ByLayer, Layer};
use crate::trace::TraceContext;

/// How to answer a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateOptions {
    /// How long to wait for the end of the payment. The answer always waits until the payment is durable.
    pub wait: Duration,
    /// Refuse to join a payment that is still in flight.
    pub strict: bool,
}

/// The answer to a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The payment in its durable state.
    pub payment: Arc<Operation>,
    /// `false` only for the request that opened the payment.
    pub replayed: bool,
}

impl Service {
    /// Creates a payment, or returns the one that the key belongs to.
    ///
    /// # Errors
    /// When the key belongs to a different request, when the client declined to join, or when the service is not
    /// accepting new payments.
    /// In each case this call charged nothing.
    pub async fn create(
        &self,
        key: OperationKey,
        request: impl Into<Request>,
        options: CreateOptions,
    ) -> Result<Created, CreateError> {
        let (shared, request) = (&self.shared, request.into());
        if shared.failure.is_set() {
            return Err(Unavailable::Stopped.into());
        }
        if let Some(payment) = shared.cache.get(&key) {
            replayed_by(shared, Layer::Cache);
            same_request(&payment, &request)?;
            return Ok(Created {
                payment,
                replayed: true,
            });
        }
        let (flight, opened) = board(shared, &key, &request)?;

        // Nothing is said before the store has spoken.
        let stage = flight
            .said(|stage| stage.payment.is_some() || stage.refused.is_some() || stage.ended)
            .await;
        match stage.refused {
            None => {}
            Some(NotAdmitted::Refused(Refusal::AccountFull(full))) => {
                return Err(CreateError::AccountFull(full));
            }
            Some(NotAdmitted::NoRoom) => return Err(Unavailable::NoRoom.into()),
        }
        let payment = stage.payment.ok_or(Unavailable::Stopped)?;
        same_request(&payment, &request)?;
        let replayed = !(opened && stage.admitted_here);
        if opened && replayed && payment.is_finished() {
            replayed_by(shared, Layer::Store);
        }
        if options.strict && replayed && !payment.is_finished() && !stage.ended {
            return Err(CreateError::InProgress(payment));
        }

        // When the wait is over, the answer is the payment as it is then; that is no error.
        let ended = flight.said(|stage| stage.ended);
        let _ = tokio::time::timeout(options.wait, ended).await;
        let payment = flight.stage().payment.unwrap_or(payment);
        Ok(Created { payment, replayed })
    }
}

fn board(
    shared: &Arc<Shared>,
    key: &OperationKey,
    request: &Request,
) -> Result<(Arc<Flight>, bool), Unavailable> {
    let flights_max = if shared.parking.is_cancelled() {
        0
    } else {
        shared.options.flights_max
    };
    match shared.flights.join_or_open(key, flights_max) {
        Boarding::Joined(flight) => {
            shared.metrics.joins.inc();
            Ok((flight, false))
        }
        Boarding::Opened(flight, pilot) => {
            let errand = Errand::Create(request.clone());
            // In a box of its own, for it is large, and is moved several times until it runs.
            let fly = Box::pin(fly(shared.clone(), pilot, errand));
            let fly = TraceContext::carried(fly.instrument(flight_span()));
            shared.tasks.spawn(fly);
            Ok((flight, true))
        }
        Boarding::Full if flights_max == 0 => Err(Unavailable::Draining),
        Boarding::Full => Err(Unavailable::AtCapacity),
    }
}

/// The span of a flight, as a child of the span that opened it.
pub(super) fn flight_span() -> tracing::Span {
    tracing::debug_span!(
        "payment",
        payment_id = tracing::field::Empty,
        merchant = tracing::field::Empty,
        state = tracing::field::Empty
    )
}

fn replayed_by(shared: &Shared, layer: Layer) {
    let label = ByLayer { layer };
    shared.metrics.replays.get_or_create(&label).inc();
}

fn same_request(payment: &Arc<Operation>, request: &Request) -> Result<(), CreateError> {
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
