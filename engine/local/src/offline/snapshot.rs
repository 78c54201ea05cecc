//! A copy of a store for inspection. The original is only read.
//!
//! sled cannot open a database without writing to it (it cuts off torn tails and writes its own snapshots). So a copy
//! is opened instead.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use holdfast_core::JournalEntry;
use holdfast_core::codec::DecodeError;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::record::sequence_key;
use holdfast_segments::disk::Directory;

use crate::belief;
use crate::cursors::{self, Positions};
use crate::database;
use crate::directory;
use crate::error::{LocalError, printable};
use crate::format;
use crate::head_file::Found;
use crate::indexing::{BUILDING, index_of, tell};
use crate::journal::Journal;
use crate::migrate;
use crate::names::{
    INDEX, INDEX_OPEN, JOURNAL, LOCK, PRIVATE_DIRECTORY, PRIVATE_FILE, STORE, STORE_IN_IMPORT,
};
use crate::options::LocalOptions;
use crate::problem::OpenProblem;
use crate::trees::Trees;
use crate::values::decode_chunk;

/// The oldest format that can be inspected.
const OLDEST_WITH_CHAIN: u32 = 2;

/// Why a store cannot be inspected. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no store.
    #[error(
        "{} is not a Holdfast data directory: it has no directory {STORE:?}. Use the directory that \
         `holdfast serve` uses as --data", .0.display()
    )]
    NoStore(PathBuf),
    /// A service runs on it.
    #[error(
        "{} is in use by a running Holdfast. Stop it first. To export while it runs, use `holdfast export --url`",
        .0.display()
    )]
    InUse(PathBuf),
    /// An import was interrupted.
    #[error(
        "{} contains an import that did not finish, and no payments. Run `holdfast import` again", .0.display()
    )]
    UnfinishedImport(PathBuf),
    /// It belongs to another user.
    #[error(
        "{} may not be read by this user ({source}). Run the command as the user that the service runs as", path.display()
    )]
    NotPermitted {
        /// The path that may not be read.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path that cannot be read.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It cannot be copied.
    #[error(
        "cannot copy the store to {}, where it is read: {source}. Choose another place with enough space \
         with --scratch", scratch.display()
    )]
    Copy {
        /// The destination.
        scratch: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The copy cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Open(OpenProblem),
    /// An older build made it.
    #[error(
        "the store has format {found}, which has neither balances nor a hash chain to verify. Copy the \
         directory, then start `holdfast serve` on it once, which upgrades it to format {}",
        format::STORE_FORMAT
    )]
    OldFormat {
        /// Its format.
        found: u32,
    },
}

/// An open copy of a store. Dropping it deletes the copy.
pub struct Snapshot {
    pub(crate) journal: Journal,
    /// The end of the journal.
    head: Head,
    /// Up to where an index had the journal that ends before; else 0.
    pub(crate) indexed: u64,
    pub(crate) trees: Trees,
    pub(crate) tree_names: Vec<String>,
    pub(crate) cursors: Result<Positions, DecodeError>,
    /// The content of the head file.
    pub(crate) noted: Found,
    _database: sled::Db,
    _copy: tempfile::TempDir,
    /// Keeps a service from starting on the original during copy and inspection.
    _lock: Option<File>,
}

/// A store without a running service. No service can start on it while this is held.
pub struct Original {
    data: PathBuf,
    lock: Option<File>,
}

