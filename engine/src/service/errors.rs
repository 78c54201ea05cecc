//! Why the service rejected a request.

use std::sync::Arc;

use holdfast_core::Operation;
use holdfast_core::ledger::LedgerError;

/// Why a create got no payment. In none of these cases was anything charged.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The key belongs to a different request.
    #[error("the key was used for another request")]
    Mismatch {
        /// The fields that differ.
        fields: Vec<&'static str>,
        /// The payment that the key belongs to.
        payment: Arc<Operation>,
    },
    /// The key's payment is in flight and the client did not want to join it.
    #[error("the key's payment is in flight")]
    InProgress(Arc<Operation>),
    /// One of its accounts would exceed its limit. Nothing was stored, and the key stays unused.
    #[error(transparent)]
    AccountFull(LedgerError),
    /// The service is not accepting it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the service is not accepting requests. The request had no effect at the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The limit of payments in flight is reached.
    #[error("the service has reached its limit of payments in flight (flights_max)")]
    AtCapacity,
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Draining,
    /// The disk is almost full. The remaining space is for open payments.
    #[error(
        "the disk is almost full: known payments are answered, new ones are rejected until \
         there is space again"
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
    /// The service is not accepting changes.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
