//! Reading stored values, naming the one that is damaged.

use holdfast_core::record::{Chunk, Record};

use crate::error::{LocalError, damaged};

pub(crate) fn decode_record(storage_key: &[u8], bytes: &[u8]) -> Result<Record, LocalError> {
    Record::decode(storage_key, bytes).map_err(damaged("payments", storage_key))
}

pub(crate) fn decode_chunk(storage_key: &[u8], bytes: &[u8]) -> Result<Chunk, LocalError> {
    Chunk::decode(storage_key, bytes).map_err(damaged("journal", storage_key))
}
