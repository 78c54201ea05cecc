//! Why a store cannot be opened. Each message says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::error::LocalError;
use crate::format::STORE_FORMAT;
use crate::names::{HEAD_FILE, JOURNAL, STORE_IN_IMPORT};

/// A store could not be opened: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the data directory {}: {problem}", directory.display())]
pub struct OpenError {
    pub(crate) directory: PathBuf,
    #[source]
    pub(crate) problem: OpenProblem,
}

impl OpenError {
    /// Why.
    pub const fn problem(&self) -> &OpenProblem {
        &self.problem
    }
}

/// Why a store could not be opened; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    /// A lock is held on it.
    #[error(
        "another Holdfast process is using it. Stop that process first, or choose another \
         directory with --data"
    )]
    InUse,
    /// It is not empty and holds no store.
    #[error(
        "it contains something else ({found}) and no Holdfast store. Choose an empty or new directory \
         with --data"
    )]
    Foreign {
        /// The name of a file in it.
        found: String,
    },
    /// An import was interrupted.
    #[error(
        "an import into it did not finish, so it contains no payments. Run `holdfast import` again, or \
         remove {STORE_IN_IMPORT:?} to start with an empty store"
    )]
    UnfinishedImport,
    /// It belongs to another user.
    #[error(
        "{} may not be read by this user ({source}). Run Holdfast as the user that the directory belongs to", path.display()
    )]
    NotPermitted {
        /// The path that may not be read.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A newer Holdfast wrote it.
    #[error(
        "its store has format version {found}, and this build of Holdfast knows versions up to \
         {STORE_FORMAT}. Start it with the newer Holdfast that wrote it; no payment in it was changed"
    )]
    NewerFormat {
        /// The version found.
        found: u32,
    },
    /// The mark that says what it is cannot be read.
    #[error(
        "its store has no readable format mark, so it is damaged or not a Holdfast store. Restore the \
         directory from a backup; no payment in it was changed"
    )]
    NoFormatMark,
    /// The file that says how the database was made.
    #[error(
        "its store/conf, which holds the settings of its database, is missing or unreadable. Without it the database cannot be \
         opened safely. Restore the directory, or only that file, from a backup; nothing was changed"
    )]
    NoSettings,
    /// The machine's clock is before 1970, where sled cannot begin.
    #[error(
        "the clock of this machine shows a time before 1970. Set the clock, and start again; nothing was changed"
    )]
    Clock,
    /// The database refused to open.
    #[error(
        "its database is damaged or unreadable ({0}). Restore the directory from a backup; keep the \
         damaged one for inspection"
    )]
    Database(#[source] sled::Error),
    /// There is nothing in it that could hold payments.
    #[error(
        "its store has neither a journal (store/journal) nor the database of an earlier format (store/db). Restore the \
         directory from a backup; nothing was changed"
    )]
    NoDatabase,
    /// There is no journal that an index could be built from.
    #[error(
        "it has no journal (segments in store/journal), so it is not known what was paid. Restore it from a backup. A store of an \
         earlier format gets its journal when `holdfast serve` starts on it"
    )]
    NoJournal,
    /// The head file is missing, or cannot be read.
    #[error(
        "its {HEAD_FILE:?}, which records how far the journal is durable, is {state}. So Holdfast cannot tell whether \
         the store is complete: acknowledged payments may be missing, and their retries would charge again. \
         Restore the directory from a backup. If you know that the store is complete, or put an older copy here on purpose, \
         start once with --accept-older-store"
    )]
    NoNote {
        /// The problem.
        state: &'static str,
    },
    /// The head file is older than the store.
    #[error(
        "its {HEAD_FILE:?} is at entry {noted}, but was at entry {reached} when the store was last written. They are \
         from different times, so Holdfast cannot tell whether the store is complete. Restore the directory from a backup. If you \
         know that the store is complete, or put an older copy here on purpose, start once with --accept-older-store"
    )]
    OldNote {
        /// The content of the file.
        noted: u64,
        /// How far it is known to have got.
        reached: u64,
    },
    /// The store is gone.
    #[error(
        "its store is gone. It had payments up to entry {noted}, and their retries would be charged again. Restore the \
         directory from a backup, or choose another one with --data"
    )]
    Gone {
        /// The last entry known to have been durable.
        noted: u64,
    },
    /// The journal ends before what is known to have been durable, or is another one.
    #[error(
        "its journal ends at entry {found} and does not lead to entry {noted}, which was durable. The disk has \
         lost acknowledged payments, and their retries would charge again. Restore the directory from a \
         backup, and compare the payments made since then with the bank's records; keep the damaged directory for inspection. If \
         this directory is an older copy that you put here on purpose, start once with --accept-older-store"
    )]
    Lost {
        /// The last entry known to have been durable.
        noted: u64,
        /// The last entry there is.
        found: u64,
    },
    /// There is no higher number for a tenure.
    #[error(
        "the number of its openings is the largest that there can be, so it is damaged or made up. Restore the directory \
         from a backup; nothing was changed"
    )]
    NoTenure,
    /// The journal cannot be opened.
    #[error(
        "its journal cannot be opened: {0}. Restore the directory from a backup, and compare the payments made since then with \
         the bank's records; keep the damaged directory for inspection"
    )]
    Journal(String),
    /// A newer Holdfast wrote the journal.
    #[error(
        "{segment} in its journal was written by a newer Holdfast. Start it with that version; no payment in it was changed"
    )]
    NewerSegment {
        /// The file.
        segment: String,
    },
    /// The index cannot be built.
    #[error(
        "the index over its journal cannot be built: {0}. Restore the directory from a backup; keep the damaged one for inspection"
    )]
    Index(String),
    /// The content is damaged.
    #[error(
        "its content is damaged ({0}). Restore the directory from a backup; keep the damaged one \
         for inspection"
    )]
    Content(#[source] LocalError),
    /// The operating system reported an error.
    #[error(
        "{action} failed: {source}. Check that the directory exists, that it belongs to this user, and that the disk has space"
    )]
    Io {
        /// The failed operation.
        action: &'static str,
        /// The error.
        source: io::Error,
    },
}

