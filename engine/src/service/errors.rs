//! Why the service did not do what it was asked to.

use std::sync::Arc;

use holdfast_core::Operation;
use holdfast_core::ledger::LedgerError;

/// Why a create was not answered with its payment. None of these charged anything.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The key stands for another request.
    #[error("the key was used for another request")]
    Mismatch {
        /// The fields that differ.
        fields: Vec<&'static str>,
        /// What the key stands for.
        payment: Arc<Operation>,
    },
    /// The key's payment is in flight and the client did not want to join it.
    #[error("the key's payment is in flight")]
    InProgress(Arc<Operation>),
    /// One of its accounts has no room for it. Nothing was stored; the key stays unused.
    #[error(transparent)]
    AccountFull(LedgerError),
    /// The request was not taken in.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the service takes nothing in. Whatever was asked had no effect at the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// As many payments are in flight as may be.
    #[error("as many payments are in flight as this service is configured for")]
    AtCapacity,
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Draining,
    /// The disk is almost full; what is left is for payments under way.
    #[error(
        "the disk is almost full, so only what is known already is answered; it goes on by itself once \
         there is room"
    )]
    NoRoom,
    /// The store failed.
    #[error("the store has stopped after a failure; the service must be restarted")]
    Stopped,
}

/// Why a payment was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The merchant has no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// It is finished, or the bank may have it.
    #[error("the payment can no longer be cancelled")]
    TooLate(Arc<Operation>),
    /// The service takes nothing in.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
