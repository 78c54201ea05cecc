//! Migrates older layouts to the current one, once, when a store is opened.
//!
//! Version 1 had neither balances nor the hash chain. Both are computed from the journal. Versions 2 and 3 lack only
//! data that they did not store: the names of banks, and tenures. The version mark is written last, so an interrupted
//! migration is repeated.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Digest, Head};
use holdfast_core::ledger::Book;

use crate::creation::NewStore;
use crate::cursors::{self, Positions};
use crate::database;
use crate::directory::{check_note, is_between_names, is_there, noted_in, put_in_place, sync_path};
use crate::error::{LocalError, damaged, missing, printable, read, stopped};
use crate::format::{self, STORE_FORMAT, TREES_ALONE};
use crate::head_file::{Found, HeadFile, Note};
use crate::indexing::tell;
use crate::journal::{frame, put_chunk};
use crate::meta;
use crate::names::{STORE, STORE_IN_CREATION, STORE_TAKEN_OVER};
use crate::options::LocalOptions;
use crate::problem::{OpenProblem, io};
use crate::values::decode_chunk;

/// The first format of stores that have a head file beside them.
const FORMAT_WITH_NOTE: u32 = 2;

/// Bytes of chunks that are taken over in one frame.
const FRAME_BYTES: usize = 1024 * 1024;

/// Takes a store of an earlier format over: its journal into a log, with an index over it. The old store keeps its content, and
/// gets another name once the new one is complete and durable.
pub(crate) fn to_log(options: &LocalOptions, data: &Path) -> Result<(), OpenProblem> {
    let store = data.join(STORE);
    if is_there(&data.join(STORE_TAKEN_OVER))? {
        let there = format!("there is a {STORE_TAKEN_OVER} already; move it away");
        return Err(io("keeping the old store")(std::io::Error::other(there)));
    }
    // What was written before its last life ended must stay, whatever sled makes of it now.
    File::open(store.join("db"))
        .and_then(|log| log.sync_all())
        .map_err(io("syncing the database's log"))?;
    database::settle(options, &store)?;
    let database = database::open(options, &store)?;
    let format = database::format_of(&database)?;
    let trees = OldTrees::open(&database)?;
    let log = File::open(store.join("db")).map_err(io("opening the database's log"))?;
    // A format that is older than the note gets one that says nothing yet.
    if format < FORMAT_WITH_NOTE && noted_in(data)? == Found::Nothing {
        HeadFile::create(data, Note::default()).map_err(io("noting the journal's end"))?;
        sync_path(data)?;
    }
    to_current(&database, &log, &trees)?;
    let head: Head = meta::load(&trees.meta, meta::CHAIN_HEAD).map_err(OpenProblem::Content)?;
    let reached = meta::load(&trees.meta, meta::HEAD_NOTED).map_err(OpenProblem::Content)?;
    let told = check_note(noted_in(data)?, head, reached);
    if !options.accept_older && format >= FORMAT_WITH_NOTE {
        told?;
    }
    tracing::info!(
        entries = head.sequence,
        "taking the store over into format {STORE_FORMAT}; the old one is kept as {STORE_TAKEN_OVER:?}. This can be interrupted"
    );
    let new = copy(options, data, &trees, head)?;
    drop((trees, database));
    fs::rename(&store, data.join(STORE_TAKEN_OVER)).map_err(io("keeping the old store"))?;
    put_in_place(&new, &store)?;
    tracing::info!("the store was taken over; {STORE_TAKEN_OVER:?} is no longer needed");
    Ok(())
}

/// The trees of a store of an earlier format that are read.
struct OldTrees {
    journal: sled::Tree,
    accounts: sled::Tree,
    cursors: sled::Tree,
    meta: sled::Tree,
}

impl OldTrees {
    /// Opens them. A missing one is created: a store of an earlier version lacks the newer trees.
    fn open(database: &sled::Db) -> Result<Self, OpenProblem> {
        let tree = |name| database.open_tree(name).map_err(OpenProblem::Database);
        Ok(Self {
            journal: tree("journal")?,
            accounts: tree("accounts")?,
            cursors: tree("cursors")?,
            meta: tree("meta")?,
        })
    }
}

/// Ends a take-over that was interrupted between the two names: the new store was complete before the old one lost its name.
pub(crate) fn resume(data: &Path) -> Result<(), OpenProblem> {
    if is_between_names(data)? {
        put_in_place(&data.join(STORE_IN_CREATION), &data.join(STORE))?;
    }
    Ok(())
}

