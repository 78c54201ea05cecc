//! The medium: bytes that are durable, and bytes that are not yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_core::codec::EncodeError;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::record::{Chunk, LinkedEntry, Record, sequence_key};
use holdfast_core::{JournalEntry, Operation, Tenure};
use holdfast_engine::store::{CursorName, NotedTime, StoreError};

use super::content::{Change, Content};

/// How much of the unsynced bytes a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kept {
    /// None of them.
    Nothing,
    /// The first part, from 0 to 1 of them.
    Prefix(f64),
    /// Some sectors and not others, by a seed.
    Some(u64),
    /// All of them.
    All,
}

/// How much of the last frame was found after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// There was no unsynced frame.
    Clean,
    /// Nothing of it.
    Lost,
    /// A part, which its checksum gave away.
    Torn,
    /// All of it.
    Whole,
}

/// Bytes per sector: frames are written in sectors.
const SECTOR: usize = 64;

/// The medium. It outlives the processes that write to it.
#[derive(Debug, Default)]
pub struct Medium {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The content of the durable bytes.
    content: Content,
    /// The durable bytes: one frame per batch.
    frames: Vec<Vec<u8>>,
    /// The unsynced frame, and its content.
    written: Option<(Vec<u8>, Change)>,
    head: Head,
    commits: u64,
    /// The time that was noted beside the journal.
    noted: NotedTime,
    /// The latest tenure.
    tenure: Tenure,
    /// The cursors of consumers of the journal.
    cursors: BTreeMap<CursorName, u64>,
}

impl Medium {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy with the durable data of this medium.
    pub fn copy(&self) -> Self {
        let state = self.lock();
        Self {
            state: Mutex::new(State {
                content: state.content.clone(),
                frames: state.frames.clone(),
                written: None,
                head: state.head,
                commits: state.commits,
                noted: state.noted,
                tenure: state.tenure,
                cursors: state.cursors.clone(),
            }),
        }
    }

    /// Begins the next tenure, durably.
    pub(super) fn begin_tenure(&self) -> Tenure {
        let mut state = self.lock();
        let next = state.tenure.next();
        state.tenure = next.expect("a medium has fewer lives than there are numbers");
        state.tenure
    }

    /// How far a consumer has got.
    pub(super) fn cursor(&self, name: &CursorName) -> u64 {
        self.lock().cursors.get(name).copied().unwrap_or_default()
    }

    /// Makes durable how far a consumer has got.
    pub(super) fn save_cursor(&self, name: &CursorName, sequence: u64) {
        self.lock().cursors.insert(name.clone(), sequence);
    }

    /// Reads the durable content.
    pub fn read<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        look(&self.lock().content)
    }

    /// The durable times.
    pub fn noted_time(&self) -> NotedTime {
        let state = self.lock();
        NotedTime {
            newest: state.noted.newest.max(state.content.newest()),
            in_doubt: state.noted.in_doubt && state.content.has_unfinished(),
        }
    }

    /// Makes a time durable.
    pub(super) fn note_time(&self, noted: NotedTime) {
        let mut state = self.lock();
        let before = state.noted;
        state.noted = NotedTime {
            newest: before.newest.max(noted.newest),
            in_doubt: noted.in_doubt,
        };
    }

    /// A payment as the unsynced frame has it.
    pub(super) fn unsynced(&self, wanted: impl Fn(&Operation) -> bool) -> Option<Operation> {
        let state = self.lock();
        let (_, change) = state.written.as_ref()?;
        change.payment(wanted).cloned()
    }

    /// How many batches were synced.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Reads the durable content and its frames, byte for byte.
    pub fn read_frames<T>(&self, look: impl FnOnce(&Content, &[Vec<u8>]) -> T) -> T {
        let state = self.lock();
        look(&state.content, &state.frames)
    }

    /// Writes a frame; returns how many entries it has.
    pub(super) fn write(&self, change: Change) -> Result<usize, StoreError> {
        let mut state = self.lock();
        let entries = change.entries.len();
        let bytes = frame(state.head, &change).map_err(StoreError::fatal)?;
        state.written = Some((bytes, change));
        Ok(entries)
    }

    /// Makes the written frame durable; returns the sequence of the last entry.
    pub(super) fn sync(&self) -> u64 {
        let mut state = self.lock();
        state.commits += 1;
        state.take_written();
        state.content.sequence()
    }

    /// The process crashes. `kept` says how much unsynced data survives.
    ///
    /// # Panics
    /// When a part of a frame is accepted as a whole one: the checksum would be broken.
    pub fn crash(&self, kept: Kept) -> Leftover {
        let mut state = self.lock();
        let Some((whole, _)) = &state.written else {
            return Leftover::Clean;
        };
        let left = tear(whole, kept);
        if left == *whole {
            state.take_written();
            return Leftover::Whole;
        }
        let first = state.head.sequence + 1;
        let found = read_frame(first, &left);
        assert!(found.is_none(), "a torn frame passed for a whole one");
        state.written = None;
        if left.is_empty() {
            Leftover::Lost
        } else {
            Leftover::Torn
        }
    }
}

impl State {
    fn take_written(&mut self) {
        let Some((bytes, change)) = self.written.take() else {
            return;
        };
        if !change.entries.is_empty() {
            for entry in &change.entries {
                self.head = after(self.head, entry);
            }
            self.frames.push(bytes);
        }
        self.content.absorb(change);
    }
}

/// Entries per chunk of a frame: the real store bounds its chunks too.
const CHUNK_ENTRIES: usize = 64;

/// Bytes of a length in a frame.
const LENGTH: usize = 4;

/// A batch as bytes: how many follow, then its entries in chunks as the real store writes them, each with
/// its length and its own checksum.
fn frame(head: Head, change: &Change) -> Result<Vec<u8>, EncodeError> {
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
fn after(head: Head, entry: &JournalEntry) -> Head {
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

fn tear(whole: &[u8], kept: Kept) -> Vec<u8> {
    match kept {
        Kept::Nothing => Vec::new(),
        Kept::All => whole.to_vec(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a length far below 2^52"
        )]
        Kept::Prefix(share) => {
            whole[..((whole.len() as f64 * share) as usize).min(whole.len())].to_vec()
        }
        Kept::Some(seed) => {
            let mut left = whole.to_vec();
            for (n, sector) in left.chunks_mut(SECTOR).enumerate() {
                if (seed >> (n % 64)) & 1 == 0 {
                    sector.fill(0);
                }
            }
            left
        }
    }
}

/// The result of a read when a bit of the stored record has flipped.
pub(super) fn flipped(payment: &Operation) -> Result<Option<Operation>, StoreError> {
    let storage_key = payment.key.idempotency_key.as_str().as_bytes();
    let encoded = Record::of(payment, 1).encode(storage_key);
    let mut bytes = encoded.map_err(StoreError::fatal)?;
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    let record = Record::decode(storage_key, &bytes).map_err(StoreError::fatal)?;
    Ok(Some(record.into_operation(payment.key.clone())))
}
