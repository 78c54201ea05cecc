//! The head file: a record of the journal's durable end, beside the database.
//!
//! When sled finds damage in its log, it takes it for the torn end of an interrupted write and silently drops
//! everything after it. Acknowledged payments would be gone, and their retries charged again. So the end of the
//! journal is recorded in a separate file, several times a second and at an orderly shutdown. A store whose journal
//! ends before the recorded end has lost durable data, and the service refuses to start on it.
//!
//! The file has two slots in separate pages, which are written in turn: a torn write leaves the other slot intact. The
//! file is created completely under another name before it gets its own. So a file that exists and cannot be read is
//! damaged, not new.
//!
//! The store in turn knows how far the file had got (`head_noted` in `meta`). A file older than that is a copy from an
//! earlier time.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use holdfast_core::Timestamp;
use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::Head;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::names::{HEAD_FILE, HEAD_FILE_IN_CREATION, PRIVATE_FILE};

/// Interval after which the end is recorded again, if it has moved; longer on a slow disk.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Recording takes at most one part in this many of the time, if the disk is fast enough.
const PAUSE_FACTOR: u32 = 100;

/// Where the two slots begin.
const SLOTS: [u64; 2] = [0, 4096];

/// Bytes of a slot: one for the length of what follows.
const SLOT_BYTES: usize = 128;

/// Bytes of the file: both slots, each in a separate page.
const FILE_BYTES: usize = 8192;

const KEY: &[u8] = b"note";

/// The key of slots of earlier versions, which contain only the end.
const END_KEY: &[u8] = b"witness";

/// The content of a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// A durable end of the journal.
    pub(crate) head: Head,
    /// The time, by the service's timeline.
    pub(crate) at: Timestamp,
    /// Whether that time is in doubt.
    pub(crate) in_doubt: bool,
}

/// The state of the file when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It does not exist.
    Nothing,
    /// It exists, but no slot can be read.
    Unreadable,
    /// It contains this.
    Note(Note),
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct HeadFile {
    file: File,
    next_slot: usize,
    noted: Note,
    noted_at: Instant,
    pause: Duration,
}