/// Copies the journal, and builds an index over it.
fn copy(
    options: &LocalOptions,
    data: &Path,
    trees: &OldTrees,
    head: Head,
) -> Result<PathBuf, OpenProblem> {
    let mut new = NewStore::begin(options, &data.join(STORE_IN_CREATION))?;
    let mut first = 1;
    let mut body = Vec::new();
    let mut tell = tell("taking the store over");
    for item in &trees.journal {
        let (storage_key, bytes) = read(item, "journal").map_err(OpenProblem::Content)?;
        let chunk_first = format::sequence_of(&storage_key)
            .ok_or_else(|| OpenProblem::Content(missing("journal", &printable(&storage_key))))?;
        let chunk = decode_chunk(&storage_key, &bytes).map_err(OpenProblem::Content)?;
        for (sequence, linked) in (chunk_first..).zip(&chunk.entries) {
            new.builder.take(sequence, &linked.entry)?;
        }
        put_chunk(&mut body, chunk_first, &bytes);
        if body.len() >= FRAME_BYTES {
            append(&mut new, first, std::mem::take(&mut body))?;
            first = new.builder.head().sequence + 1;
        }
        tell(new.builder.head().sequence, head.sequence);
    }
    append(&mut new, first, body)?;
    let found = new.builder.head();
    if found != head {
        return Err(OpenProblem::Content(missing("journal", &found.sequence)));
    }
    let mut cursors = Positions::new();
    for item in &trees.cursors {
        let (name, value) = read(item, "cursors").map_err(OpenProblem::Content)?;
        let sequence = codec::decode(ValueKind::Cursor, &name, &value);
        let sequence =
            sequence.map_err(|error| OpenProblem::Content(damaged("cursors", &name)(error)))?;
        cursors.insert(String::from_utf8_lossy(&name).into_owned(), sequence);
    }
    if !cursors.is_empty() {
        cursors::write(new.path(), &cursors).map_err(OpenProblem::Content)?;
    }
    new.finish()
}

fn append(new: &mut NewStore, first: u64, body: Vec<u8>) -> Result<(), OpenProblem> {
    let Some(frame) = frame(first, new.builder.head(), body) else {
        return Ok(());
    };
    new.log
        .append(&frame)
        .map_err(|error| OpenProblem::Content(stopped(error)))
}

/// The formats whose values need no change: one without names of banks, and one without tenures.
const READ_AS_THEY_ARE: [u32; 2] = [2, 3];

/// Number of balances written between two syncs. [`crate::commit`] explains why syncs are needed in between.
const BALANCES_AT_ONCE: usize = 512;

fn to_current(database: &sled::Db, log: &File, trees: &OldTrees) -> Result<(), OpenProblem> {
    let OldTrees {
        journal,
        accounts,
        meta: tree,
        ..
    } = trees;
    let mark = tree.get(meta::FORMAT).map_err(OpenProblem::Database)?;
    let mark_is = |format: u32| {
        let expected = format!("{}{format}", meta::FORMAT_PREFIX);
        mark.as_ref()
            .is_some_and(|mark| **mark == *expected.as_bytes())
    };
    if mark_is(TREES_ALONE) {
        return Ok(());
    }
    let sync = || -> Result<(), OpenProblem> {
        database.flush().map_err(OpenProblem::Database)?;
        log.sync_data().map_err(io("syncing the database's log"))
    };
    let put_mark = || {
        let current = format!("{}{TREES_ALONE}", meta::FORMAT_PREFIX);
        let put = tree.insert(meta::FORMAT, current.as_bytes());
        put.map(|_| ()).map_err(OpenProblem::Database)
    };
    if READ_AS_THEY_ARE.into_iter().any(&mark_is) {
        tracing::info!("upgrading the store to format {TREES_ALONE}; its contents do not change");
        return put_mark();
    }
    tracing::info!(
        "upgrading the store to format {TREES_ALONE}; this reads the whole journal once"
    );
    let (book, head) = rebuild(journal).map_err(OpenProblem::Content)?;
    accounts.clear().map_err(OpenProblem::Database)?;
    for (n, (key, balance)) in book.iter().enumerate() {
        if n % BALANCES_AT_ONCE == 0 {
            sync()?;
        }
        let storage_key = format::account_key(key);
        let value = codec::encode(ValueKind::Account, &storage_key, balance)
            .map_err(|error| OpenProblem::Content(LocalError::Encode(error)))?;
        accounts
            .insert(storage_key, value)
            .map_err(OpenProblem::Database)?;
    }
    let value = meta::encode(meta::CHAIN_HEAD, &head)
        .map_err(|error| OpenProblem::Content(LocalError::Encode(error)))?;
    tree.insert(meta::CHAIN_HEAD, value)
        .map_err(OpenProblem::Database)?;
    // The data is written before the mark that announces it; the opening syncs both.
    sync()?;
    put_mark()
}

fn rebuild(journal: &sled::Tree) -> Result<(Book, Head), LocalError> {
    let mut book = Book::default();
    let mut head = Head {
        sequence: 0,
        digest: Digest::GENESIS,
    };
    for item in journal {
        let (storage_key, bytes) = read(item, "journal")?;
        if format::sequence_of(&storage_key) != Some(head.sequence + 1) {
            return Err(missing("journal", &printable(&storage_key)));
        }
        for linked in decode_chunk(&storage_key, &bytes)?.entries {
            let entry = linked.entry;
            let sequence = head.sequence + 1;
            head = Head {
                sequence,
                digest: head.digest.after(sequence, &entry)?,
            };
            if let Some(movement) = &entry.movement {
                book.apply(&entry.merchant, movement)
                    .map_err(LocalError::Ledger)?;
            }
        }
    }
    Ok((book, head))
}
