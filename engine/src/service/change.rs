//! Changes of a record from outside its flight.

use std::sync::Arc;

use holdfast_core::Step;
use tracing::{Instrument, Span};

use super::errors::Unavailable;
use super::shared::Shared;
use super::watch;
use crate::pipeline::Changed;
use crate::trace::TraceContext;

/// What to do after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// Nothing.
    None,
    /// The bank is watched.
    Watch,
}

/// Makes a step durable and tells the operation's flight. It runs as a separate task, so that a client that hangs up
/// cannot stop it half-way.
pub(super) async fn change(
    shared: &Arc<Shared>,
    step: Step,
    aftermath: Aftermath,
) -> Result<Changed, Unavailable> {
    let inner = shared.clone();
    let change = async move {
        let changed = inner.pipeline.change(step).await;
        if let Ok(Changed::Applied(operation)) = &changed {
            inner.finished(operation);
            match inner.flights.get(&operation.key) {
                Some(flight) => {
                    // Before anyone is answered: who joins from now on must not see less.
                    flight.publish(operation.clone());
                    flight.record_changed();
                }
                None => inner.flights.in_question.note(operation),
            }
            match aftermath {
                Aftermath::None => {}
                Aftermath::Watch => {
                    let watch = watch::begin(inner.clone(), operation.clone());
                    let watch = watch.instrument(Span::current());
                    inner.tasks.spawn(TraceContext::carried(watch));
                }
            }
        }
        changed
    };
    let change = change.instrument(Span::current());
    let changed = shared.tasks.spawn(TraceContext::carried(change));
    let changed = changed.await.map_err(|_| Unavailable::Stopped)?;
    changed.map_err(|_| Unavailable::Stopped)
}
