//! An operator asks the bank about a payment before deciding it.

use std::sync::Arc;

use holdfast_core::{Merchant, Operation, OperationId, Phase};

use super::errors::Unavailable;
use super::evidence::can_be_asked;
use super::shared::Service;
use crate::bank::InquiryOutcome;

/// The result of an inquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The bank's answer. It changes nothing.
    Answered(InquiryOutcome),
    /// The payment's bank cannot look up our reference, or is not configured in this service.
    CannotBeAsked,
    /// The bank was not asked: the circuit breaker is open, or there are too many calls.
    HeldBack,
}

/// Why the bank was not asked about a payment.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The merchant has no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// Its outcome is not unknown.
    #[error("the payment is not in question")]
    NotInQuestion(Arc<Operation>),
    /// The service is not accepting requests.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Service {
    /// Asks the bank for the outcome of a payment in phase Unknown or Review. It changes nothing: the answer is for
    /// the operator who decides.
    ///
    /// It waits for a turn no longer than for an answer.
    ///
    /// # Errors
    /// When there is no such payment, when its outcome is not unknown, or when the service is not accepting requests.
    pub async fn ask_bank(&self, merchant: &Merchant, id: OperationId) -> Result<Asked, AskError> {
        let shared = &self.shared;
        let found = self.find(merchant, id).await?;
        let payment = found.ok_or(AskError::NotFound)?;
        match payment.state.phase() {
            Some(Phase::Unknown | Phase::Review) => {}
            Some(Phase::Awaiting) | None => {
                return Err(AskError::NotInQuestion(Arc::new(payment)));
            }
        }
        let lane = shared.lanes.of(&payment);
        let lane = lane.filter(|_| can_be_asked(shared, &payment));
        let Some(lane) = lane else {
            return Ok(Asked::CannotBeAsked);
        };
        let Ok(turn) = tokio::time::timeout(lane.timeout(), lane.turn()).await else {
            return Ok(Asked::HeldBack);
        };
        let said = lane.inquire(payment.bank_reference(), turn).await;
        tracing::info!(%id, said = said.name(), "an operator asked the bank about a payment");
        Ok(Asked::Answered(said))
    }
}
