//! The data directory: who may open it, what is in it, and how a new store comes to be.
//!
//! A store is made under another name, synced file by file, and only then renamed into place. A
//! crash on the way leaves a directory that the next start throws away, never half a store.
//!
//! A directory that is refused is left as it was: it is looked at before anything is made in it. What is made here can be
//! read by its owner only.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::sync::watch;

use super::batch::{self, Replay};
use super::database;
use super::format::STORE_FORMAT;
use super::room::Room;
use super::witness::{self, Found, Note, WITNESS, WITNESS_IN_CREATION, Witness};
use super::{Inner, SledOptions, Writer, migrate};
use crate::chain::Head;
use crate::store::StoreError;

pub(super) const STORE: &str = "store";
pub(super) const STORE_IN_CREATION: &str = "store.new";
/// A name of its own, so that a service never takes what is left of an import for an empty directory.
pub(super) const STORE_IN_IMPORT: &str = "store.import";
pub(super) const LOCK: &str = "LOCK";
/// What is made can be read and written by its owner only.
pub(super) const PRIVATE_DIRECTORY: u32 = 0o700;
pub(super) const PRIVATE_FILE: u32 = 0o600;
/// The permissions of everybody else.
const OF_OTHERS: u32 = 0o077;

pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const FORMAT_PREFIX: &str = "holdfast store format ";

/// The first format of stores that have a note beside them.
const FORMAT_WITH_NOTE: u32 = 2;

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
    /// It belongs to another user.
    #[error(
        "{} may not be read by this user ({source}). Run Holdfast as the user that the directory belongs to", path.display()
    )]
    NotPermitted {
        /// What may not be read.
        path: PathBuf,
        /// What the operating system said.
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
    /// The machine's clock is before 1970, where sled cannot begin.
    #[error(
        "the clock of this machine shows a time before 1970, and no times can be kept by it. Set the clock, and start again; \
         nothing was changed"
    )]
    Clock,
    /// The database refused to open.
    #[error(
        "its database is damaged or unreadable ({0}). Restore the directory from a backup; keep the \
         damaged one for inspection"
    )]
    Database(#[source] sled::Error),
    /// The file of the database.
    #[error(
        "its store/db, the file that holds its payments, is missing or empty. Restore the directory from a backup; \
         nothing was changed"
    )]
    NoDatabase,
    /// The note of the journal's end is missing, or cannot be read.
    #[error(
        "its {WITNESS:?}, which says how far its journal is known to have got, is {state}, so nobody can tell whether \
         the store is whole: payments that were acknowledged may be missing, and their retries would be charged again. \
         Restore the directory from a backup. If you know that the store is whole, or put an older copy here on purpose, \
         say --accept-older-store once"
    )]
    NoNote {
        /// What is wrong with it.
        state: &'static str,
    },
    /// The note of the journal's end is older than the store.
    #[error(
        "its {WITNESS:?} speaks of entry {noted}, but had got to entry {reached} when the store was written: one of both is \
         from another time, so nobody can tell whether the store is whole. Restore the directory from a backup. If you \
         know that the store is whole, or put an older copy here on purpose, say --accept-older-store once"
    )]
    OldNote {
        /// What the file says.
        noted: u64,
        /// How far it is known to have got.
        reached: u64,
    },
    /// The store is gone.
    #[error(
        "its store is gone: it held payments up to entry {noted}, and their retries would be charged again. Restore the \
         directory from a backup, or choose another one with --data"
    )]
    Gone {
        /// The last entry known to have been durable.
        noted: u64,
    },
    /// The journal ends before what is known to have been durable, or is another one.
    #[error(
        "its journal ends at entry {found} and does not lead to entry {noted} as it was durable: the database has \
         lost payments that were acknowledged, and their retries would be charged again. Restore the directory from a \
         backup, and let the bank's books say what came after it; keep the damaged one for inspection. If \
         this directory is an older copy that you put here on purpose, say --accept-older-store once"
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
    let data = &make_directory(&options.directory)?;
    // Looked at before a lock file is put there, and again when nobody else can change it.
    look(data)?;
    let lock = take_lock(data)?;
    let store = data.join(STORE);
    if look(data)? == Holds::Nothing {
        create(options, data)?;
    }
    // At every start, for the last one may have ended between a rename and its sync.
    sync_names(data)?;
    // sled notes how far the log reaches before it is synced: what it finds in it must stay.
    File::open(store.join("db"))
        .and_then(|log| log.sync_all())
        .map_err(io("syncing the database's log"))?;
    database::settle(options, &store)?;
    let database = database::open(options, &store)?;
    let format = database::format_of(&database)?;
    // Only now is it known to be Holdfast's.
    tighten(data);
    assemble(options, database, format, data, lock)
}

