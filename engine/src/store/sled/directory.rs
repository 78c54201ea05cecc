//! The data directory: who may open it, what is in it, and how a new store comes to be.
//!
//! A store is made under another name, synced file by file, and only then renamed into place. A
//! crash on the way leaves a directory that the next start throws away, never half a store.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::sync::watch;

use super::batch::{self, Replay};
use super::database;
use super::format::STORE_FORMAT;
use super::room::Room;
use super::witness::{self, WITNESS, Witness};
use super::{Inner, SledOptions, Writer, migrate};
use crate::chain::Head;
use crate::store::StoreError;

pub(super) const STORE: &str = "store";
pub(super) const STORE_IN_CREATION: &str = "store.new";
/// A name of its own, so that a service never takes what is left of an import for an empty directory.
pub(super) const STORE_IN_IMPORT: &str = "store.import";
pub(super) const LOCK: &str = "LOCK";
pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const FORMAT_PREFIX: &str = "holdfast store format ";

/// A store could not be opened: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the data directory {}: {problem}", directory.display())]
pub struct OpenError {
    directory: PathBuf,
    #[source]
    problem: OpenProblem,
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
        "it holds something else ({found}) and no Holdfast store. Choose an empty or new directory \
         with --data"
    )]
    Foreign {
        /// The name of a file in it.
        found: String,
    },
    /// An import was interrupted.
    #[error(
        "an import into it did not finish, so it holds no payment. Run `holdfast import` again, or \
         remove {STORE_IN_IMPORT:?} to start with an empty store"
    )]
    UnfinishedImport,
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
        "its store carries no readable format mark, so it is damaged or not Holdfast's. Restore the \
         directory from a backup; no payment in it was changed"
    )]
    NoFormatMark,
    /// The file that says how the database was made.
    #[error(
        "its store/conf, which says how its database was made, is missing or cannot be read; without it nothing is safe to \
         open. Restore the directory from a backup, or that file alone; nothing was changed"
    )]
    NoSettings,
    /// The database refused to open.
    #[error(
        "its database is damaged or unreadable ({0}). Restore the directory from a backup; keep the \
         damaged one for inspection"
    )]
    Database(#[source] sled::Error),
    /// The journal ends before what is known to have been durable, or is another one.
    #[error(
        "its journal ends at entry {found} and does not lead to entry {noted} as it was durable: the database has \
         lost payments that were acknowledged, and their retries would be charged again. Restore the directory from a \
         backup, and let the bank's books say what came after it; keep the damaged one for inspection. If \
         this directory is an older copy that you put here on purpose, remove {WITNESS:?}"
    )]
    Lost {
        /// The last entry known to have been durable.
        noted: u64,
        /// The last entry there is.
        found: u64,
    },
    /// The content is damaged.
    #[error(
        "its content is damaged ({0}). Restore the directory from a backup; keep the damaged one \
         for inspection"
    )]
    Content(#[source] StoreError),
    /// The operating system refused.
    #[error(
        "{action} failed: {source}. Check that the directory exists, belongs to this user and that the disk has space"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: io::Error,
    },
}

pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> OpenProblem {
    move |source| OpenProblem::Io { action, source }
}

pub(super) fn open(options: &SledOptions) -> Result<Inner, OpenError> {
    open_in(options).map_err(|problem| OpenError {
        directory: options.directory.clone(),
        problem,
    })
}

/// The error of a store that got no thread to commit on.
pub(super) fn no_thread(options: &SledOptions, source: io::Error) -> OpenError {
    OpenError {
        directory: options.directory.clone(),
        problem: OpenProblem::Io {
            action: "starting the committing thread",
            source,
        },
    }
}

fn open_in(options: &SledOptions) -> Result<Inner, OpenProblem> {
    let data = &options.directory;
    fs::create_dir_all(data).map_err(io("creating the directory"))?;
    let data = &fs::canonicalize(data).map_err(io("resolving the directory"))?;
    let lock = take_lock(data)?;
    let store = data.join(STORE);
    if !store.exists() {
        refuse_lost(noted_in(data)?, Head::default())?;
        refuse_foreign(data)?;
        create(options, data)?;
    }
    let witness = Witness::open(data).map_err(io("opening the note of the journal's end"))?;
    // At every start, for the last one may have ended between a rename and its sync.
    sync_names(data)?;
    // sled notes how far the log reaches before it is synced: what it finds in it must stay.
    File::open(store.join("db"))
        .and_then(|log| log.sync_all())
        .map_err(io("syncing the database's log"))?;
    database::settle(options, &store)?;
    let database = database::open(options, &store)?;
    database::format_of(&database)?;
    assemble(database, &store, lock, witness)
}

pub(super) fn take_lock(data: &Path) -> Result<File, OpenProblem> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data.join(LOCK))
        .map_err(io("opening the lock file"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenProblem::InUse),
        Err(TryLockError::Error(source)) => Err(OpenProblem::Io {
            action: "locking the lock file",
            source,
        }),
    }
}

/// The end of the journal that was noted beside the store.
pub(super) fn noted_in(data: &Path) -> Result<Head, OpenProblem> {
    witness::noted_in(data).map_err(io("reading the note of the journal's end"))
}

