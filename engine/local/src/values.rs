//! Reading stored values, naming the one that is damaged.

use holdfast_core::record::{Chunk, Record};

use crate::error::{LocalError, damaged, read};

/// The record under a key of `payments`.
pub(crate) fn record_in(
    payments: &sled::Tree,
    storage_key: &[u8],
) -> Result<Option<Record>, LocalError> {
    read(payments.get(storage_key), "payments")?
        .map(|bytes| Record::decode(storage_key, &bytes).map_err(damaged("payments", storage_key)))
        .transpose()
}

pub(crate) fn decode_chunk(storage_key: &[u8], bytes: &[u8]) -> Result<Chunk, LocalError> {
    Chunk::decode(storage_key, bytes).map_err(damaged("journal", storage_key))
}
