//! How far the journal is known to have reached, noted beside the database.
//!
//! When sled meets damage in its log it takes it for the torn end of an interrupted write, and drops all that
//! follows without a word: acknowledged payments would be gone, and their retries charged again. So the end of
//! the journal is noted in a file of its own, several times a second and at an orderly end. A store whose
//! journal ends before what was noted has lost what was durable, and is not served.
//!
//! The file has two slots in pages of their own, written in turn: a write that is torn leaves the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::chain::Head;
use crate::codec::{self, Kind};

/// The file's name in the data directory.
pub(super) const WITNESS: &str = "journal.head";

/// The end is noted again after so long, if it has moved; on a slow disk less often.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Noting takes one part in so many of the time, on a disk on which that can be held.
const PAUSE_FACTOR: u32 = 100;

/// Where the two slots begin.
const SLOTS: [u64; 2] = [0, 4096];

/// Bytes of a slot: one for the length of what follows.
const SLOT_BYTES: usize = 128;

const KEY: &[u8] = b"witness";

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    next_slot: usize,
    noted: Head,
    noted_at: Instant,
    pause: Duration,
}

/// The end that was noted last in a data directory; that of an empty journal when nothing was, or the file
/// is gone.
pub(super) fn noted_in(data: &Path) -> io::Result<Head> {
    match File::open(data.join(WITNESS)) {
        Ok(file) => Ok(newest(&file).map(|(_, head)| head).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Head::default()),
        Err(error) => Err(error),
    }
}

/// Whether a journal that ends at `found` can hold what was durable up to `noted`.
pub(super) fn is_reached(noted: Head, found: Head) -> bool {
    found.sequence > noted.sequence || found == noted
}

/// The newest slot that can be read.
fn newest(file: &File) -> Option<(usize, Head)> {
    let slots = SLOTS.iter().enumerate();
    let readable = slots.filter_map(|(slot, offset)| Some((slot, read(file, *offset)?)));
    readable.max_by_key(|(_, head)| head.sequence)
}

fn read(file: &File, offset: u64) -> Option<Head> {
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
    codec::decode(Kind::Meta, KEY, bytes).ok()
}

impl Witness {
    /// Opens the file of a data directory, making it when there is none. Its name is not yet synced.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(data.join(WITNESS))?;
        let found = newest(&file);
        Ok(Self {
            next_slot: found.map_or(0, |(slot, _)| 1 - slot),
            noted: found.map_or_else(Head::default, |(_, head)| head),
            noted_at: Instant::now(),
            pause: PAUSE_MIN,
            file,
        })
    }

    /// The end that was noted last.
    pub(super) const fn noted(&self) -> Head {
        self.noted
    }

    /// Notes a durable end of the journal, unless one was noted a moment ago.
    pub(super) fn note(&mut self, head: Head) -> io::Result<()> {
        if self.noted_at.elapsed() < self.pause {
            return Ok(());
        }
        self.note_now(head)
    }

    /// Notes a durable end of the journal.
    pub(super) fn note_now(&mut self, head: Head) -> io::Result<()> {
        if head == self.noted {
            return Ok(());
        }
        let began = Instant::now();
        let bytes = codec::encode(Kind::Meta, KEY, &head).map_err(io::Error::other)?;
        let length = u8::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut slot = [0; SLOT_BYTES];
        slot[0] = length;
        slot[1..=bytes.len()].copy_from_slice(&bytes);
        self.file.write_all_at(&slot, SLOTS[self.next_slot])?;
        self.file.sync_all()?;
        self.next_slot = 1 - self.next_slot;
        self.noted = head;
        self.noted_at = Instant::now();
        self.pause = (began.elapsed() * PAUSE_FACTOR).clamp(PAUSE_MIN, PAUSE_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: u64) -> Head {
        Head {
            sequence,
            ..Head::default()
        }
    }

    #[test]
    fn what_was_noted_is_found_and_a_torn_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        assert_eq!(noted_in(data).unwrap(), head(0));
        let mut witness = Witness::open(data).unwrap();
        for sequence in 1..=3 {
            witness.note_now(head(sequence)).unwrap();
            assert_eq!(noted_in(data).unwrap(), head(sequence));
        }
        // The third note went to the first slot.
        let file = File::options()
            .write(true)
            .open(data.join(WITNESS))
            .unwrap();
        file.write_all_at(&[0xff; 7], SLOTS[0] + 9).unwrap();
        assert_eq!(noted_in(data).unwrap(), head(2));
        let mut witness = Witness::open(data).unwrap();
        witness.note_now(head(4)).unwrap();
        assert_eq!(noted_in(data).unwrap(), head(4));
        file.set_len(3).unwrap();
        assert_eq!(noted_in(data).unwrap(), head(0), "nothing can be read");
    }

    #[test]
    fn a_journal_that_ends_early_or_elsewhere_does_not_reach_it() {
        let elsewhere = Head {
            digest: crate::chain::Digest::GENESIS.after_body(2, b"other"),
            ..head(2)
        };
        assert!(is_reached(head(2), head(2)) && is_reached(head(2), head(3)));
        assert!(!is_reached(head(2), head(1)) && !is_reached(head(2), elsewhere));
    }

    #[test]
    fn it_is_not_noted_again_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut witness = Witness::open(directory.path()).unwrap();
        witness.note_now(head(1)).unwrap();
        witness.note(head(2)).unwrap();
        assert_eq!(witness.noted(), head(1));
    }
}