/// Makes the data directory when it does not exist, and returns its whole path: one that is relative has no directories
/// above it that could be synced.
pub(super) fn make_directory(data: &Path) -> Result<PathBuf, OpenProblem> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(data)
        .map_err(io("creating the directory"))?;
    fs::canonicalize(data).map_err(io("resolving the directory"))
}

/// What is in a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    Store,
}

/// Looks what is there, and refuses what is not Holdfast's. Nothing is changed.
fn look(data: &Path) -> Result<Holds, OpenProblem> {
    let store = data.join(STORE);
    if is_there(&store)? {
        let db = store.join("db");
        return match fs::metadata(&db) {
            Ok(db) if db.len() > 0 => Ok(Holds::Store),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(not_permitted(&db)(error))
            }
            Ok(_) | Err(_) => Err(OpenProblem::NoDatabase),
        };
    }
    refuse_foreign(data)?;
    refuse_gone(data)?;
    Ok(Holds::Nothing)
}

/// Whether something has that name. What may not be looked at is not taken for missing.
pub(super) fn is_there(path: &Path) -> Result<bool, OpenProblem> {
    path.try_exists().map_err(not_permitted(path))
}

/// What reading failed with: names the path, and what to do when it is another user's.
pub(super) fn not_permitted(path: &Path) -> impl FnOnce(io::Error) -> OpenProblem {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied => OpenProblem::NotPermitted {
            path: path.to_owned(),
            source,
        },
        _ => io("looking what is in it")(source),
    }
}

/// Takes from others what earlier versions let them read. The data directory itself keeps its mode, for whoever made it
/// may have had a reason; what is in it is Holdfast's. Nothing fails for it: the files may be another user's.
fn tighten(data: &Path) {
    for name in [LOCK, WITNESS, STORE] {
        tighten_all(&data.join(name));
    }
}

fn tighten_all(path: &Path) {
    // What a link leads to is not in the directory.
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let mode = metadata.mode();
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let made_here = metadata.is_file() || metadata.is_dir();
    if ours && made_here && mode & OF_OTHERS != 0 {
        let tight = fs::Permissions::from_mode(mode & !OF_OTHERS);
        if let Err(error) = fs::set_permissions(path, tight) {
            tracing::warn!(%error, path = %path.display(), "other users may read this file");
        }
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| tighten_all(&entry.path()));
    }
}

pub(super) fn take_lock(data: &Path) -> Result<File, OpenProblem> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(PRIVATE_FILE)
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

/// What was noted beside the store.
pub(super) fn noted_in(data: &Path) -> Result<Found, OpenProblem> {
    let path = data.join(WITNESS);
    witness::noted_in(data).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => OpenProblem::NotPermitted { path, source },
        _ => io("reading the note of the journal's end")(source),
    })
}

/// A directory whose store is gone is not an empty one.
fn refuse_gone(data: &Path) -> Result<(), OpenProblem> {
    match noted_in(data)? {
        Found::Nothing => Ok(()),
        Found::Note(Note { head, .. }) if head.sequence == 0 => Ok(()),
        Found::Note(Note { head, .. }) => Err(OpenProblem::Gone {
            noted: head.sequence,
        }),
        Found::Unreadable => Err(OpenProblem::NoNote {
            state: "unreadable, and its store is gone",
        }),
    }
}

/// Whether a store that ends at `found` is known to be whole by what was noted beside it. `reached` is how far the note is
/// known to have got.
///
/// # Errors
/// When it is not, or nobody can tell.
pub(super) fn check_note(noted: Found, found: Head, reached: u64) -> Result<(), OpenProblem> {
    let state = match noted {
        // Nothing was acknowledged yet, so nothing can be missing.
        Found::Nothing | Found::Unreadable if found.sequence == 0 => return Ok(()),
        Found::Nothing => "missing",
        Found::Unreadable => "unreadable",
        Found::Note(Note { head, .. }) if !witness::is_reached(head, found) => {
            return Err(OpenProblem::Lost {
                noted: head.sequence,
                found: found.sequence,
            });
        }
        Found::Note(Note { head, .. }) if head.sequence < reached => {
            return Err(OpenProblem::OldNote {
                noted: head.sequence,
                reached,
            });
        }
        Found::Note(_) => return Ok(()),
    };
    Err(OpenProblem::NoNote { state })
}

