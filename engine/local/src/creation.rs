//! A store that is created under a temporary name.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_engine::clock::{Clock, SystemClock};
use holdfast_segments::disk::Directory;
use holdfast_segments::{Log, LogId, LogOptions, SEGMENT_BYTES, is_empty};

use crate::build::IndexBuilder;
use crate::database;
use crate::directory::{sync_path, sync_store};
use crate::journal::{Journal, JournalLog};
use crate::names::{INDEX, JOURNAL, PRIVATE_DIRECTORY};
use crate::options::LocalOptions;
use crate::problem::{OpenProblem, io, of_sled};
use crate::trees::Trees;

/// A store that is created under a temporary name.
pub(crate) struct NewStore {
    path: PathBuf,
    pub(crate) log: JournalLog,
    pub(crate) builder: IndexBuilder,
    database: sled::Db,
}

impl NewStore {
    /// Begins an empty one. What is there under this name is removed.
    pub(crate) fn begin(options: &LocalOptions, path: &Path) -> Result<Self, OpenProblem> {
        if path.exists() {
            fs::remove_dir_all(path).map_err(io("removing an unfinished store"))?;
        }
        // sled leaves the mode of what it makes to the process: the directory around it keeps others out.
        for directory in [path.to_owned(), path.join(JOURNAL), path.join(INDEX)] {
            DirBuilder::new()
                .mode(PRIVATE_DIRECTORY)
                .create(directory)
                .map_err(io("creating the store"))?;
        }
        let log = create_or_open(path)?;
        let database = database::open(options, &path.join(INDEX))?;
        let trees = Trees::open(&database).map_err(OpenProblem::Database)?;
        Ok(Self {
            path: path.to_owned(),
            log,
            builder: IndexBuilder::new(trees),
            database,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Completes the index and makes everything durable.
    pub(crate) fn finish(self) -> Result<PathBuf, OpenProblem> {
        self.finish_after(|_| ()).map(|(path, ())| path)
    }

    /// The same, with a look at the complete index.
    pub(crate) fn finish_after<T>(
        self,
        look: impl FnOnce(&Trees) -> T,
    ) -> Result<(PathBuf, T), OpenProblem> {
        let log = Journal::new(self.log.reader()).log_id();
        let trees = self.builder.finish(log)?;
        let seen = look(&trees);
        self.database.flush().map_err(of_sled)?;
        // Closed before its name changes, for sled keeps files by their names.
        drop((trees, self.database, self.log));
        sync_store(&self.path.join(INDEX))?;
        sync_path(&self.path.join(JOURNAL))?;
        sync_path(&self.path)?;
        Ok((self.path, seen))
    }
}

/// Opens the journal of a store that exists.
pub(crate) fn journal_of(store: &Path) -> Result<JournalLog, OpenProblem> {
    // A store is created with its first segment.
    if is_empty(&Directory::new(&store.join(JOURNAL)))? {
        return Err(OpenProblem::NoJournal);
    }
    create_or_open(store)
}

fn create_or_open(store: &Path) -> Result<JournalLog, OpenProblem> {
    let options = LogOptions {
        segment_bytes: SEGMENT_BYTES,
        // Held against the note later, with its digest.
        known: 0,
        id: LogId(new_id()),
    };
    Ok(Log::open(Directory::new(&store.join(JOURNAL)), &options)?)
}

/// Different in each log that is ever created.
fn new_id() -> [u8; 16] {
    let mut id = [0; 16];
    // Ids that the kernel draws; without them, as in some sandboxes, the time must do.
    let drawn = fs::read_to_string("/proc/sys/kernel/random/uuid").ok();
    let drawn = drawn.and_then(|text| uuid::Uuid::try_parse(text.trim()).ok());
    match drawn {
        Some(drawn) => id = drawn.into_bytes(),
        None => id[..8].copy_from_slice(&SystemClock.now().as_unix_ms().to_le_bytes()),
    }
    id
}
