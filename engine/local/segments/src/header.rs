//! The head of a segment, and its name.
//!
//! ```text
//! offset  bytes
//! 0       8      "HFSEGMT1"
//! 8       16     id of the log
//! 24      8      sequence of the first entry, little-endian
//! 32      32     digest before that entry
//! 64      4      CRC-32 (IEEE) of all before, little-endian
//! 68      ..     zeros, up to 4096
//! ```

/// Digest of a log: which one, is the caller's choice.
pub type Digest = [u8; 32];

/// Frames begin here: the head has a page of its own, so that no write of a frame touches it.
pub(crate) const HEADER_BYTES: usize = 4096;

const MAGIC: &[u8; 8] = b"HFSEGMT1";

/// What every version of the format begins with.
const MAGIC_OF_ALL: &[u8; 7] = b"HFSEGMT";

const CHECKED_BYTES: usize = 64;

/// Tells the segments of one log from those of every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) log: LogId,
    /// Sequence of the first entry.
    pub(crate) first: u64,
    /// The digest before it.
    pub(crate) digest: Digest,
}

/// What the first bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Segment(SegmentHeader),
    /// A segment of a newer format.
    Newer,
    /// No head of a segment, or a damaged one.
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.log.0);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    /// The name of its file: in the order of names, segments are in the order of their sequences.
    pub(crate) fn name(&self) -> String {
        name(self.first)
    }
}

impl Head {
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let header = || {
            let checked = bytes.get(..CHECKED_BYTES)?;
            let expected = bytes
                .get(CHECKED_BYTES..CHECKED_BYTES + 4)?
                .try_into()
                .ok()?;
            let is_whole = crc32fast::hash(checked) == u32::from_le_bytes(expected)
                && checked.starts_with(MAGIC)
                && bytes
                    .get(CHECKED_BYTES + 4..HEADER_BYTES)?
                    .iter()
                    .all(|byte| *byte == 0);
            is_whole.then_some(SegmentHeader {
                log: LogId(checked[8..24].try_into().ok()?),
                first: u64::from_le_bytes(checked[24..32].try_into().ok()?),
                digest: checked[32..64].try_into().ok()?,
            })
        };
        match header() {
            Some(header) => Self::Segment(header),
            None if bytes.len() > MAGIC_OF_ALL.len()
                && bytes.starts_with(MAGIC_OF_ALL)
                && !bytes.starts_with(MAGIC) =>
            {
                Self::Newer
            }
            None => Self::Damaged,
        }
    }
}

const ENDING: &str = ".segment";

/// The name of the segment that begins with a sequence.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}{ENDING}")
}

/// The sequence that a name says; `None` when it is no name of a segment.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let first = digits.parse().ok()?;
    (self::name(first) == name).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        log: LogId([9; 16]),
        first: 42,
        digest: [3; 32],
    };

    #[test]
    fn what_was_encoded_is_decoded_and_any_changed_byte_is_found() {
        let bytes = HEADER.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Head::decode(&bytes), Head::Segment(HEADER));
        for at in 0..HEADER_BYTES {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(Head::decode(&changed), Head::Segment(HEADER), "{at}");
        }
        for length in 0..HEADER_BYTES {
            assert_eq!(Head::decode(&bytes[..length]), Head::Damaged, "{length}");
        }
    }

    #[test]
    fn a_newer_format_is_no_damage() {
        let mut bytes = HEADER.encode();
        bytes[7] = b'2';
        assert_eq!(Head::decode(&bytes), Head::Newer);
    }

    #[test]
    fn names_are_in_the_order_of_the_sequences() {
        let firsts = [1, 9, 10, 99_999, u64::MAX];
        let names = firsts.map(name);
        assert!(names.is_sorted());
        assert_eq!(
            names.each_ref().map(|name| first_of(name)),
            firsts.map(Some)
        );
        for other in [
            "1.segment",
            "spare",
            "00000000000000000001",
            "-0000000000000000001.segment",
        ] {
            assert_eq!(first_of(other), None, "{other}");
        }
    }
}
