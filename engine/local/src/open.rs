//! Opening a store, and making a new one.
//!
//! A store is created under another name, synced file by file, and only then renamed into place. A crash before that
//! leaves a directory that the next start deletes, never half a store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use holdfast_core::journal::{Digest, Head};
use holdfast_core::{BankName, Tenure};
use tokio::sync::watch;

use crate::balance_cache::BalanceCache;
use crate::belief;
use crate::creation::{NewStore, journal_of};
use crate::cursors::CursorFile;
use crate::directory::{
    Holds, check_note, look, make_directory, noted_in, put_in_place, sync_names, sync_path,
    take_lock, tighten,
};
use crate::disk_space::DiskSpace;
use crate::error::LocalError;
use crate::head_file::{self, Found, HeadFile, Note};
use crate::indexer::Indexer;
use crate::indexing::{BUILDING, index_of, tell};
use crate::inner::{Inner, Writer};
use crate::journal::{Journal, JournalLog};
use crate::memtable::Memtable;
use crate::meta;
use crate::migrate;
use crate::names::{LOCK, STORE, STORE_IN_CREATION};
use crate::options::LocalOptions;
use crate::problem::{OpenError, OpenProblem, io, of_sled};
use crate::trees::Trees;
use crate::unfinished::{self, Unfinished};

pub(crate) fn open(options: &LocalOptions) -> Result<(Inner, Indexer), OpenError> {
    open_in(options).map_err(|problem| OpenError {
        directory: options.directory.clone(),
        problem,
    })
}

/// The error of a store that could not start one of its threads.
pub(crate) fn no_thread(options: &LocalOptions, source: io::Error) -> OpenError {
    OpenError {
        directory: options.directory.clone(),
        problem: OpenProblem::Io {
            action: "starting a thread of the store",
            source,
        },
    }
}

fn open_in(options: &LocalOptions) -> Result<(Inner, Indexer), OpenProblem> {
    let data = &make_directory(&options.directory)?;
    // Checked before a lock file is created there, and again under the lock.
    look(data, &options.neighbours)?;
    let lock = take_lock(data)?;
    migrate::resume(data)?;
    let holds = look(data, &options.neighbours)?;
    if holds == Holds::Nothing {
        create(options, data)?;
    }
    // At every start, for the last one may have ended between a rename and its sync.
    sync_names(data)?;
    if holds == Holds::OldStore {
        migrate::to_log(options, data)?;
    }
    let store = data.join(STORE);
    let log = journal_of(&store)?;
    let journal = Journal::new(log.reader());
    // Before anything of it changes: a store that is refused is kept for inspection.
    if !options.accept_older {
        check_note(noted_in(data)?, head_of(&log), 0)?;
    }
    let end = head_of(&log);
    let open_index = || index_of(options, &store, &journal, end, &mut tell(BUILDING));
    let mut opened = open_index()?;
    let mut found = FromIndex::read(&opened.1, &journal);
    if let Err(error) = &found
        && error.is_of_index()
    {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the index is damaged"
        );
        belief::index_is_damaged(&store).map_err(io("giving up the index"))?;
        drop(opened);
        opened = open_index()?;
        found = FromIndex::read(&opened.1, &journal);
    }
    let found = found.map_err(OpenProblem::Content)?;
    let (database, trees) = opened;
    if found.unfinished.head != end {
        let said = "its entries lead to another end than its frames say: it was rewritten";
        return Err(OpenProblem::Index(said.to_owned()));
    }
    // Only now is it known to be Holdfast's.
    tighten(data);
    assemble(
        options,
        Opened {
            log,
            database,
            trees,
        },
        found,
        data,
        lock,
    )
}

/// What a start needs to know from the index.
struct FromIndex {
    unfinished: Unfinished,
    /// The highest tenure that one of the unfinished was sent in.
    sent_in: Tenure,
    /// How far the head file is known to have got.
    reached: u64,
    /// The opening before this one.
    tenure: Tenure,
    banks: BTreeSet<BankName>,
}

impl FromIndex {
    fn read(trees: &Trees, journal: &Journal) -> Result<Self, LocalError> {
        let unfinished = unfinished::find(trees, journal)?;
        Ok(Self {
            // A retry of an unfinished payment without a record would be taken for a new one.
            sent_in: unfinished::check_records(trees, &unfinished.live)?,
            unfinished,
            reached: meta::load(&trees.meta, meta::HEAD_NOTED)?,
            tenure: meta::load(&trees.meta, meta::TENURE)?,
            banks: meta::load(&trees.meta, meta::BANKS)?,
        })
    }
}

/// A store with its two parts.
struct Opened {
    log: JournalLog,
    database: sled::Db,
    trees: Trees,
}

fn create(options: &LocalOptions, data: &Path) -> Result<(), OpenProblem> {
    let new = NewStore::begin(options, &data.join(STORE_IN_CREATION))?;
    let unfinished = new.finish()?;
    put_in_place(&unfinished, &data.join(STORE))
}

fn head_of(log: &JournalLog) -> Head {
    Head {
        sequence: log.next() - 1,
        digest: Digest::from_bytes(log.digest()),
    }
}

fn assemble(
    options: &LocalOptions,
    opened: Opened,
    found: FromIndex,
    data: &Path,
    lock: File,
) -> Result<(Inner, Indexer), OpenProblem> {
    let Opened {
        log,
        database,
        trees,
    } = opened;
    let journal = Journal::new(log.reader());
    let place = File::open(data.join(LOCK)).map_err(io("opening the lock file"))?;
    let FromIndex {
        unfinished,
        sent_in,
        reached,
        tenure,
        banks,
    } = found;
    let Unfinished {
        live,
        lingering,
        head,
        low_water,
        newest,
    } = unfinished;
    let noted = noted_in(data)?;
    let told = check_note(noted, head, reached);
    if let Err(problem) = &told
        && options.accept_older
    {
        tracing::warn!(%problem, "opening the store anyway, because --accept-older-store is set");
    }
    if !options.accept_older {
        told?;
    }
    let tenure = begin_tenure(&trees, tenure.max(sent_in))?;
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
    let cursors = CursorFile::open(&data.join(STORE))?;
    let indexer = Indexer {
        low_water,
        lingering,
        reached,
    };
    let inner = Inner {
        data: data.to_owned(),
        banks: Mutex::new(banks),
        newest_ms: AtomicU64::new(note.at.as_unix_ms()),
        in_doubt: AtomicBool::new(note.in_doubt),
        database,
        trees,
        journal,
        place,
        space: DiskSpace::around(lock),
        tenure,
        writer: Mutex::new(Writer {
            head,
            balances: BalanceCache::default(),
            log,
            spare: None,
            no_spare_before: None,
            head_file,
        }),
        memtable: Memtable::new(),
        cursors,
        noted: AtomicU64::new(head.sequence),
        live: Mutex::new(live),
        appended: watch::Sender::new(head.sequence),
        is_doubted: Mutex::new(false),
        poisoned: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    };
    Ok((inner, indexer))
}

/// Numbers this opening, above every earlier one and above the tenure of every attempt that is unfinished. A number
/// that is lost with the power is in the journal, if anything was marked with it.
fn begin_tenure(trees: &Trees, before: Tenure) -> Result<Tenure, OpenProblem> {
    let tenure = before.next().ok_or(OpenProblem::NoTenure)?;
    let value =
        meta::encode(meta::TENURE, &tenure).map_err(|error| OpenProblem::Content(error.into()))?;
    trees.meta.insert(meta::TENURE, value).map_err(of_sled)?;
    Ok(tenure)
}
