//! Opens the index: brought up to the end of the journal, or built again.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use holdfast_core::Tenure;
use holdfast_core::journal::Head;
use holdfast_core::record::sequence_key;
use tokio::time::Instant;

use crate::belief;
use crate::build::IndexBuilder;
use crate::database;
use crate::directory::sync_store;
use crate::error::LocalError;
use crate::format::STORE_FORMAT;
use crate::index::{self, Standing};
use crate::journal::Journal;
use crate::meta;
use crate::names::{INDEX, INDEX_IN_CREATION, INDEX_IN_REMOVAL, PRIVATE_DIRECTORY};
use crate::options::LocalOptions;
use crate::problem::{OpenProblem, io, of_sled};
use crate::trees::Trees;
use crate::values::decode_chunk;

/// Opens the index of a store, brought up to the end of the journal. One that cannot be believed is built again.
pub(crate) fn index_of(
    options: &LocalOptions,
    store: &Path,
    journal: &Journal,
    end: Head,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(sled::Db, Trees), OpenProblem> {
    let path = store.join(INDEX);
    let reason = if path.exists() {
        belief::doubt(store).map_err(io("looking at the index"))?
    } else {
        Some("it is missing")
    };
    let opened = match reason {
        Some(reason) => Err(reason),
        None => try_index(options, store, &path, journal, end)?,
    };
    let reason = match opened {
        Ok(opened) => return Ok(opened),
        Err(reason) => reason,
    };
    tracing::warn!(
        reason,
        entries = end.sequence,
        "building the index again from the journal; no payment is lost"
    );
    remove(store)?;
    let new = store.join(INDEX_IN_CREATION);
    DirBuilder::new()
        .mode(PRIVATE_DIRECTORY)
        .create(&new)
        .map_err(io("building the index"))?;
    let database = database::open(options, &new)?;
    let trees = Trees::open(&database).map_err(OpenProblem::Database)?;
    let mut builder = IndexBuilder::new(trees);
    builder.take_all(journal, &mut |entries| progress(entries, end.sequence))?;
    let trees = builder.finish(journal.log_id())?;
    database.flush().map_err(of_sled)?;
    drop((trees, database));
    sync_store(&new)?;
    fs::rename(&new, &path).map_err(io("putting the index in place"))?;
    belief::index_is_opened(store).map_err(io("opening the index"))?;
    let database = database::open(options, &path)?;
    let trees = Trees::open(&database).map_err(OpenProblem::Database)?;
    Ok((database, trees))
}

/// Removes an index. It loses its name first: half of one must not be taken for one.
pub(crate) fn remove(store: &Path) -> Result<(), OpenProblem> {
    let removing = io("removing an index that cannot be believed");
    let old = store.join(INDEX_IN_REMOVAL);
    let removed = || {
        remove_directory(&old)?;
        match fs::rename(store.join(INDEX), &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        remove_directory(&old)?;
        remove_directory(&store.join(INDEX_IN_CREATION))
    };
    removed().map_err(removing)
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Refuses a store whose index, if there is one that may be believed, has more than its journal.
pub(crate) fn refuse_ahead(
    options: &LocalOptions,
    store: &Path,
    journal: &Journal,
    end: Head,
) -> Result<(), OpenProblem> {
    let path = store.join(INDEX);
    let doubt = belief::doubt(store).map_err(io("looking at the index"))?;
    if path.exists() && doubt.is_none() {
        drop(try_index(options, store, &path, journal, end)?);
    }
    Ok(())
}

/// Opens an index that may be believed; says why not if it disagrees with the journal.
fn try_index(
    options: &LocalOptions,
    store: &Path,
    path: &Path,
    journal: &Journal,
    end: Head,
) -> Result<Result<(sled::Db, Trees), &'static str>, OpenProblem> {
    let was_closed = belief::is_closed(store);
    belief::index_is_opened(store).map_err(io("opening the index"))?;
    let database = match database::open(options, path) {
        Ok(database) => database,
        Err(OpenProblem::Database(_) | OpenProblem::NoSettings) => return Ok(Err("it is damaged")),
        Err(problem) => return Err(problem),
    };
    match database::format_of(&database) {
        Ok(STORE_FORMAT) => {}
        Ok(_) => return Ok(Err("it has an earlier format")),
        Err(OpenProblem::NoFormatMark) => return Ok(Err("it has no format mark")),
        Err(problem) => return Err(problem),
    }
    let Ok(trees) = Trees::open(&database) else {
        return Ok(Err("it is damaged"));
    };
    let (Ok(mark), Ok(of), Ok(indexing)) = (
        meta::load::<Head>(&trees.meta, meta::CHAIN_HEAD),
        meta::load::<[u8; 16]>(&trees.meta, meta::LOG),
        meta::load::<u64>(&trees.meta, meta::INDEXING),
    ) else {
        return Ok(Err("its mark is damaged"));
    };
    if of != journal.log_id() {
        return Ok(Err("it is the index of another journal"));
    }
    // Only what was durable was ever indexed.
    let noted = mark.sequence.max(indexing);
    if noted > end.sequence {
        if options.accept_older {
            return Ok(Err("it is ahead of the journal"));
        }
        // The proof stays, also when the machine starts again.
        if was_closed {
            drop(trees);
            database.flush().map_err(of_sled)?;
            drop(database);
            sync_store(path)?;
            belief::index_is_closed(store).map_err(io("closing the index"))?;
        }
        let found = end.sequence;
        return Err(OpenProblem::Lost { noted, found });
    }
    if !journal.leads_to(mark).map_err(OpenProblem::Content)? {
        return Ok(Err("it is the index of another journal"));
    }
    match catch_up(&trees, journal, mark) {
        Ok(reached) if reached == end => Ok(Ok((database, trees))),
        Ok(_) => Ok(Err("it does not lead to the end of the journal")),
        Err(error) => {
            tracing::warn!(error = %error, "the index does not follow the journal");
            Ok(Err("it does not follow the journal"))
        }
    }
}

/// Entries after which the mark moves.
const CATCH_UP_ENTRIES: u64 = 1_000;

/// What an opening does that builds the index.
pub(crate) const BUILDING: &str = "building the index";

/// How often a long opening says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Says in the log how far a long opening is.
pub(crate) fn tell(doing: &'static str) -> impl FnMut(u64, u64) {
    let mut told = Instant::now();
    move |entries, of| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!(entries, of, "{doing}");
        }
    }
}