impl From<BuildError> for OpenProblem {
    fn from(error: BuildError) -> Self {
        match error {
            // A write to a tree: a full disk is no damage.
            BuildError::Content(LocalError::Apply(error)) => match error.downcast() {
                Ok(error) => of_sled(*error),
                Err(error) => Self::Content(LocalError::Apply(error)),
            },
            BuildError::Content(error) => Self::Content(error),
            BuildError::Write(error) => of_sled(error),
            BuildError::Replay { .. } | BuildError::Tenure(_) => Self::Index(error.to_string()),
        }
    }
}

impl From<holdfast_segments::OpenProblem> for OpenProblem {
    fn from(problem: holdfast_segments::OpenProblem) -> Self {
        use holdfast_segments::OpenProblem as Problem;
        match problem {
            Problem::Damaged(_) | Problem::Foreign { .. } => Self::Journal(problem.to_string()),
            Problem::Newer { segment } => Self::NewerSegment { segment },
            Problem::Io { action, source } => match source.kind() {
                io::ErrorKind::PermissionDenied => Self::NotPermitted {
                    path: JOURNAL.into(),
                    source,
                },
                _ => Self::Io { action, source },
            },
        }
    }
}

pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> OpenProblem {
    move |source| OpenProblem::Io { action, source }
}

/// The error of a failed read: names the path, and says what to do if it belongs to another user.
pub(crate) fn not_permitted(path: &Path) -> impl FnOnce(io::Error) -> OpenProblem {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied => OpenProblem::NotPermitted {
            path: path.to_owned(),
            source,
        },
        _ => io("listing its contents")(source),
    }
}

/// An error of the operating system does not mean that the database is damaged.
pub(crate) fn of_sled(error: sled::Error) -> OpenProblem {
    match error {
        sled::Error::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
            ) =>
        {
            io("opening the database")(source)
        }
        error => OpenProblem::Database(error),
    }
}
