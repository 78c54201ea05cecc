//! An operator decides a payment whose outcome is unknown.

use std::sync::Arc;

use holdfast_core::{
    Cause, Event, FailureReason, Merchant, Operation, OperationId, Resolution, ResolvedOutcome,
    State, transition,
};

use super::change::{Aftermath, change};
use super::errors::Unavailable;
use super::evidence::can_be_asked;
use super::shared::Service;
use crate::pipeline::Changed;

/// Why a payment was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The merchant has no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// Its outcome is not unknown: it is finished, or the bank is being called.
    #[error("the payment is not in question")]
    NotResolvable(Arc<Operation>),
    /// It has changed since the operator looked.
    #[error("the payment has changed since")]
    Stale(Arc<Operation>),
    /// The service is not accepting changes.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Service {
    /// Applies an operator's decision to a payment in phase Unknown or Review. `is_seen` tells whether a version is
    /// the one that the operator looked at. Repeatable: the same resolution again changes nothing and returns the same
    /// payment.
    ///
    /// If the bank can be asked, it is watched afterwards, also across restarts. If it contradicts the decision, the
    /// contradiction is added to the journal.
    ///
    /// # Errors
    /// When there is no such payment, when its outcome is not unknown, when it has changed since, or when the service
    /// is not accepting changes.
    pub async fn resolve(
        &self,
        merchant: &Merchant,
        id: OperationId,
        is_seen: impl Fn(u64) -> bool + Send,
        resolution: &Resolution,
    ) -> Result<Arc<Operation>, ResolveError> {
        loop {
            let found = self.find(merchant, id).await?;
            let payment = Arc::new(found.ok_or(ResolveError::NotFound)?);
            if payment.is_finished() && self.is_resolved_so(&payment, resolution).await? {
                return Ok(payment);
            }
            let watched = can_be_asked(&self.shared, &payment);
            let event = Event::Resolve {
                resolution: resolution.clone(),
                watched,
            };
            let Ok(step) = transition(&payment, &event, self.shared.time.now()) else {
                return Err(ResolveError::NotResolvable(payment));
            };
            if !is_seen(payment.version) {
                return Err(ResolveError::Stale(payment));
            }
            let aftermath = if watched {
                Aftermath::Watch
            } else {
                Aftermath::None
            };
            match change(&self.shared, step, aftermath).await? {
                Changed::Applied(payment) => return Ok(payment),
                // Someone changed it first: look again, which ends in one of the answers above.
                Changed::Lost(_) => {}
            }
        }
    }

    async fn is_resolved_so(
        &self,
        payment: &Operation,
        resolution: &Resolution,
    ) -> Result<bool, Unavailable> {
        let same_outcome = match (&payment.state, &resolution.outcome) {
            (
                State::Settled {
                    bank_transaction_id: known,
                    ..
                },
                ResolvedOutcome::Settled {
                    bank_transaction_id,
                },
            ) => known == bank_transaction_id,
            (State::Failed { reason, .. }, ResolvedOutcome::Failed) => {
                *reason == FailureReason::Resolved
            }
            (
                State::Received
                | State::Persisted
                | State::BankCalled(_)
                | State::Settled { .. }
                | State::Failed { .. },
                ResolvedOutcome::Settled { .. } | ResolvedOutcome::Failed,
            ) => false,
        };
        if !same_outcome {
            return Ok(false);
        }
        let entries = self.entries(&payment.key.merchant, payment.id).await?;
        let entries = entries.unwrap_or_default();
        Ok(entries.iter().any(|(_, entry)| match &entry.cause {
            Cause::Resolution {
                operator, evidence, ..
            } => *operator == resolution.operator && *evidence == resolution.evidence,
            _ => false,
        }))
    }
}