impl Original {
    /// Finds the store of a data directory, and keeps services from starting on it. Creates nothing there.
    ///
    /// # Errors
    /// When there is none, when it may not be read, or when it is in use.
    pub fn hold(data: &Path) -> Result<Self, SnapshotError> {
        match fs::metadata(data.join(STORE)) {
            Ok(store) if store.is_dir() => {}
            Ok(_) => return Err(SnapshotError::NoStore(data.to_owned())),
            Err(error) if is_missing(&error) => {
                // A name that may not be looked up is no import; the store would have said so.
                return Err(match fs::metadata(data.join(STORE_IN_IMPORT)) {
                    Ok(_) => SnapshotError::UnfinishedImport(data.to_owned()),
                    Err(_) => SnapshotError::NoStore(data.to_owned()),
                });
            }
            Err(error) => return Err(unread(data)(error)),
        }
        let path = data.join(LOCK);
        let lock = match File::open(&path) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => {
                    return Err(SnapshotError::InUse(data.to_owned()));
                }
                Err(TryLockError::Error(_)) => None,
            },
            // A store that was copied without its lock: nobody can be running on it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unread(&path)(error)),
        };
        Ok(Self {
            data: data.to_owned(),
            lock,
        })
    }

    /// Copies the store into a directory and opens it there.
    ///
    /// # Errors
    /// When it cannot be copied or opened.
    pub fn copy_into(self, copy: tempfile::TempDir) -> Result<Snapshot, SnapshotError> {
        let Self { data, lock } = self;
        let options = LocalOptions {
            accept_older: true,
            ..LocalOptions::offline(copy.path().to_owned())
        };
        let scratch = copy.path().join(STORE);
        let mut store = data.join(STORE);
        make_directory(&scratch)?;
        if store.join(JOURNAL).is_dir() {
            // The journal is only read; the index is copied, for sled cannot open a database without writing to it.
            let parts = [INDEX, INDEX_OPEN].map(|part| (store.join(part), scratch.join(part)));
            let [(index, index_copy), (mark, mark_copy)] = parts;
            if index.is_dir() {
                make_directory(&index_copy)?;
                copy_directory(&index, &index_copy)?;
            }
            // One that was found damaged is looked at as it is: a copy that is built again would show nothing.
            if mark.is_file() && !belief::is_damaged(&store) {
                copy_file(&mark, &mark_copy)?;
            }
        } else {
            copy_directory(&store, &scratch)?;
            take_over(&options, copy.path())?;
            store.clone_from(&scratch);
        }
        let segments = Directory::new(&store.join(JOURNAL));
        let (reader, sequence, digest) = holdfast_segments::inspect(segments, 0)
            .map_err(|problem| SnapshotError::Open(problem.into()))?;
        let journal = Journal::new(reader);
        let digest = Digest::from_bytes(digest);
        let head = Head { sequence, digest };
        let open = |accept_older| {
            let options = LocalOptions {
                accept_older,
                ..options.clone()
            };
            index_of(&options, &scratch, &journal, head, &mut tell(BUILDING))
        };
        // An index that has more than the journal is a finding, and the rest is held against one that was built anew.
        let (opened, indexed) = match open(false) {
            Err(OpenProblem::Lost { noted, .. }) => (open(true), noted),
            opened => (opened, 0),
        };
        let (database, trees) = opened.map_err(SnapshotError::Open)?;
        let names = database.tree_names();
        Ok(Snapshot {
            journal,
            head,
            indexed,
            noted: directory::noted_in(&data).map_err(SnapshotError::Open)?,
            trees,
            cursors: cursors::read(&store).map_err(unread(&store))?,
            tree_names: names.iter().map(|name| printable(name)).collect(),
            _database: database,
            _copy: copy,
            _lock: lock,
        })
    }
}

/// Takes the copy of a store of an earlier format over, so that it can be looked at as one of this format.
fn take_over(options: &LocalOptions, copy: &Path) -> Result<(), SnapshotError> {
    let store = copy.join(STORE);
    let database = database::open(options, &store).map_err(SnapshotError::Open)?;
    let found = database::format_of(&database).map_err(SnapshotError::Open)?;
    drop(database);
    if found < OLDEST_WITH_CHAIN {
        return Err(SnapshotError::OldFormat { found });
    }
    migrate::to_log(options, copy).map_err(SnapshotError::Open)
}

impl Snapshot {
    /// The last entry that an index had, if the journal ends before it: then the journal has lost entries.
    pub const fn lost(&self) -> Option<u64> {
        if self.indexed > self.head.sequence {
            Some(self.indexed)
        } else {
            None
        }
    }

    /// The end of the journal.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The journal, entry by entry. It ends at the first entry that cannot be read.
    pub fn journal(
        &self,
    ) -> impl Iterator<Item = Result<(u64, JournalEntry), LocalError>> + use<'_> {
        self.journal.chunks(1).flat_map(|chunk| {
            let chunk = chunk.and_then(|(first, bytes)| {
                Ok((first, decode_chunk(&sequence_key(first), &bytes)?))
            });
            let entries: Vec<_> = match chunk {
                Ok((first, chunk)) => (first..)
                    .zip(chunk.entries)
                    .map(|(sequence, linked)| Ok((sequence, linked.entry)))
                    .collect(),
                Err(error) => vec![Err(error)],
            };
            entries
        })
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The error of a failed read.
fn unread(path: &Path) -> impl Fn(io::Error) -> SnapshotError {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => SnapshotError::NotPermitted { path, source },
            _ => SnapshotError::Read { path, source },
        }
    }
}

fn uncopied(to: &Path) -> impl Fn(io::Error) -> SnapshotError {
    move |source| SnapshotError::Copy {
        scratch: to.to_owned(),
        source,
    }
}

fn make_directory(path: &Path) -> Result<(), SnapshotError> {
    let made = DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path);
    made.map_err(uncopied(path))
}

fn copy_directory(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    for entry in fs::read_dir(from).map_err(unread(from))? {
        let entry = entry.map_err(unread(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(unread(&path))?.is_dir() {
            make_directory(&target)?;
            copy_directory(&path, &target)?;
        } else {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let mut original = File::open(from).map_err(unread(from))?;
    let mut copy = File::options()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(to)
        .map_err(uncopied(to))?;
    io::copy(&mut original, &mut copy).map_err(uncopied(to))?;
    Ok(())
}
