//! The bank's answer about a finished operation. A contradiction is added to the journal and counted once. The record
//! is never changed.

use holdfast_core::{Cause, Event, Operation, State, transition};

use super::shared::Shared;
use crate::pipeline::Changed;

/// Compares the bank's decision with a finished operation.
pub(super) async fn compare(shared: &Shared, operation: &Operation, event: &Event) {
    if !operation.is_finished() {
        return;
    }
    let _comparing = shared.comparing.lock().await;
    let Ok(step) = transition(operation, event, shared.time.now()) else {
        return;
    };
    let (merchant, cause) = (&operation.key.merchant, &step.entries[0].cause);
    let known = shared.views.history(merchant, operation.id).await;
    let Ok(Some(known)) = shared.read(known) else {
        return;
    };
    if known.iter().any(|(_, entry)| entry.cause == *cause) {
        return;
    }
    if let Cause::Contradiction(decision) = cause {
        tracing::error!(
            payment = %operation.id, ?decision, state = ?operation.state.name(),
            "the bank contradicts a finished payment; an operator must look at it"
        );
    }
    if let Ok(Changed::Applied(_)) = shared.pipeline.change(step).await {
        shared.metrics.contradictions.inc();
    }
}

/// Whether the bank of an operation is configured here and can be asked by our reference.
pub(super) fn can_be_asked(shared: &Shared, operation: &Operation) -> bool {
    let Some(lane) = shared.lanes.of(operation) else {
        return false;
    };
    let present = lane.capability();
    let capability = match &operation.state {
        State::BankCalled(called) => called.capability(present),
        State::Received | State::Persisted | State::Settled { .. } | State::Failed { .. } => {
            present
        }
    };
    capability.grace_ms().is_some()
}
