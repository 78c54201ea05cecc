//! A client cancels a payment that was not sent.

use std::sync::Arc;

use holdfast_core::{Event, FailureReason, Merchant, Operation, OperationId, State, transition};

use super::change::{Aftermath, change};
use super::errors::CancelError;
use super::shared::Service;
use crate::pipeline::Changed;

impl Service {
    /// Cancels a payment for which the bank was provably never called. Repeatable.
    ///
    /// # Errors
    /// When there is no such payment, when it is too late, or when the service accepts no changes.
    pub async fn cancel(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Arc<Operation>, CancelError> {
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
            let now = self.shared.time.now();
            let Ok(step) = transition(&payment, &Event::Cancel, now) else {
                return Err(CancelError::TooLate(Arc::new(payment)));
            };
            match change(&self.shared, step, Aftermath::None).await? {
                Changed::Applied(payment) => return Ok(payment),
                // Someone changed it first. Versions only rise and the machine is finite, so this
                // ends: look again.
                Changed::Lost(_) => {}
            }
        }
    }
}
