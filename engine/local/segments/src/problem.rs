//! What can be wrong with a log.

use std::io;

/// Where a log is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A frame cannot be read, and what follows it shows that it was durable.
    #[error(
        "{segment} is damaged at byte {offset}, where entry {sequence} should begin: a whole frame follows at byte {follows}, \
         so this one was written completely"
    )]
    Frame {
        /// Name of the segment.
        segment: String,
        /// Where the frame should begin.
        offset: u64,
        /// The entry that should begin there.
        sequence: u64,
        /// Where a whole frame follows.
        follows: u64,
    },
    /// A frame is whole, but the entry before it is missing.
    #[error("{segment} has entry {found} at byte {offset}, where entry {sequence} should begin")]
    Gap {
        /// Name of the segment.
        segment: String,
        /// Where the frame begins.
        offset: u64,
        /// The entry that should begin there.
        sequence: u64,
        /// The entry that does.
        found: u64,
    },
    /// A segment ends before the next one begins.
    #[error(
        "{segment} is damaged at byte {offset}: it ends before entry {sequence}, and the next segment begins with entry {next}"
    )]
    Short {
        /// Name of the segment.
        segment: String,
        /// Where its last whole frame ends.
        offset: u64,
        /// The entry that should follow.
        sequence: u64,
        /// The first entry of the next segment.
        next: u64,
    },
    /// The segments do not belong to one log.
    #[error("{segment} belongs to another log than the segment before it")]
    Stranger {
        /// Name of the segment.
        segment: String,
    },
    /// The head of a segment is not that of its name.
    #[error("the head of {segment} is damaged")]
    Head {
        /// Name of the segment.
        segment: String,
    },
    /// The first segment is missing.
    #[error("the log begins with entry {found}: the segments before {found} are missing")]
    Beginning {
        /// The first entry that is there.
        found: u64,
    },
    /// The log ends before what is known to have been durable.
    #[error("the log ends at entry {found}, and entry {known} was durable")]
    Lost {
        /// The last entry that is there.
        found: u64,
        /// The last entry that is known to have been durable.
        known: u64,
    },
}

/// Why a log is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    /// Something that was durable is not there any more.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A segment was written by a newer version.
    #[error("{segment} has a newer format than this version reads")]
    Newer {
        /// Name of the segment.
        segment: String,
    },
    /// The directory has a file that is no part of a log.
    #[error("{name:?} is no part of a log")]
    Foreign {
        /// Name of the file.
        name: String,
    },
    /// The disk refuses.
    #[error("{action} failed")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// What should be there is not.
    #[error("entry {sequence} is not where it should be: {segment} is damaged near byte {offset}")]
    Damaged {
        /// Name of the segment.
        segment: String,
        /// Where it was looked for.
        offset: u64,
        /// The entry.
        sequence: u64,
    },
    /// The disk refuses.
    #[error("reading the log failed")]
    Io(#[from] io::Error),
}

/// The log was stopped by a failed write or sync. What was not acknowledged may be durable or not; only the next opening
/// will know.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// This write or sync failed.
    #[error("{action} failed")]
    Now {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// An earlier one did.
    #[error("the log accepts no more work after an earlier failure")]
    Earlier,
}

pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> OpenProblem {
    move |source| OpenProblem::Io { action, source }
}
