//! Values as they stand in the database.

use std::fmt::Debug;

use holdfast_core::OperationKey;
use holdfast_core::codec::{self, DecodeError, EncodeError, ValueKind};
use holdfast_core::journal::Head;
use holdfast_core::ledger::Balance;
use holdfast_core::record::{Chunk, Record, sequence_key};
use holdfast_local::{format, ids, tips};
use serde::ser::{Serialize, SerializeTuple, Serializer};

/// Bytes that are written as they are: what a body would be if it were any bytes.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_tuple(self.0.len())?;
        for byte in self.0 {
            bytes.serialize_element(byte)?;
        }
        bytes.end()
    }
}

/// The first two bytes say how long the key is and which kind of value follows; the rest is the key and the
/// value. The value is read as it stands, and as the body of a value whose checksum is right, which is
/// how far damage that a checksum misses would come.
///
/// # Panics
/// When what was read does not survive being written and read again, or a key stands for something else
/// than what it was made of.
pub fn record(input: &[u8]) {
    let [key_len, kind, rest @ ..] = input else {
        return;
    };
    let Some((key, value)) = rest.split_at_checked(usize::from(*key_len)) else {
        return;
    };
    keys(key);
    let (version, kind) = (1 + (kind >> 6), kind & 0x3f);
    let kinds = [
        ValueKind::Operation,
        ValueKind::Id,
        ValueKind::Journal,
        ValueKind::Unfinished,
        ValueKind::Meta,
        ValueKind::Contradiction,
        ValueKind::Account,
        ValueKind::Cursor,
        ValueKind::Tip,
    ];
    let kind = kinds[usize::from(kind) % kinds.len()];
    read(kind, key, value);
    if let Ok(sealed) = codec::encode_as(version, kind, key, &Raw(value)) {
        read(kind, key, &sealed);
    }
}

fn read(kind: ValueKind, key: &[u8], bytes: &[u8]) {
    match kind {
        ValueKind::Operation => {
            let Some(record) = again(
                bytes,
                |bytes| Record::decode(key, bytes),
                |record| record.encode(key),
            ) else {
                return;
            };
            if let Some(of) = format::key_of(key) {
                let last_sequence = record.last_sequence();
                let payment = record.clone().into_operation(of);
                assert_eq!(Record::of(&payment, last_sequence), record);
            }
        }
        ValueKind::Tip => {
            again(
                bytes,
                |bytes| tips::decode(key, bytes),
                |block| tips::encode(key, block),
            );
        }
        ValueKind::Id => {
            again(
                bytes,
                |bytes| ids::decode(key, bytes),
                |block| ids::encode(key, block),
            );
        }
        ValueKind::Journal => {
            let Some(first) = format::sequence_of(key) else {
                let _ = Chunk::decode(key, bytes);
                return;
            };
            again(
                bytes,
                |bytes| Chunk::decode(key, bytes),
                |chunk| chunk.encode(first),
            );
        }
        ValueKind::Unfinished => plain::<OperationKey>(kind, key, bytes),
        ValueKind::Meta => {
            plain::<Head>(kind, key, bytes);
            plain::<u64>(kind, key, bytes);
        }
        ValueKind::Contradiction | ValueKind::Cursor => plain::<u64>(kind, key, bytes),
        ValueKind::Account => {
            plain::<Balance>(kind, key, bytes);
            again(
                bytes,
                |bytes| format::decode_balance(key, bytes),
                |at| format::encode_balance(key, at),
            );
        }
    }
}

fn plain<T>(kind: ValueKind, key: &[u8], bytes: &[u8])
where
    T: Serialize + serde::de::DeserializeOwned + Debug + PartialEq,
{
    again(
        bytes,
        |bytes| codec::decode::<T>(kind, key, bytes),
        |value| codec::encode(kind, key, value),
    );
}

/// Reads a value, and once more what is written of it.
fn again<T: Debug + PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    encode: impl Fn(&T) -> Result<Vec<u8>, EncodeError>,
) -> Option<T> {
    let value = decode(bytes).ok()?;
    let written = encode(&value).expect("what could be read can be written");
    let read = decode(&written).expect("what was written can be read");
    assert_eq!(read, value);
    Some(value)
}

/// A key that stands for something is the key of just that.
fn keys(key: &[u8]) {
    if let Some(of) = format::key_of(key) {
        assert_eq!(format::record_key(&of), key);
    }
    if let Some(account) = format::account_of(key) {
        assert_eq!(format::account_key(&account), key);
    }
    if let (Some(merchant), Some(id)) = (format::merchant_of(key), format::id_of(key)) {
        let whole = format::id_key(&merchant, id);
        assert!(key.len() != whole.len() || whole == key, "{key:?}");
    }
    if let Some(sequence) = format::sequence_of(key) {
        assert_eq!(sequence_key(sequence), key);
    }
}