/// Brings the index up from its mark to the end of the journal, and returns that. Its mark is always the end of a frame.
fn catch_up(trees: &Trees, journal: &Journal, mark: Head) -> Result<Head, LocalError> {
    let mut head = mark;
    let before: u64 = meta::load(&trees.meta, meta::INDEXING)?;
    let mut frames = journal.frames(mark.sequence + 1);
    while let Some(frame) = frames.next() {
        let banks = meta::load(&trees.meta, meta::BANKS)?;
        let after = head.sequence;
        let mut standing = Standing::new(trees, journal, None, &banks, head);
        let mut sent_in = Tenure::NONE;
        let mut next = Some(frame);
        while let Some(frame) = next {
            for (chunk_first, bytes) in frame? {
                let chunk = decode_chunk(&sequence_key(chunk_first), &bytes)?;
                for (sequence, linked) in (chunk_first..).zip(&chunk.entries) {
                    let digest = head.digest.after(sequence, &linked.entry)?;
                    head = Head { sequence, digest };
                    standing.follow(sequence, chunk_first, &linked.entry)?;
                    sent_in = sent_in.max(linked.entry.to.sent_in().unwrap_or_default());
                }
            }
            let is_full = head.sequence - after >= CATCH_UP_ENTRIES;
            next = if is_full { None } else { frames.next() };
        }
        // The number of the opening may not have got there either.
        if sent_in > meta::load(&trees.meta, meta::TENURE)? {
            index::put(trees, meta::TENURE, &sent_in)?;
        }
        index::put(trees, meta::INDEXING, &before.max(head.sequence))?;
        index::write(trees, &standing.into_changes(head), |_| true)?;
        index::put(trees, meta::CHAIN_HEAD, &head)?;
    }
    Ok(head)
}