/// A store that lost what was durable is not served; nor is a directory whose store is gone an empty one.
fn refuse_lost(noted: Head, found: Head) -> Result<(), OpenProblem> {
    if witness::is_reached(noted, found) {
        return Ok(());
    }
    Err(OpenProblem::Lost {
        noted: noted.sequence,
        found: found.sequence,
    })
}

/// A directory with other things in it is more likely a slip of the hand than a wish for a new
/// store beside them.
fn refuse_foreign(data: &Path) -> Result<(), OpenProblem> {
    for entry in fs::read_dir(data).map_err(io("listing the directory"))? {
        let name = entry.map_err(io("listing the directory"))?.file_name();
        if name == STORE_IN_IMPORT {
            return Err(OpenProblem::UnfinishedImport);
        }
        let ours = [LOCK, STORE_IN_CREATION, WITNESS]
            .iter()
            .any(|known| name == *known)
            || name.to_string_lossy().starts_with("simulated-bank");
        if !ours {
            return Err(OpenProblem::Foreign {
                found: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

fn create(options: &SledOptions, data: &Path) -> Result<(), OpenProblem> {
    let unfinished = begin(options, &data.join(STORE_IN_CREATION))?;
    put_in_place(&unfinished, &data.join(STORE))
}

/// Begins a store at a path that is not yet its own, with all its trees.
pub(super) fn begin(options: &SledOptions, unfinished: &Path) -> Result<PathBuf, OpenProblem> {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(io("removing an unfinished store"))?;
    }
    let database = database::open(options, unfinished)?;
    let mark = format!("{FORMAT_PREFIX}{STORE_FORMAT}");
    let meta = database.open_tree("meta").map_err(OpenProblem::Database)?;
    meta.insert(FORMAT_KEY, mark.as_bytes())
        .map_err(OpenProblem::Database)?;
    for tree in [
        "payments",
        "ids",
        "journal",
        "unfinished",
        "accounts",
        "contradictions",
    ] {
        database.open_tree(tree).map_err(OpenProblem::Database)?;
    }
    database.flush().map_err(OpenProblem::Database)?;
    Ok(unfinished.to_owned())
}

/// Makes every byte of a new store durable, and gives it its name.
pub(super) fn put_in_place(unfinished: &Path, store: &Path) -> Result<(), OpenProblem> {
    // sled syncs none of what it makes, and a torn `conf` keeps it from opening ever again.
    for entry in fs::read_dir(unfinished).map_err(io("listing the new store"))? {
        let path = entry.map_err(io("listing the new store"))?.path();
        sync_path(&path)?;
    }
    sync_path(unfinished)?;
    fs::rename(unfinished, store).map_err(io("moving the new store into place"))
}

/// Makes the names durable under which the store is found: those in the data directory and those of
/// the directories above it, any of which may be new.
pub(super) fn sync_names(data: &Path) -> Result<(), OpenProblem> {
    sync_path(data)?;
    for above in data.ancestors().skip(1) {
        match File::open(above) {
            Ok(directory) => directory
                .sync_all()
                .map_err(io("syncing new files to disk"))?,
            // A directory that this user may not read was not made by this user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(io("syncing new files to disk")(error)),
        }
    }
    Ok(())
}

pub(super) fn sync_path(path: &Path) -> Result<(), OpenProblem> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io("syncing new files to disk"))
}

fn assemble(
    database: sled::Db,
    store: &Path,
    lock: File,
    mut witness: Witness,
) -> Result<Inner, OpenProblem> {
    let tree = |name: &str| database.open_tree(name).map_err(OpenProblem::Database);
    let payments = tree("payments")?;
    let ids = tree("ids")?;
    let journal = tree("journal")?;
    let unfinished = tree("unfinished")?;
    let meta = tree("meta")?;
    // A store made before this tree existed gets it now; nothing in it was missed.
    let contradictions = tree("contradictions")?;
    let accounts = tree("accounts")?;
    let log = File::options()
        .read(true)
        .open(store.join("db"))
        .map_err(io("opening the database's log"))?;
    migrate::to_current(&database, &log, &journal, &accounts, &meta)?;
    let Replay {
        live,
        head,
        low_water,
    } = batch::replay(&journal, &unfinished, &meta).map_err(OpenProblem::Content)?;
    // What the last life wrote but did not sync may be shown from now on: sync it first.
    database.flush().map_err(OpenProblem::Database)?;
    log.sync_all().map_err(io("syncing the database's log"))?;
    refuse_lost(witness.noted(), head)?;
    witness
        .note_now(head)
        .map_err(io("noting the journal's end"))?;
    Ok(Inner {
        database,
        payments,
        ids,
        journal,
        unfinished,
        accounts,
        contradictions,
        meta,
        room: Room::around(lock),
        log,
        writer: Mutex::new(Writer {
            head,
            next_batch: 1,
            low_water,
            witness,
        }),
        live: Mutex::new(live),
        visible: AtomicU64::new(0),
        durable: watch::Sender::new(0),
        appended: watch::Sender::new(head.sequence),
        poisoned: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    })
}
