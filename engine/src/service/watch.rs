//! The watch: after an operator decided without the bank, the bank is still asked, as often as it would have been
//! without the decision.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{Event, Evidence, Operation, OperationId, transition};
use tokio_retry::RetryIf;

use super::evidence::{can_be_asked, compare};
use super::shared::Shared;
use crate::bank::InquiryOutcome;
use crate::lanes::Lane;

/// Resumes a watch that an earlier life began, if it is not over.
pub(super) async fn resume(shared: Arc<Shared>, operation: Arc<Operation>) {
    if is_watched(&shared, &operation).await {
        begin(shared, operation).await;
    }
}

async fn is_watched(shared: &Shared, operation: &Operation) -> bool {
    let merchant = &operation.key.merchant;
    let history = shared.views.history(merchant, operation.id).await;
    match shared.read(history) {
        Ok(Some(entries)) => entries.last().is_some_and(|(_, last)| last.leaves_open()),
        Ok(None) | Err(_) => false,
    }
}

/// Watches the bank. Ends early when the bank decides. If the service stops, the next life continues the watch.
pub(super) async fn begin(shared: Arc<Shared>, operation: Arc<Operation>) {
    let lane = shared.lanes.of(&operation);
    let lane = lane.filter(|_| can_be_asked(&shared, &operation));
    let Some(lane) = lane else {
        tracing::warn!(
            payment = %operation.id, bank = ?operation.bank,
            "an operator decided this payment, and its bank is not configured here: the bank is asked about the \
             payment when a service with that bank starts"
        );
        return;
    };
    let tries_max = shared.options.budgets.inquiries_max;
    let waits = (1..tries_max).map(|tries| {
        let jitter = shared.source.jitter(operation.id, tries);
        Duration::from_millis(shared.options.backoff.wait_ms(tries, jitter, 0))
    });
    let watched = RetryIf::start(
        waits,
        || look_once(&shared, lane, &operation),
        |undecided: &Undecided| {
            tracing::debug!(payment = %undecided.0, "the bank has not decided");
            true
        },
    );
    tokio::select! {
        biased;
        () = shared.parking.cancelled() => {}
        _ = watched => end(&shared, &operation).await,
    }
}

/// Makes the end of a watch durable, if it is not yet.
async fn end(shared: &Shared, operation: &Operation) {
    let _comparing = shared.comparing.lock().await;
    if !is_watched(shared, operation).await {
        return;
    }
    if let Ok(step) = transition(operation, &Event::EndWatch, shared.time.now()) {
        // A failure shows in the service itself.
        let _ = shared.pipeline.change(step).await;
    }
}

async fn look_once(shared: &Shared, lane: &Lane, operation: &Operation) -> Result<(), Undecided> {
    let turn = lane.turn().await;
    match lane.inquire(operation.bank_reference(), turn).await {
        InquiryOutcome::Decided(decision) => {
            let evidence = Evidence::Inquiry;
            compare(shared, operation, &Event::Decided { decision, evidence }).await;
            Ok(())
        }
        InquiryOutcome::NotFound | InquiryOutcome::Unknown => Err(Undecided(operation.id)),
    }
}

/// The bank does not know the reference, or did not say.
#[derive(Debug)]
struct Undecided(OperationId);
