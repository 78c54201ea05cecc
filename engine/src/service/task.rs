//! The task of a flight: finds the operation of its key or admits it, and hands it to a driver.

use std::sync::Arc;

use holdfast_core::{Event, Operation, OperationId, Request};
use tracing::Instrument;

use super::driver::{Clearance, Driver, legal, record_is_gone};
use super::flight::{NotAdmitted, Pilot};
use super::shared::Shared;
use super::watch;
use crate::pipeline::Admitted;

/// Why a flight was opened.
#[derive(Debug)]
pub(super) enum Errand {
    /// A request for a payment under its key.
    Create(Request),
    /// The log says that this operation needs more work.
    Recover(OperationId),
}

/// The task of a flight: finds or admits the operation of its key, and drives it.
pub(super) async fn fly(shared: Arc<Shared>, pilot: Pilot, errand: Errand) {
    let Ok(stored) = shared.read(shared.log.get(pilot.key()).await) else {
        return;
    };
    let recovers = match &errand {
        Errand::Create(_) => false,
        Errand::Recover(id) => {
            if stored.as_ref().is_none_or(|operation| operation.id != *id) {
                return record_is_gone(&shared, pilot.key());
            }
            true
        }
    };
    let (operation, clearance) = match (stored, errand) {
        (Some(operation), _) => {
            let operation = Arc::new(operation);
            pilot.flight.publish(operation.clone());
            (operation, None)
        }
        (None, Errand::Create(_)) if !shared.log.has_room() => {
            pilot.flight.publish_refused(NotAdmitted::NoRoom);
            return;
        }
        (None, Errand::Create(request)) => match admit(&shared, &pilot, request).await {
            Some(admitted) => admitted,
            None => return,
        },
        (None, Errand::Recover(_)) => return record_is_gone(&shared, pilot.key()),
    };
    describe(&operation);
    if operation.is_finished() {
        describe_end(&operation);
        shared.cache.insert(&operation);
        if recovers {
            let resumed = watch::resume(shared.clone(), operation);
            let resumed = resumed.instrument(tracing::Span::current());
            shared.tasks.spawn(resumed);
        }
        return;
    }
    let Some(lane) = shared.lanes.of(&operation).cloned() else {
        tracing::warn!(
            payment = %operation.id, bank = ?operation.at_bank(),
            "the bank of this payment is not configured here: it waits until a service with that bank starts"
        );
        return;
    };
    let mut driver = Driver::new(shared, pilot, lane, operation, clearance);
    driver.run().await;
    describe_end(&driver.operation);
}

/// Makes the intent durable. If a turn at the bank is free, the mark "about to call" is part of the same commit, so
/// the fast path costs two syncs in all.
async fn admit(
    shared: &Arc<Shared>,
    pilot: &Pilot,
    request: Request,
) -> Option<(Arc<Operation>, Option<Clearance>)> {
    let (now, since) = (shared.time.now(), shared.time.since_now());
    let id = shared.source.operation_id(now);
    let lane = shared.lanes.choose(&request);
    let received =
        Operation::received(id, pilot.key().clone(), request, now).for_bank(lane.name().clone());
    let turn = lane.try_turn();
    let mut step = legal(&received, &Event::Admit, now);
    if turn.is_some() {
        let event = Event::Dispatch(lane.mark(shared.log.tenure()));
        let dispatched = legal(&step.operation, &event, now);
        step = step.then(dispatched);
    }
    match shared.pipeline.admit(step).await.ok()? {
        Admitted::Admitted { operation, permit } => {
            shared.metrics.admitted.inc();
            pilot.flight.publish_admitted(operation.clone());
            let clearance = permit.zip(turn).map(|(permit, turn)| (permit, turn, since));
            Some((operation, clearance))
        }
        Admitted::Refused(refusal) => {
            pilot.flight.publish_refused(NotAdmitted::Refused(refusal));
            None
        }
        Admitted::Lost(current) => {
            pilot.flight.publish(current.clone());
            Some((current, None))
        }
    }
}

/// Adds the payment to the flight's span. Only once: recording a field again would add a second value.
fn describe(operation: &Operation) {
    let span = tracing::Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("payment_id", tracing::field::display(operation.id));
    span.record("merchant", operation.key.merchant.as_str());
}

/// Adds the final state of the payment to the flight's span.
fn describe_end(operation: &Operation) {
    let span = tracing::Span::current();
    span.record("state", tracing::field::debug(operation.state.name()));
}
