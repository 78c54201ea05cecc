//! Opening a store, and making a new one.
//!
//! A store is created under another name, synced file by file, and only then renamed into place. A crash before that
//! leaves a directory that the next start deletes, never half a store.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use holdfast_core::Tenure;
use tokio::sync::watch;

use crate::database;
use crate::directory::{
    Holds, check_note, look, make_directory, noted_in, put_in_place, sync_names, sync_path,
    sync_store, take_lock, tighten,
};
use crate::disk_space::DiskSpace;
use crate::format::STORE_FORMAT;
use crate::head_file::{self, Found, HeadFile, Note};
use crate::inner::{Inner, Writer};
use crate::meta;
use crate::migrate;
use crate::names::{PRIVATE_DIRECTORY, STORE, STORE_IN_CREATION};
use crate::options::LocalOptions;
use crate::problem::{OpenError, OpenProblem, io};
use crate::trees::Trees;
use crate::unfinished::{self, Unfinished};

/// The first format of stores that have a head file beside them.
const FORMAT_WITH_NOTE: u32 = 2;

pub(crate) fn open(options: &LocalOptions) -> Result<Inner, OpenError> {
    open_in(options).map_err(|problem| OpenError {
        directory: options.directory.clone(),
        problem,
    })
}

/// The error of a store that could not start its committing thread.
pub(crate) fn no_thread(options: &LocalOptions, source: io::Error) -> OpenError {
    OpenError {
        directory: options.directory.clone(),
        problem: OpenProblem::Io {
            action: "starting the committing thread",
            source,
        },
    }
}

fn open_in(options: &LocalOptions) -> Result<Inner, OpenProblem> {
    let data = &make_directory(&options.directory)?;
    // Checked before a lock file is created there, and again under the lock.
    look(data, &options.neighbours)?;
    let lock = take_lock(data)?;
    let store = data.join(STORE);
    if look(data, &options.neighbours)? == Holds::Nothing {
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

fn create(options: &LocalOptions, data: &Path) -> Result<(), OpenProblem> {
    let unfinished = begin(options, &data.join(STORE_IN_CREATION))?;
    sync_store(&unfinished)?;
    put_in_place(&unfinished, &data.join(STORE))
}

/// Creates a store with all its trees, at a temporary path.
pub(crate) fn begin(options: &LocalOptions, unfinished: &Path) -> Result<PathBuf, OpenProblem> {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(io("removing an unfinished store"))?;
    }
    // sled leaves the mode of what it makes to the process: the directory around it keeps others out.
    DirBuilder::new()
        .mode(PRIVATE_DIRECTORY)
        .create(unfinished)
        .map_err(io("creating the store"))?;
    let database = database::open(options, unfinished)?;
    let trees = Trees::open(&database).map_err(OpenProblem::Database)?;
    let mark = format!("{}{STORE_FORMAT}", meta::FORMAT_PREFIX);
    trees
        .meta
        .insert(meta::FORMAT, mark.as_bytes())
        .map_err(OpenProblem::Database)?;
    database.flush().map_err(OpenProblem::Database)?;
    Ok(unfinished.to_owned())
}

fn assemble(
    options: &LocalOptions,
    database: sled::Db,
    format: u32,
    data: &Path,
    lock: File,
) -> Result<Inner, OpenProblem> {
    let store = &data.join(STORE);
    let trees = Trees::open(&database).map_err(OpenProblem::Database)?;
    let log = File::options()
        .read(true)
        .open(store.join("db"))
        .map_err(io("opening the database's log"))?;
    // A format that is older than the note gets one that says nothing yet before it gets its new mark: with that mark and
    // without a note it would be taken for damaged.
    if format < FORMAT_WITH_NOTE && noted_in(data)? == Found::Nothing {
        HeadFile::create(data, Note::default()).map_err(io("noting the journal's end"))?;
        sync_path(data)?;
    }
    migrate::to_current(&database, &log, &trees)?;
    let Unfinished {
        live,
        head,
        low_water,
        newest,
    } = unfinished::find(&trees).map_err(OpenProblem::Content)?;
    // A retry of an unfinished payment without a record would be taken for a new one.
    let sent_in = unfinished::check_records(&trees.payments, &live);
    let sent_in = sent_in.map_err(OpenProblem::Content)?;
    let reached = meta::load(&trees.meta, meta::HEAD_NOTED).map_err(OpenProblem::Content)?;
    let noted = noted_in(data)?;
    let told = check_note(noted, head, reached);
    // Format 1 is older than the note.
    let accepted = options.accept_older || format < FORMAT_WITH_NOTE;
    if let Err(problem) = &told
        && accepted
    {
        tracing::warn!(%problem, "opening the store anyway, because --accept-older-store is set or the store has format 1");
    }
    if !accepted {
        told?;
    }
    // Nothing was written so far, except by a migration: a store that is refused is kept for inspection.
    let tenure = begin_tenure(&trees, sent_in)?;
    // What the last life wrote but did not sync may be shown from now on: sync it first.
    database.flush().map_err(database::problem)?;
    log.sync_all().map_err(io("syncing the database's log"))?;
    let before = match noted {
        Found::Note(note) => note,
        Found::Nothing | Found::Unreadable => Note::default(),
    };
    let note = Note {
        head,
        at: newest.max(before.at),
        // Finished payments leave no doubt.
        in_doubt: before.in_doubt && !live.is_empty(),
    };
    let noting = io("noting the journal's end");
    let head_file =
        match HeadFile::open(data).map_err(io("opening the note of the journal's end"))? {
            Some(mut head_file) if head_file::is_reached(head_file.noted().head, head) => {
                head_file.note_now(note).map_err(noting)?;
                head_file
            }
            // There was none, or it was accepted that it says something else.
            Some(_) | None => HeadFile::create(data, note).map_err(noting)?,
        };
    sync_path(data)?;
    let banks = meta::load(&trees.meta, meta::BANKS).map_err(OpenProblem::Content)?;
    Ok(Inner {
        data: data.to_owned(),
        banks: Mutex::new(banks),
        newest_ms: AtomicU64::new(note.at.as_unix_ms()),
        in_doubt: AtomicBool::new(note.in_doubt),
        database,
        trees,
        space: DiskSpace::around(lock),
        tenure,
        log,
        writer: Mutex::new(Writer {
            head,
            next_batch: 1,
            low_water,
            head_file,
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

/// Numbers this opening, above every earlier one and above the tenure of every attempt that is unfinished. The sync that
/// follows makes the number durable before anything is marked with it.
fn begin_tenure(trees: &Trees, sent_in: Tenure) -> Result<Tenure, OpenProblem> {
    let before: Tenure = meta::load(&trees.meta, meta::TENURE).map_err(OpenProblem::Content)?;
    let tenure = before.max(sent_in).next().ok_or(OpenProblem::NoTenure)?;
    let value =
        meta::encode(meta::TENURE, &tenure).map_err(|error| OpenProblem::Content(error.into()))?;
    trees
        .meta
        .insert(meta::TENURE, value)
        .map_err(database::problem)?;
    Ok(tenure)
}
