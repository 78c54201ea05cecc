//! Reading stored values, naming the one that is damaged.

use holdfast_core::record::{Chunk, Stored};

use crate::error::{LocalError, damaged, read};

/// What `payments` has under a key.
pub(crate) fn stored_in(
    payments: &sled::Tree,
    storage_key: &[u8],
) -> Result<Option<Stored>, LocalError> {
    read(payments.get(storage_key), "payments")?
        .map(|bytes| Stored::decode(storage_key, &bytes).map_err(damaged("payments", storage_key)))
        .transpose()
}

pub(crate) fn decode_chunk(storage_key: &[u8], bytes: &[u8]) -> Result<Chunk, LocalError> {
    Chunk::decode(storage_key, bytes).map_err(damaged("journal", storage_key))
}
