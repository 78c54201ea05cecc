//! Reading stored values, naming the one that is damaged.

use holdfast_core::record::{Chunk, Record, Stored};

use crate::blocks;
use crate::error::{LocalError, damaged, read};
use crate::tips::Tips;
use crate::trees::Trees;

/// What the trees have of an operation.
///
/// One that is finished gets its tip before it loses its record: who looks for them in this order finds one of them.
pub(crate) fn stored_in(trees: &Trees, storage_key: &[u8]) -> Result<Option<Stored>, LocalError> {
    if let Some(bytes) = read(trees.payments.get(storage_key), "payments")? {
        let record = Record::decode(storage_key, &bytes);
        let record = record.map_err(damaged("payments", storage_key))?;
        return Ok(Some(Stored::Record(record)));
    }
    let tip = blocks::find::<Tips>(&trees.tips, storage_key)?;
    Ok(tip.map(Stored::Tip))
}

pub(crate) fn decode_chunk(storage_key: &[u8], bytes: &[u8]) -> Result<Chunk, LocalError> {
    Chunk::decode(storage_key, bytes).map_err(damaged("journal", storage_key))
}
