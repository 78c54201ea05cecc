//! The single values about the whole store, in the tree `meta`: their keys, and how they are read and written.

use holdfast_core::codec::{self, EncodeError, ValueKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{LocalError, damaged, read};

/// The version of the layout, as a text.
pub(crate) const FORMAT: &[u8] = b"format";

/// The prefix of the text.
pub(crate) const FORMAT_PREFIX: &str = "holdfast store format ";

/// The log that is indexed: its id.
pub(crate) const LOG: &[u8] = b"log";

/// How far what is being indexed goes: an entry of the journal up to which the index may have something.
pub(crate) const INDEXING: &[u8] = b"indexing";

/// The end of the hash chain.
pub(crate) const CHAIN_HEAD: &[u8] = b"chain_head";

/// Every operation admitted before this sequence is finished or in `unfinished`.
pub(crate) const LOW_WATER: &[u8] = b"low_water";

/// The banks that attempts were sent to.
pub(crate) const BANKS: &[u8] = b"banks";

/// How far the head file is known to have got.
pub(crate) const HEAD_NOTED: &[u8] = b"head_noted";

/// The number of the latest tenure.
pub(crate) const TENURE: &[u8] = b"tenure";

/// Bytes of a value.
pub(crate) fn encode<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, EncodeError> {
    codec::encode(ValueKind::Meta, key, value)
}

/// A value; its default if it is missing, as in stores of earlier versions.
pub(crate) fn load<T: DeserializeOwned + Default>(
    meta: &sled::Tree,
    key: &[u8],
) -> Result<T, LocalError> {
    read(meta.get(key), "meta")?.map_or_else(
        || Ok(T::default()),
        |bytes| codec::decode(ValueKind::Meta, key, &bytes).map_err(damaged("meta", key)),
    )
}
