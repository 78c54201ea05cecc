//! The permit to call the bank once.

use std::sync::Arc;

use crate::bank::ChargeOrder;
use crate::payment::{BankReference, Payment, PaymentRequest, State};

/// Proof that the mark "about to call, attempt n" of a payment is durable: the right to send that
/// one attempt.
///
/// It cannot be made outside the commit pipeline, nor copied, and
/// [`Bank::charge`](crate::bank::Bank::charge) takes it by value. So the bank cannot be called
/// before the intent is on disk, nor twice for one durable attempt:
///
/// ```compile_fail
/// # use holdfast_engine::{bank::Bank, pipeline::SendPermit};
/// async fn twice(bank: &dyn Bank, permit: SendPermit) {
///     bank.charge(permit).await;
///     bank.charge(permit).await; // use of moved value
/// }
/// ```
#[derive(Debug)]
pub struct SendPermit {
    order: ChargeOrder,
    attempt: u32,
}

impl SendPermit {
    /// Makes the permit for a payment whose attempt has just become durable.
    pub(super) fn mint(payment: &Payment) -> Self {
        assert!(
            matches!(&payment.state, State::BankCalled(called) if called.next_at.is_none()),
            "a permit is for an attempt under way"
        );
        let order = ChargeOrder {
            bank_reference: payment.bank_reference(),
            request: payment.request.clone(),
        };
        Self {
            order,
            attempt: payment.attempts,
        }
    }

    /// What may be sent.
    pub const fn order(&self) -> &ChargeOrder {
        &self.order
    }

    /// Our reference at the bank.
    pub const fn bank_reference(&self) -> BankReference {
        self.order.bank_reference
    }

    /// Amount, currency and parties.
    pub const fn request(&self) -> &Arc<PaymentRequest> {
        &self.order.request
    }

    /// The number of the attempt, from 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
}
