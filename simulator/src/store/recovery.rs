//! What the next process makes of the medium: an index that is behind the frames, brought up by following them, as in the real store.

use holdfast_core::journal::Head;

use super::content::Content;
use super::frames::{after, read_frame};

/// A way in which the medium, or the opening of a store on it, works wrongly, for the checks that must notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A frame is acknowledged before it is synced.
    FrameUnsynced,
    /// The journal is taken to end one frame before its end.
    EndTooEarly,
    /// The index gets a frame before that is durable, and is believed without it.
    IndexAhead,
    /// The index of an earlier time is believed without the journal behind it.
    IndexStale,
    /// The file of the oldest frames is written again.
    SegmentReused,
}

/// Frames that an operating system keeps unsynced, at most, when nobody asks it to sync.
const UNSYNCED_MAX: usize = 3;

/// Frames in a segment.
const SEGMENT_FRAMES: usize = 8;

/// The durable frames, and the index over them.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// One frame per batch.
    pub(super) frames: Vec<Vec<u8>>,
    /// Of these, the last ones that no sync covers: none, unless there is a flaw.
    unsynced: usize,
    /// The index as the last process left it, which goes up to so many frames.
    index: Content,
    indexed: usize,
    /// The end of the journal after them.
    head: Head,
    pub(super) flaw: Option<Flaw>,
}

impl Stored {
    /// Takes the next frame.
    pub(super) fn push(&mut self, frame: Vec<u8>) {
        self.frames.push(frame);
        if self.flaw == Some(Flaw::FrameUnsynced) {
            self.unsynced = (self.unsynced + 1).min(UNSYNCED_MAX);
        }
        let newest = self.frames.len();
        if self.flaw == Some(Flaw::SegmentReused) && newest.is_multiple_of(SEGMENT_FRAMES * 2) {
            self.follow(newest);
            let again = self.frames[newest - SEGMENT_FRAMES..].to_vec();
            self.frames.splice(..SEGMENT_FRAMES, again);
        }
    }

    /// A crash: what no sync covers is lost, or all of it kept.
    pub(super) fn lose_unsynced(&mut self, keeps_all: bool) {
        let unsynced = std::mem::take(&mut self.unsynced);
        if !keeps_all {
            self.frames.truncate(self.frames.len() - unsynced);
        }
    }

    /// Opens the store of a new process. The index has got through this share of the frames that it was behind: from 0 to 1.
    /// Returns the end of the journal and the content, and whether the index was behind.
    ///
    /// # Panics
    /// When a frame cannot be read or followed: the medium would be broken.
    pub(super) fn open(&mut self, share: f64) -> (Head, Content, bool) {
        if self.flaw == Some(Flaw::EndTooEarly) && self.indexed < self.frames.len() {
            self.frames.pop();
        }
        let end = self.frames.len();
        let behind = end - self.indexed;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a number far below 2^52"
        )]
        let found = self.indexed + ((behind as f64 * share) as usize).min(behind);
        self.follow(found);
        let is_behind = found < end;
        let stale = (self.flaw == Some(Flaw::IndexStale)).then(|| self.index.clone());
        self.follow(end);
        let mut content = self.index.clone();
        if let Some(mut stale) = stale {
            stale.journal_of(content);
            content = stale;
        }
        (self.head, content, is_behind)
    }

    /// Brings the index up to so many frames.
    fn follow(&mut self, frames: usize) {
        for frame in &self.frames[self.indexed..frames] {
            let chunks = read_frame(self.index.sequence() + 1, frame);
            let chunks = chunks.expect("a durable frame can be read");
            for linked in chunks.into_iter().flat_map(|chunk| chunk.entries) {
                self.head = after(self.head, &linked.entry);
                self.index.follow(linked.entry);
            }
        }
        self.indexed = frames;
    }
}
