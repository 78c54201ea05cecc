//! A frame as bytes.
//!
//! ```text
//! offset  bytes
//! 0       4      length of the body, little-endian, as all numbers here
//! 4       4      CRC-32 (IEEE)
//! 8       8      sequence of the first entry; of the next one in a frame without entries
//! 16      4      number of entries
//! 20      4      zero
//! 24      32     digest of the log after the last entry
//! 56      ..     body
//! ```
//!
//! Zeros follow up to the next multiple of 8. The checksum covers the id of the log, the segment's first sequence, the
//! offset of the frame in the segment, and all of the frame but the checksum. So a frame that was copied to another place,
//! or that stayed behind in a reused file, is none.

use crate::header::{Digest, SegmentHeader};

/// Bytes before the body.
pub const HEAD_BYTES: usize = 56;

/// Frames begin at multiples of this.
pub const ALIGNMENT: usize = 8;

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Entries that became durable together, or a frame without entries that closes the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Sequence of the first entry; of the next one if there is none.
    pub first: u64,
    /// Number of entries. They have consecutive sequences.
    pub entries: u32,
    /// The digest after the last entry.
    pub digest: Digest,
    /// The entries.
    pub body: Vec<u8>,
}

impl Frame {
    /// Sequence of the entry that follows.
    pub fn next(&self) -> u64 {
        self.first.saturating_add(u64::from(self.entries))
    }

    /// Its size in a segment, with the zeros after it.
    pub const fn size(&self) -> usize {
        padded(self.body.len())
    }

    /// Its bytes at an offset of a segment.
    ///
    /// # Panics
    /// When the body is larger than [`BODY_BYTES_MAX`]: a bug in the caller.
    pub(crate) fn encode(&self, segment: &SegmentHeader, offset: u64) -> Vec<u8> {
        assert!(self.body.len() <= BODY_BYTES_MAX, "a frame has a limit");
        let length = u32::try_from(self.body.len()).expect("the limit is below 4 GiB");
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(&self.body);
        let checksum = checksum(segment, offset, &bytes);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes.resize(self.size(), 0);
        bytes
    }
}

/// The size of a frame with a body of so many bytes.
const fn padded(body_bytes: usize) -> usize {
    (HEAD_BYTES + body_bytes).next_multiple_of(ALIGNMENT)
}

/// The head of a frame. It says nothing about the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) body_bytes: usize,
    pub(crate) first: u64,
    pub(crate) entries: u32,
}

impl FrameHead {
    /// Reads a head; `None` for what no frame begins with.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let body_bytes = usize::try_from(number(0)?).ok()?;
        let first = u64::from_le_bytes(head.get(8..16)?.try_into().ok()?);
        let entries = number(16)?;
        let is_possible = body_bytes <= BODY_BYTES_MAX
            && first > 0
            && number(20)? == 0
            // Entries have bytes, and without entries there are none.
            && (entries == 0) == (body_bytes == 0)
            && first.checked_add(u64::from(entries)).is_some();
        is_possible.then_some(Self {
            body_bytes,
            first,
            entries,
        })
    }

    /// The size of its frame in a segment.
    pub(crate) const fn size(self) -> usize {
        padded(self.body_bytes)
    }

    /// The frame that begins with this head, if these bytes, from its first one on, are all of it and undamaged.
    pub(crate) fn frame(self, bytes: &[u8], segment: &SegmentHeader, offset: u64) -> Option<Frame> {
        let bytes = bytes.get(..HEAD_BYTES + self.body_bytes)?;
        let expected = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        if checksum(segment, offset, bytes) != expected {
            return None;
        }
        Some(Frame {
            first: self.first,
            entries: self.entries,
            digest: bytes.get(24..HEAD_BYTES)?.try_into().ok()?,
            body: bytes.get(HEAD_BYTES..)?.to_vec(),
        })
    }
}

fn checksum(segment: &SegmentHeader, offset: u64, frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.log.0);
    hasher.update(&segment.first.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&frame[..4]);
    hasher.update(&frame[8..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::LogId;

    fn segment() -> SegmentHeader {
        SegmentHeader {
            log: LogId([7; 16]),
            first: 1,
            digest: [0; 32],
        }
    }

    fn decode(bytes: &[u8], segment: &SegmentHeader, offset: u64) -> Option<Frame> {
        FrameHead::decode(bytes)?.frame(bytes, segment, offset)
    }

    prop_compose! {
        fn some_frame()(first in 1..u64::MAX / 2, digest: [u8; 32], body in prop::collection::vec(any::<u8>(), 0..200)) -> Frame {
            Frame { first, entries: u32::from(!body.is_empty()), digest, body }
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(frame in some_frame(), offset: u64) {
            let bytes = frame.encode(&segment(), offset);
            prop_assert_eq!(bytes.len() % ALIGNMENT, 0);
            prop_assert_eq!(decode(&bytes, &segment(), offset), Some(frame));
        }

        #[test]
        fn any_changed_byte_is_found(frame in some_frame(), at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = frame.encode(&segment(), 64);
            let at = at.index(HEAD_BYTES + frame.body.len());
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(decode(&bytes, &segment(), 64), Some(frame));
            prop_assert_eq!(decode(&bytes, &segment(), 64), None);
        }

        #[test]
        fn a_frame_of_another_place_is_none(frame in some_frame()) {
            let bytes = frame.encode(&segment(), 64);
            prop_assert_eq!(decode(&bytes, &segment(), 128), None);
            let other = SegmentHeader { log: LogId([8; 16]), ..segment() };
            prop_assert_eq!(decode(&bytes, &other, 64), None);
            let other = SegmentHeader { first: 2, ..segment() };
            prop_assert_eq!(decode(&bytes, &other, 64), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes, &segment(), 0);
        }
    }
}
