//! Builds the index of a store again.

use std::path::Path;

use holdfast_core::journal::{Digest, Head};

use crate::belief;
use crate::creation::journal_of;
use crate::directory::{Holds, check_note, look, make_directory, noted_in, sync_store, take_lock};
use crate::indexing::{index_of, refuse_ahead, remove};
use crate::journal::Journal;
use crate::names::{INDEX, JOURNAL, STORE};
use crate::options::LocalOptions;
use crate::problem::{OpenError, OpenProblem, io, of_sled};

/// Builds the index of a store again from its journal, and makes it durable. `progress` gets how many entries are in it, and how
/// many there are. Returns their number. An interruption leaves a store whose next start builds the index.
///
/// # Errors
/// When there is no store, when it is in use or of an earlier format, when its journal is damaged, or when the disk refuses.
pub fn rebuild_index(data: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, OpenError> {
    rebuild(data, progress).map_err(|problem| OpenError {
        directory: data.to_owned(),
        problem,
    })
}

fn rebuild(data: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, OpenProblem> {
    if !data.join(STORE).join(JOURNAL).is_dir() {
        return Err(OpenProblem::NoJournal);
    }
    let data = &make_directory(data)?;
    let _lock = take_lock(data)?;
    if look(data, &[])? != Holds::Store {
        return Err(OpenProblem::NoJournal);
    }
    let store = data.join(STORE);
    // Opened and synced: what is indexed must be durable.
    let log = journal_of(&store)?;
    let reader = log.reader();
    let end = Head {
        sequence: log.next() - 1,
        digest: Digest::from_bytes(log.digest()),
    };
    check_note(noted_in(data)?, end, 0)?;
    let index = store.join(INDEX);
    let options = LocalOptions::offline(data.clone());
    let journal = Journal::new(reader);
    // One that has more than the journal proves that something is lost.
    refuse_ahead(&options, &store, &journal, end)?;
    // Whatever becomes of this, nobody believes the old one any more.
    belief::index_is_damaged(&store).map_err(io("giving up the index"))?;
    remove(&store)?;
    let (database, trees) = index_of(&options, &store, &journal, end, progress)?;
    database.flush().map_err(of_sled)?;
    drop((trees, database));
    sync_store(&index)?;
    belief::index_is_closed(&store).map_err(io("closing the index"))?;
    Ok(end.sequence)
}
