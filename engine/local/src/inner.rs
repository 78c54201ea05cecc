//! The shared part of an open store: the trees, the writer's state, and the read barrier.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use holdfast_core::journal::Head;
use holdfast_core::{BankName, OperationId, Tenure, Timestamp};
use holdfast_engine::store::NotedTime;
use holdfast_segments::Spare;
use holdfast_segments::disk::Directory;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::balance_cache::BalanceCache;
use crate::belief;
use crate::cursors::CursorFile;
use crate::directory;
use crate::disk_space::DiskSpace;
use crate::error::{LocalError, not_synced};
use crate::head_file::{self, HeadFile, Note};
use crate::index;
use crate::journal::{Journal, JournalLog};
use crate::memtable::Memtable;
use crate::meta;
use crate::names::{INDEX, LOCK, STORE};
use crate::trees::Trees;
use crate::unfinished::Live;

pub(crate) struct Inner {
    /// The absolute path of the data directory.
    pub(crate) data: PathBuf,
    pub(crate) database: sled::Db,
    pub(crate) trees: Trees,
    /// Reads the journal.
    pub(crate) journal: Journal,
    /// The lock file: as long as its name leads to it, the store is in its place.
    pub(crate) place: File,
    /// Free space, measured through the directory's lock file. The lock is held while the store is open.
    pub(crate) space: DiskSpace,
    /// The tenure that began with this opening.
    pub(crate) tenure: Tenure,
    pub(crate) writer: Mutex<Writer>,
    /// What is durable and not in the trees yet.
    pub(crate) memtable: Memtable,
    pub(crate) cursors: CursorFile,
    /// Durable unfinished operations; see [`crate::unfinished`] for how they are kept without an index write each.
    pub(crate) live: Mutex<BTreeMap<OperationId, Live>>,
    /// Sequence of the last durable journal entry.
    pub(crate) appended: watch::Sender<u64>,
    /// The newest time that is durable, in milliseconds since 1970.
    pub(crate) newest_ms: AtomicU64,
    /// Whether it is in doubt.
    pub(crate) in_doubt: AtomicBool,
    /// How far the head file has got.
    pub(crate) noted: AtomicU64,
    /// The banks that attempts were sent to.
    pub(crate) banks: Mutex<BTreeSet<BankName>>,
    /// Whether damage was found in the index. Held while that is noted, and while the index is declared closed.
    pub(crate) is_doubted: Mutex<bool>,
    pub(crate) poisoned: AtomicBool,
    pub(crate) closed: AtomicBool,
}

/// The state of the writer.
pub(crate) struct Writer {
    pub(crate) head: Head,
    pub(crate) balances: BalanceCache,
    pub(crate) log: JournalLog,
    /// The next segment while another thread makes it.
    pub(crate) spare: Option<mpsc::Receiver<io::Result<Spare<Directory>>>>,
    /// After it could not be made: when to try again.
    pub(crate) no_spare_before: Option<Instant>,
    pub(crate) head_file: HeadFile,
}

impl Inner {
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    /// Hands a result on. If it says that the index is damaged, nothing more of it is believed, and the next start builds it
    /// again.
    pub(crate) fn doubting<T>(&self, result: Result<T, LocalError>) -> Result<T, LocalError> {
        if let Err(error) = &result
            && error.is_of_index()
        {
            self.poison();
            let mut is_doubted = self.is_doubted();
            *is_doubted = true;
            let error = error as &dyn std::error::Error;
            match belief::index_is_damaged(&self.data.join(STORE)) {
                Ok(()) => tracing::error!(
                    error,
                    "the index is damaged; the next start builds it again from the journal"
                ),
                Err(unnoted) => tracing::error!(
                    error,
                    %unnoted,
                    "the index is damaged, and this could not be noted; run `holdfast index rebuild`"
                ),
            }
        }
        if let Err(LocalError::History(error)) = &result {
            tracing::error!(
                error = &**error as &dyn std::error::Error,
                "the journal is damaged where the history of a payment is; it cannot be answered for"
            );
        }
        result
    }

    fn is_doubted(&self) -> MutexGuard<'_, bool> {
        self.is_doubted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ensure_usable(&self) -> Result<(), LocalError> {
        if self.poisoned.load(Ordering::SeqCst) {
            return Err(LocalError::Poisoned);
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(LocalError::Closed);
        }
        Ok(())
    }

    /// Checks that the store is still in its place. A store that was moved away would continue to write, while another
    /// one may serve in its place.
    pub(crate) fn check_place(&self) -> Result<(), LocalError> {
        let there = head_file::is_same(&self.place, &self.data.join(LOCK));
        if there {
            return Ok(());
        }
        self.poison();
        Err(LocalError::Moved(self.data.display().to_string()))
    }

    /// Records the time, with the current end of the journal.
    pub(crate) fn note_time(&self, noted: NotedTime) -> Result<(), LocalError> {
        let NotedTime { newest, in_doubt } = noted;
        let in_doubt = self.in_doubt.fetch_or(in_doubt, Ordering::SeqCst) || in_doubt;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        let head = writer.head;
        let note = Note {
            head,
            at: newest,
            in_doubt,
        };
        writer.head_file.note_now(note).map_err(|error| {
            self.poison();
            not_synced(error)
        })?;
        self.newest_ms
            .fetch_max(newest.as_unix_ms(), Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn close(&self) -> Result<(), LocalError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        self.closed.store(true, Ordering::SeqCst);
        let head = writer.head;
        // Its thread writes into the directory, which may soon be another process's.
        writer.await_spare();
        writer.log.close_end().map_err(not_synced)?;
        let at = Timestamp::from_unix_ms(self.newest_ms.load(Ordering::SeqCst));
        let in_doubt = self.in_doubt.load(Ordering::SeqCst);
        let note = Note { head, at, in_doubt };
        writer.head_file.note_now(note).map_err(not_synced)?;
        // Without all of it the index is as after a kill.
        if !self.memtable.drain() {
            self.poison();
            return Err(LocalError::Poisoned);
        }
        // From now on an older note is known for what it is.
        index::put(&self.trees, meta::HEAD_NOTED, &head.sequence)?;
        self.database.flush().map_err(not_synced)?;
        let store = self.data.join(STORE);
        directory::sync_store(&store.join(INDEX)).map_err(not_synced)?;
        let is_doubted = self.is_doubted();
        if *is_doubted {
            return Err(LocalError::Poisoned);
        }
        belief::index_is_closed(&store).map_err(not_synced)
    }
}