/// A directory with other things in it is more likely a slip of the hand than a wish for a new
/// store beside them.
fn refuse_foreign(data: &Path) -> Result<(), OpenProblem> {
    for entry in fs::read_dir(data).map_err(not_permitted(data))? {
        let name = entry.map_err(io("listing the directory"))?.file_name();
        if name == STORE_IN_IMPORT {
            return Err(OpenProblem::UnfinishedImport);
        }
        let ours = [LOCK, STORE_IN_CREATION, WITNESS, WITNESS_IN_CREATION]
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
    sync_store(&unfinished)?;
    put_in_place(&unfinished, &data.join(STORE))
}

/// Begins a store at a path that is not yet its own, with all its trees.
pub(super) fn begin(options: &SledOptions, unfinished: &Path) -> Result<PathBuf, OpenProblem> {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(io("removing an unfinished store"))?;
    }
    // sled leaves the mode of what it makes to the process: the directory around it keeps others out.
    DirBuilder::new()
        .mode(PRIVATE_DIRECTORY)
        .create(unfinished)
        .map_err(io("creating the store"))?;
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

/// Makes every byte of a new store durable.
pub(super) fn sync_store(unfinished: &Path) -> Result<(), OpenProblem> {
    // sled syncs none of what it makes, and a torn `conf` keeps it from opening ever again.
    for entry in fs::read_dir(unfinished).map_err(io("listing the new store"))? {
        let path = entry.map_err(io("listing the new store"))?.path();
        sync_path(&path)?;
    }
    sync_path(unfinished)
}

/// Gives a durable store its name. A name that cannot be made durable is taken back: it could be gone after a crash, when
/// somebody has long relied on it.
pub(super) fn put_in_place(unfinished: &Path, store: &Path) -> Result<(), OpenProblem> {
    fs::rename(unfinished, store).map_err(io("moving the new store into place"))?;
    let data = store.parent().unwrap_or(store);
    let synced = sync_path(data);
    if synced.is_err() {
        fs::rename(store, unfinished).map_err(io("moving the new store back"))?;
    }
    synced
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
    options: &SledOptions,
    database: sled::Db,
    format: u32,
    data: &Path,
    lock: File,
) -> Result<Inner, OpenProblem> {
    let store = &data.join(STORE);
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
    // A format that is older than the note gets one that says nothing yet before it gets its new mark: with that mark and
    // without a note it would be taken for damaged.
    if format < FORMAT_WITH_NOTE && noted_in(data)? == Found::Nothing {
        Witness::create(data, Note::default()).map_err(io("noting the journal's end"))?;
        sync_path(data)?;
    }
    migrate::to_current(&database, &log, &journal, &accounts, &meta)?;
    let Replay {
        live,
        head,
        low_water,
        newest,
    } = batch::replay(&journal, &unfinished, &meta).map_err(OpenProblem::Content)?;
    // A retry of an unfinished payment without a record would be taken for a new one.
    batch::check_records(&payments, &live).map_err(OpenProblem::Content)?;
    // What the last life wrote but did not sync may be shown from now on: sync it first.
    database.flush().map_err(OpenProblem::Database)?;
    log.sync_all().map_err(io("syncing the database's log"))?;
    let reached = batch::reached(&meta).map_err(OpenProblem::Content)?;
    let noted = noted_in(data)?;
    let told = check_note(noted, head, reached);
    // Format 1 is older than the note.
    let accepted = options.accept_older || format < FORMAT_WITH_NOTE;
    if let Err(problem) = &told
        && accepted
    {
        tracing::warn!(%problem, "taken as it is");
    }
    if !accepted {
        told?;
    }
    let before = match noted {
        Found::Note(note) => note,
        Found::Nothing | Found::Unreadable => Note::default(),
    };
    let note = Note {
        head,
        at: newest.max(before.at),
        // What is finished is nobody's doubt.
        in_doubt: before.in_doubt && !live.is_empty(),
    };
    let noting = io("noting the journal's end");
    let witness = match Witness::open(data).map_err(io("opening the note of the journal's end"))? {
        Some(mut witness) if witness::is_reached(witness.noted().head, head) => {
            witness.note_now(note).map_err(noting)?;
            witness
        }
        // There was none, or it was accepted that it says something else.
        Some(_) | None => Witness::create(data, note).map_err(noting)?,
    };
    sync_path(data)?;
    let banks = batch::banks(&meta).map_err(OpenProblem::Content)?;
    Ok(Inner {
        data: data.to_owned(),
        banks: Mutex::new(banks),
        newest_ms: AtomicU64::new(note.at.as_unix_ms()),
        in_doubt: AtomicBool::new(note.in_doubt),
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
            reached,
        }),
        live: Mutex::new(live),
        visible: AtomicU64::new(0),
        durable: watch::Sender::new(0),
        appended: watch::Sender::new(head.sequence),
        poisoned: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    })
}
