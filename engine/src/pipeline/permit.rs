//! The permit to call the bank once.

use holdfast_core::{Attempt, BankReference, Order, Request};

/// Proof that the mark "about to call, attempt n" of an operation is durable: the right to send that
/// one attempt.
///
/// It cannot be created outside the commit pipeline or copied, and
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
pub struct SendPermit(Attempt);

impl SendPermit {
    /// Makes the permit for an attempt whose mark has just become durable.
    pub(super) const fn mint(attempt: Attempt) -> Self {
        Self(attempt)
    }

    /// The attempt that may be sent.
    pub const fn order(&self) -> &Order {
        &self.0.order
    }

    /// Our reference at the bank.
    pub const fn bank_reference(&self) -> BankReference {
        self.0.order.bank_reference
    }

    /// The request.
    pub const fn request(&self) -> &Request {
        &self.0.order.request
    }

    /// The number of the attempt, from 1.
    pub const fn attempt(&self) -> u32 {
        self.0.number
    }
}
