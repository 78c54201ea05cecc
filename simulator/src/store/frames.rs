//! Frames as bytes: what a commit writes, and what is read of it.

use holdfast_core::JournalEntry;
use holdfast_core::codec::EncodeError;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::record::{Chunk, LinkedEntry, sequence_key};

use super::content::Change;

/// Entries per chunk of a frame: the real store bounds its chunks too.
const CHUNK_ENTRIES: usize = 64;

/// Bytes of a length in a frame.
const LENGTH: usize = 4;

/// A batch as bytes: how many follow, then its entries in chunks as the real store writes them, each with
/// its length and its own checksum.
pub(super) fn frame(head: Head, change: &Change) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![0; LENGTH];
    let mut head = head;
    for entries in change.entries.chunks(CHUNK_ENTRIES) {
        let chunk = Chunk {
            previous: Some(head.digest),
            entries: entries
                .iter()
                .map(|entry| LinkedEntry {
                    previous: None,
                    entry: entry.clone(),
                })
                .collect(),
        };
        let encoded = chunk.encode(head.sequence + 1)?;
        bytes.extend(length_of(&encoded));
        bytes.extend(encoded);
        // The next chunk continues from the end of this one.
        if entries.len() == CHUNK_ENTRIES {
            head = entries.iter().fold(head, after);
        }
    }
    let length = length_of(&bytes[LENGTH..]);
    bytes[..LENGTH].copy_from_slice(&length);
    Ok(bytes)
}

fn length_of(bytes: &[u8]) -> [u8; LENGTH] {
    u32::try_from(bytes.len())
        .expect("a batch is far below 4 GiB")
        .to_be_bytes()
}

/// The end of the journal after one more entry.
pub(super) fn after(head: Head, entry: &JournalEntry) -> Head {
    let sequence = head.sequence + 1;
    let digest = head.digest.after(sequence, entry);
    Head {
        sequence,
        digest: digest.unwrap_or(Digest::GENESIS),
    }
}

/// Reads a frame whose first entry has this sequence; `None` when any byte of it has changed.
pub fn read_frame(first_sequence: u64, bytes: &[u8]) -> Option<Vec<Chunk>> {
    let (length, mut rest) = bytes.split_first_chunk::<LENGTH>()?;
    if *length != length_of(rest) {
        return None;
    }
    let (mut first, mut chunks) = (first_sequence, Vec::new());
    while !rest.is_empty() {
        let (length, from) = rest.split_first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (encoded, left) = from.split_at_checked(length)?;
        let chunk = Chunk::decode(&sequence_key(first), encoded).ok()?;
        first += chunk.entries.len() as u64;
        chunks.push(chunk);
        rest = left;
    }
    Some(chunks)
}
