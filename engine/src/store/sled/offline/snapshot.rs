//! A copy of a store to look at: the original is only read.
//!
//! sled cannot open a database without writing to it (it cuts off torn tails and keeps snapshots of its
//! own), so a copy is opened in its place.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::Trees;
use crate::codec::{self, Kind};
use crate::payment::JournalEntry;
use crate::store::StoreError;
use crate::store::sled::batch::CHAIN_HEAD_KEY;
use crate::store::sled::database;
use crate::store::sled::directory::{self, LOCK, OpenProblem, STORE};
use crate::store::sled::format;
use crate::store::sled::read::{decode_chunk, missing, printable, read};
use crate::store::sled::witness::Found;
use crate::{chain, store::SledOptions};

/// The oldest format that has all there is to look at.
const OLDEST_WITH_CHAIN: u32 = 2;

/// Memory for the copy's pages, in bytes.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// A store cannot be looked at; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no store.
    #[error(
        "{} is no data directory of Holdfast: it has no directory {STORE:?}. Name the directory that \
         `holdfast serve` was given with --data", .0.display()
    )]
    NoStore(PathBuf),
    /// A service runs on it.
    #[error(
        "{} is in use by a running Holdfast. Stop it first, or follow its journal over HTTP",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be copied.
    #[error(
        "cannot copy the store to {}, where it is looked at: {source}. Choose another place with room \
         for it with --scratch", scratch.display()
    )]
    Copy {
        /// To where.
        scratch: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copy cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Open(OpenProblem),
    /// An older build made it.
    #[error(
        "the store has format {found}, which has neither balances nor a hash chain to verify. Copy the \
         directory, then start `holdfast serve` on it once: that brings it to format {}",
        format::STORE_FORMAT
    )]
    OldFormat {
        /// Its format.
        found: u32,
    },
}

/// A copy of a store, opened. It is removed when this goes.
pub struct Snapshot {
    pub(super) trees: Trees,
    pub(super) tree_names: Vec<String>,
    /// What was noted beside the store.
    pub(super) noted: Found,
    _database: sled::Db,
    _copy: tempfile::TempDir,
    /// Keeps a service from starting on the original while it is copied and looked at.
    _lock: Option<File>,
}

impl Snapshot {
    /// Copies the store of a data directory into a temporary directory in `scratch` and opens it.
    ///
    /// # Errors
    /// When there is none, when it is in use, or when it cannot be copied or opened.
    pub fn take(data: &Path, scratch: &Path) -> Result<Self, SnapshotError> {
        let store = data.join(STORE);
        if !store.is_dir() {
            return Err(SnapshotError::NoStore(data.to_owned()));
        }
        let lock = match File::open(data.join(LOCK)) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => {
                    return Err(SnapshotError::InUse(data.to_owned()));
                }
                Err(TryLockError::Error(_)) => None,
            },
            // A store that was copied without its lock: nobody can be running on it.
            Err(_) => None,
        };
        let failed = |source| SnapshotError::Copy {
            scratch: scratch.to_owned(),
            source,
        };
        let copy = tempfile::Builder::new()
            .prefix("holdfast-snapshot-")
            .tempdir_in(scratch)
            .map_err(failed)?;
        copy_directory(&store, copy.path()).map_err(failed)?;
        let options = SledOptions {
            directory: copy.path().to_owned(),
            cache_bytes: CACHE_BYTES,
            accept_older: false,
        };
        let database = database::open(&options, copy.path()).map_err(SnapshotError::Open)?;
        let found = database::format_of(&database).map_err(SnapshotError::Open)?;
        if found < OLDEST_WITH_CHAIN {
            return Err(SnapshotError::OldFormat { found });
        }
        let names = database.tree_names();
        Ok(Self {
            noted: directory::noted_in(data).map_err(SnapshotError::Open)?,
            trees: Trees::open(&database).map_err(SnapshotError::Open)?,
            tree_names: names.iter().map(|name| printable(name)).collect(),
            _database: database,
            _copy: copy,
            _lock: lock,
        })
    }

    /// The end of the journal, as the store says it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn head(&self) -> Result<chain::Head, StoreError> {
        let bytes = read(self.trees.meta.get(CHAIN_HEAD_KEY), "meta")?;
        bytes.map_or(Ok(chain::Head::default()), |bytes| {
            codec::decode(Kind::Meta, CHAIN_HEAD_KEY, &bytes)
                .map_err(crate::store::sled::read::damaged("meta", CHAIN_HEAD_KEY))
        })
    }

    /// The journal, entry by entry. Ends at the first that cannot be read.
    pub fn journal(
        &self,
    ) -> impl Iterator<Item = Result<(u64, JournalEntry), StoreError>> + use<'_> {
        self.trees.journal.iter().flat_map(|item| {
            let chunk = read(item, "journal").and_then(|(storage_key, bytes)| {
                let first = format::sequence_of(&storage_key)
                    .ok_or_else(|| missing("journal", &printable(&storage_key)))?;
                Ok((first, decode_chunk(&storage_key, &bytes)?))
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

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