/// Reads the last record of a data directory.
pub(crate) fn noted_in(data: &Path) -> io::Result<Found> {
    match File::open(data.join(HEAD_FILE)) {
        Ok(file) => Ok(newest(&file).map_or(Found::Unreadable, |(_, note)| Found::Note(note))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// Whether a journal that ends at `found` can contain everything that was durable up to `noted`.
pub(crate) fn is_reached(noted: Head, found: Head) -> bool {
    found.sequence > noted.sequence || found == noted
}

/// The newest slot that can be read.
fn newest(file: &File) -> Option<(usize, Note)> {
    let slots = SLOTS.iter().enumerate();
    let readable = slots.filter_map(|(slot, offset)| Some((slot, read(file, *offset)?)));
    readable.max_by_key(|(_, note)| (note.head.sequence, note.at))
}

fn read(file: &File, offset: u64) -> Option<Note> {
    let mut slot = [0; SLOT_BYTES];
    let mut filled = 0;
    while filled < SLOT_BYTES {
        match file.read_at(&mut slot[filled..], offset + filled as u64) {
            Ok(0) | Err(_) => break,
            Ok(more) => filled += more,
        }
    }
    let (length, rest) = slot.split_first()?;
    let bytes = rest.get(..usize::from(*length))?;
    if let Ok(note) = codec::decode(ValueKind::Meta, KEY, bytes) {
        return Some(note);
    }
    let head = codec::decode(ValueKind::Meta, END_KEY, bytes).ok()?;
    Some(Note {
        head,
        ..Note::default()
    })
}

fn slot(note: Note) -> io::Result<[u8; SLOT_BYTES]> {
    let bytes = codec::encode(ValueKind::Meta, KEY, &note).map_err(io::Error::other)?;
    let mut slot = [0; SLOT_BYTES];
    slot[0] = u8::try_from(bytes.len()).map_err(io::Error::other)?;
    slot[1..=bytes.len()].copy_from_slice(&bytes);
    Ok(slot)
}

impl HeadFile {
    /// Creates the file, or replaces it with a new one. Its name is not yet synced.
    pub(crate) fn create(data: &Path, note: Note) -> io::Result<Self> {
        let in_creation = data.join(HEAD_FILE_IN_CREATION);
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(PRIVATE_FILE)
            .open(&in_creation)?;
        let mut bytes = [0; FILE_BYTES];
        bytes[..SLOT_BYTES].copy_from_slice(&slot(note)?);
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        fs::rename(in_creation, data.join(HEAD_FILE))?;
        Ok(Self::of(file, 1, note))
    }

    /// Opens the file of a data directory; `None` when it does not exist, or no slot can be read.
    pub(crate) fn open(data: &Path) -> io::Result<Option<Self>> {
        let opened = File::options()
            .read(true)
            .write(true)
            .open(data.join(HEAD_FILE));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = newest(&file);
        Ok(found.map(|(slot, note)| Self::of(file, 1 - slot, note)))
    }

    fn of(file: File, next_slot: usize, noted: Note) -> Self {
        Self {
            file,
            next_slot,
            noted,
            noted_at: Instant::now(),
            pause: PAUSE_MIN,
        }
    }

    /// The last record.
    pub(crate) const fn noted(&self) -> Note {
        self.noted
    }

    /// Records a durable end of the journal, unless one was recorded a moment ago.
    pub(crate) fn note(&mut self, note: Note) -> io::Result<()> {
        if self.noted_at.elapsed() < self.pause {
            return Ok(());
        }
        self.note_now(note)
    }

    /// Records a durable end of the journal.
    pub(crate) fn note_now(&mut self, note: Note) -> io::Result<()> {
        // What is older is never written over what is newer.
        let at = note.at.max(self.noted.at);
        let note = Note { at, ..note };
        if note == self.noted {
            return Ok(());
        }
        let began = Instant::now();
        self.file
            .write_all_at(&slot(note)?, SLOTS[self.next_slot])?;
        self.file.sync_all()?;
        self.next_slot = 1 - self.next_slot;
        self.noted = note;
        self.noted_at = Instant::now();
        self.pause = (began.elapsed() * PAUSE_FACTOR).clamp(PAUSE_MIN, PAUSE_MAX);
        Ok(())
    }
}

/// Whether a path still leads to the open file. `true` if the system cannot tell.
pub(crate) fn is_same(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => false,
        (Err(_), _) | (_, Err(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(sequence: u64) -> Note {
        let digest = holdfast_core::journal::Digest::default();
        Note {
            head: Head { sequence, digest },
            at: Timestamp::from_unix_ms(sequence),
            in_doubt: false,
        }
    }

    #[test]
    fn what_was_noted_is_found_and_a_torn_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        assert_eq!(noted_in(data).unwrap(), Found::Nothing);
        let mut head_file = HeadFile::create(data, note(0)).unwrap();
        for sequence in 1..=3 {
            head_file.note_now(note(sequence)).unwrap();
            assert_eq!(noted_in(data).unwrap(), Found::Note(note(sequence)));
        }
        // The third note went to the second slot.
        let file = File::options()
            .write(true)
            .open(data.join(HEAD_FILE))
            .unwrap();
        file.write_all_at(&[0xff; 7], SLOTS[1] + 9).unwrap();
        assert_eq!(noted_in(data).unwrap(), Found::Note(note(2)));
        let mut head_file = HeadFile::open(data).unwrap().unwrap();
        head_file.note_now(note(4)).unwrap();
        assert_eq!(noted_in(data).unwrap(), Found::Note(note(4)));
        for bytes in [3, 0] {
            file.set_len(bytes).unwrap();
            assert_eq!(noted_in(data).unwrap(), Found::Unreadable);
            assert!(HeadFile::open(data).unwrap().is_none());
        }
        file.set_len(FILE_BYTES as u64).unwrap();
        assert_eq!(noted_in(data).unwrap(), Found::Unreadable, "zeroes");
    }

    #[test]
    fn a_file_that_is_made_again_forgets_what_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let mut head_file = HeadFile::create(data, note(7)).unwrap();
        head_file.note_now(note(8)).unwrap();
        drop(HeadFile::create(data, note(3)).unwrap());
        assert_eq!(noted_in(data).unwrap(), Found::Note(note(3)));
        let same = is_same(&head_file.file, &data.join(HEAD_FILE));
        assert!(!same, "it is another file now");
    }

    #[test]
    fn what_an_earlier_version_noted_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let head = note(5).head;
        let bytes = codec::encode(ValueKind::Meta, END_KEY, &head).unwrap();
        let mut slot = vec![u8::try_from(bytes.len()).unwrap()];
        slot.extend(bytes);
        fs::write(directory.path().join(HEAD_FILE), slot).unwrap();
        let note = Note {
            head,
            ..Note::default()
        };
        assert_eq!(noted_in(directory.path()).unwrap(), Found::Note(note));
    }

    /// What later versions must read: length, version, checksum, head (sequence 5, an empty digest), time, doubt.
    #[test]
    fn the_bytes_of_a_note_are_pinned() {
        let note = Note {
            in_doubt: true,
            ..note(5)
        };
        let slot = slot(note).unwrap();
        let mut pinned = vec![40, 0x01, 0x14, 0x78, 0xe9, 0x52, 0x05];
        pinned.extend([0; 32]);
        pinned.extend([0x05, 0x01]);
        assert!(slot.starts_with(&pinned), "{slot:x?}");
        assert!(slot[pinned.len()..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_journal_that_ends_early_or_elsewhere_does_not_reach_it() {
        let head = |sequence| note(sequence).head;
        let elsewhere = Head {
            digest: holdfast_core::journal::Digest::GENESIS.after_body(2, b"other"),
            ..head(2)
        };
        assert!(is_reached(head(2), head(2)) && is_reached(head(2), head(3)));
        assert!(!is_reached(head(2), head(1)) && !is_reached(head(2), elsewhere));
    }

    #[test]
    fn it_is_not_noted_again_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut head_file = HeadFile::create(directory.path(), note(0)).unwrap();
        head_file.note_now(note(1)).unwrap();
        head_file.note(note(2)).unwrap();
        assert_eq!(head_file.noted(), note(1));
    }
}
