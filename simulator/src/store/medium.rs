//! The medium: bytes that are durable, and bytes that are not yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_core::journal::Head;
use holdfast_core::record::Record;
use holdfast_core::{Operation, Tenure};
use holdfast_engine::store::{CursorName, NotedTime, StoreError};

use super::content::{Change, Content};
use super::frames::{after, frame, read_frame};
use super::recovery::{Flaw, Stored};

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
    /// The durable bytes.
    stored: Stored,
    /// Whether a store works wrongly on it: its content need not follow from its journal.
    is_tampered: bool,
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
                stored: state.stored.clone(),
                is_tampered: state.is_tampered,
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
        look(&state.content, &state.stored.frames)
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

    /// The process crashes. `kept` says how much unsynced data survives, and `indexed` how far the index had got in what it was
    /// behind: from 0 to 1.
    ///
    /// # Panics
    /// When a part of a frame is accepted as a whole one: the checksum would be broken. When the index that is brought up by the
    /// journal is not what it was before the crash.
    pub fn crash(&self, kept: Kept, indexed: f64) -> Crash {
        let mut state = self.lock();
        let leftover = state.crash(kept);
        let lost = state.written.take();
        if state.is_tampered {
            let index_was_behind = false;
            return Crash {
                leftover,
                index_was_behind,
            };
        }
        state.stored.lose_unsynced(kept == Kept::All);
        let (head, content, index_was_behind) = state.stored.open(indexed);
        if state.stored.flaw.is_none() {
            assert!(
                content == state.content && head == state.head,
                "the journal leads to something else than there was"
            );
        }
        (state.head, state.content) = (head, content);
        if let (Some(Flaw::IndexAhead), Some((_, change))) = (state.stored.flaw, lost) {
            state.content.absorb_without_entries(change);
        }
        Crash {
            leftover,
            index_was_behind,
        }
    }

    /// Makes the medium work wrongly from now on.
    pub fn set_flaw(&self, flaw: Option<Flaw>) {
        self.lock().stored.flaw = flaw;
    }

    /// Says that the store on it works wrongly.
    pub(super) fn set_tampered(&self) {
        self.lock().is_tampered = true;
    }
}

/// What a crash left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Of the last frame.
    pub leftover: Leftover,
    /// Whether the index was behind the journal.
    pub index_was_behind: bool,
}

impl State {
    /// What is left of the frame that was being written.
    fn crash(&mut self, kept: Kept) -> Leftover {
        let Some((whole, _)) = &self.written else {
            return Leftover::Clean;
        };
        let left = tear(whole, kept);
        if left == *whole {
            self.take_written();
            return Leftover::Whole;
        }
        let first = self.head.sequence + 1;
        let found = read_frame(first, &left);
        assert!(found.is_none(), "a torn frame passed for a whole one");
        if left.is_empty() {
            Leftover::Lost
        } else {
            Leftover::Torn
        }
    }

    fn take_written(&mut self) {
        let Some((bytes, change)) = self.written.take() else {
            return;
        };
        if !change.entries.is_empty() {
            for entry in &change.entries {
                self.head = after(self.head, entry);
            }
            self.stored.push(bytes);
        }
        self.content.absorb(change);
    }
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
