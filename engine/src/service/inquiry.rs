//! An operator asks the bank about a payment before deciding it.

use std::sync::Arc;

use holdfast_core::{Merchant, Operation, OperationId, Phase};

use super::errors::Unavailable;
use super::evidence::can_be_asked;
use super::shared::Service;
use crate::bank::InquiryOutcome;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// What the bank said. Nothing was changed by it.
    Answered(InquiryOutcome),
    /// The payment's bank cannot be asked by our reference, or is not the bank of this service.
    CannotBeAsked,
    /// Calls to the bank are held back, or there are too many of them, so it was not asked.
    HeldBack,
}

/// Why the bank was not asked about a payment.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The merchant has no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// Its outcome is not in question.
    #[error("the payment is not in question")]
    NotInQuestion(Arc<Operation>),
    /// The service takes nothing in.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Service {
    /// Asks the bank what became of a payment in phase Unknown or Review. Changes nothing: the answer is for whoever decides.
    ///
    /// Waits for a turn no longer than for an answer.
    ///
    /// # Errors
    /// When there is no such payment, when it is not in question, or when nothing is taken in.
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
