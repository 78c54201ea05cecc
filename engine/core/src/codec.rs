//! Bytes of stored values: `format version (1 byte) | CRC-32 (4 bytes, little-endian) | bincode`.
//!
//! The checksum covers the kind of value, its storage key and the body. So it detects a value that was moved under
//! another key or into another tree, as well as a flipped bit. Only this file uses bincode.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest body of a stored value, in bytes.
pub const BODY_BYTES_MAX: u64 = 96 * 1024;

const HEADER_BYTES: usize = 5;

/// The kind of a value; part of its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// An operation's record.
    Operation,
    /// Tips of histories, by idempotency key.
    Tip,
    /// From operation ids to idempotency keys.
    Id,
    /// Consecutive journal entries.
    Journal,
    /// An operation that has been unfinished for long.
    Unfinished,
    /// A single value about the whole store.
    Meta,
    /// The mark of a journal entry that contradicts a finished operation.
    Contradiction,
    /// An account's balance in one currency.
    Account,
    /// The cursor of a consumer of the journal.
    Cursor,
}

impl ValueKind {
    /// The format version that this build writes. Every version up to it is read, but of ids, which are built again.
    pub const fn version(self) -> u8 {
        match self {
            // Version 2 added the digest of the entry before, version 3 the bank, version 4 the tenure.
            Self::Journal => 4,
            // Version 2 added the bank, version 3 the tenure.
            Self::Operation => 3,
            // Version 2 has many of them.
            Self::Id => 2,
            Self::Tip
            | Self::Unfinished
            | Self::Meta
            | Self::Contradiction
            | Self::Account
            | Self::Cursor => 1,
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Operation => b'p',
            Self::Tip => b't',
            Self::Id => b'i',
            Self::Journal => b'j',
            Self::Unfinished => b'u',
            Self::Meta => b'm',
            Self::Contradiction => b'c',
            Self::Account => b'a',
            Self::Cursor => b's',
        }
    }
}

/// Why bytes cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the header.
    #[error("the value has {len} bytes, fewer than its {HEADER_BYTES}-byte header")]
    Truncated {
        /// Their number.
        len: usize,
    },
    /// Written by a newer Holdfast, or damaged in its first byte.
    #[error("the value has format version {found}; this build reads up to {newest}")]
    UnknownVersion {
        /// The version found.
        found: u8,
        /// The newest version of its kind.
        newest: u8,
    },
    /// Damaged, or moved to another place.
    #[error("the checksum does not match: the value is damaged or stored under a wrong key")]
    Checksum,
    /// The checksum is right, but the body is not a value of this kind.
    #[error("the body is not a valid value")]
    Body(#[source] bincode::Error),
}

/// The value cannot be stored.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be encoded")]
pub struct EncodeError(#[source] bincode::Error);

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_limit(BODY_BYTES_MAX)
}

fn checksum(version: u8, kind: ValueKind, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version, kind.tag()]);
    // The key's length keeps a byte from wandering between key and body.
    hasher.update(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Encodes `value` for storage under `key`.
///
/// # Errors
/// When the body would be larger than [`BODY_BYTES_MAX`].
pub fn encode<T: Serialize>(
    kind: ValueKind,
    key: &[u8],
    value: &T,
) -> Result<Vec<u8>, EncodeError> {
    encode_as(kind.version(), kind, key, value)
}

/// Like [`encode`], in an older version of the format.
///
/// # Errors
/// When the body would be larger than [`BODY_BYTES_MAX`].
pub fn encode_as<T: Serialize>(
    version: u8,
    kind: ValueKind,
    key: &[u8],
    value: &T,
) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(version);
    bytes.extend_from_slice(&[0; HEADER_BYTES - 1]);
    append(&mut bytes, value)?;
    let checksum = checksum(version, kind, key, &bytes[HEADER_BYTES..]);
    bytes[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// The body of `value` alone. Digests are computed over it.
///
/// # Errors
/// When it would be larger than [`BODY_BYTES_MAX`].
pub fn body<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(512);
    append(&mut bytes, value)?;
    Ok(bytes)
}

/// Checks the limit afterwards: for a limit beforehand bincode would serialize everything twice.
fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    let before = bytes.len();
    bincode::DefaultOptions::new()
        .serialize_into(&mut *bytes, value)
        .map_err(EncodeError)?;
    if (bytes.len() - before) as u64 > BODY_BYTES_MAX {
        return Err(EncodeError(bincode::ErrorKind::SizeLimit.into()));
    }
    Ok(())
}

/// The format version that bytes claim; `None` when there are none.
pub fn version_of(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied()
}

/// Decodes the value stored under `key`.
///
/// # Errors
/// When the bytes are damaged, of a newer format, or not a value of this kind.
pub fn decode<T: DeserializeOwned>(
    kind: ValueKind,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, DecodeError> {
    let (header, body) = bytes
        .split_at_checked(HEADER_BYTES)
        .ok_or(DecodeError::Truncated { len: bytes.len() })?;
    let [version, expected @ ..] = header else {
        return Err(DecodeError::Truncated { len: bytes.len() });
    };
    if !(1..=kind.version()).contains(version) {
        let (found, newest) = (*version, kind.version());
        return Err(DecodeError::UnknownVersion { found, newest });
    }
    if checksum(*version, kind, key, body).to_le_bytes() != *expected {
        return Err(DecodeError::Checksum);
    }
    options().deserialize(body).map_err(DecodeError::Body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_above_the_limit_is_refused() {
        let oversized = vec![0_u8; usize::try_from(BODY_BYTES_MAX).unwrap()];
        assert!(encode(ValueKind::Meta, b"k", &oversized).is_err());
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = encode(ValueKind::Meta, b"k", &7_u64).unwrap();
        bytes[0] = ValueKind::Meta.version() + 1;
        let error = decode::<u64>(ValueKind::Meta, b"k", &bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the value has format version 2; this build reads up to 1"
        );
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(key: Vec<u8>, value: (u64, String, Option<Vec<u32>>)) {
            let bytes = encode(ValueKind::Operation, &key, &value).unwrap();
            prop_assert_eq!(decode::<(u64, String, Option<Vec<u32>>)>(ValueKind::Operation, &key, &bytes)
                .unwrap(), value);
        }

        #[test]
        fn any_flipped_bit_is_found(value: (u64, String), at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = encode(ValueKind::Operation, b"key", &value).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode::<(u64, String)>(ValueKind::Operation, b"key", &bytes).is_err());
        }

        #[test]
        fn a_value_under_another_key_or_kind_is_found(value: u64, key: Vec<u8>, other: Vec<u8>) {
            prop_assume!(key != other);
            let bytes = encode(ValueKind::Operation, &key, &value).unwrap();
            prop_assert!(decode::<u64>(ValueKind::Operation, &other, &bytes).is_err());
            prop_assert!(decode::<u64>(ValueKind::Id, &key, &bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<(u64, String, Vec<String>)>(ValueKind::Journal, b"k", &bytes);
        }
    }
}
