//! Errors inside a transaction.

use holdfast_core::codec::EncodeError;
use sled::transaction::ConflictableTransactionError;

use crate::error::LocalError;

pub(crate) type Conflict = ConflictableTransactionError<LocalError>;

/// Ends the transaction: nothing of it is applied.
pub(crate) const fn abort(error: LocalError) -> Conflict {
    ConflictableTransactionError::Abort(error)
}

pub(crate) fn encode<T>(encoded: Result<T, EncodeError>) -> Result<T, Conflict> {
    encoded.map_err(|error| abort(LocalError::Encode(error)))
}
