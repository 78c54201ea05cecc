//! Creates a store from a journal: under another name, verified, and only then renamed into place.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_core::codec::{self, EncodeError, ValueKind};
use holdfast_core::journal::{Head, Replay, ReplayError, Replayed};
use holdfast_core::record::{Chunk, LinkedEntry, Record, sequence_key};
use holdfast_core::{JournalEntry, Operation, OperationId, OperationKey, Tenure, Timestamp};

use super::verify::{Finding, Report, verify_trees};
use crate::database;
use crate::directory;
use crate::format::{self, JOURNAL_CHUNK_BYTES_MAX};
use crate::head_file::{HeadFile, Note};
use crate::meta;
use crate::names::{
    HEAD_FILE, HEAD_FILE_IN_CREATION, LOCK, PRIVATE_DIRECTORY, STORE, STORE_IN_CREATION,
    STORE_IN_IMPORT,
};
use crate::open;
use crate::options::LocalOptions;
use crate::problem::{self, OpenProblem};
use crate::trees::Trees;

/// Why a store could not be created. No usable store is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The directory holds something.
    #[error("{} is not empty. Import into a new or empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// The disk or sled reported an error.
    #[error("cannot create the store: {0}")]
    Make(#[from] OpenProblem),
    /// sled reported an error.
    #[error("cannot write the store: {0}")]
    Write(#[from] sled::Error),
    /// A value is too large.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The journal has an entry that cannot be right.
    #[error("entry {sequence}: {source}")]
    Replay {
        /// The entry.
        sequence: u64,
        /// The reason.
        source: ReplayError,
    },
    /// The entries do not lead to the end that the file states.
    #[error("the journal ends at entry {} with digest {}, but the file says entry {} with digest {}", .found.sequence, .found.digest, .told.sequence, .told.digest)]
    Head {
        /// The end that the file states.
        told: Head,
        /// The end that its entries lead to.
        found: Head,
    },
    /// No opening could follow.
    #[error(
        "the journal has an attempt of tenure {0}, the largest there can be, so no store could be opened after it"
    )]
    Tenure(Tenure),
    /// The new store does not verify: a bug.
    #[error("the new store failed verification: {} {}: {}", .0.tree, .0.key, .0.problem)]
    Verify(Box<Finding>),
}

/// Imports a journal, entry by entry.
pub struct Importer {
    data: PathBuf,
    /// `None` once the store was moved into place.
    unfinished: Option<PathBuf>,
    /// Both `None` once the store is closed.
    database: Option<sled::Db>,
    trees: Option<Trees>,
    replay: Replay,
    latest: HashMap<OperationId, u64>,
    /// The newest time of an entry.
    newest: Timestamp,
    chunk: Chunk,
    chunk_bytes: u64,
    chunk_first: u64,
    _lock: File,
}

impl Importer {
    /// Begins a store in a directory, which is created if it does not exist.
    ///
    /// # Errors
    /// When the directory is not empty, or the disk reports an error.
    pub fn begin(data: &Path) -> Result<Self, ImportError> {
        let data = &directory::make_directory(data)?;
        // Checked before a lock file is created there, and again under the lock: another import may have ended
        // meanwhile.
        refuse_used(data)?;
        let lock = directory::take_lock(data)?;
        refuse_used(data)?;
        let options = LocalOptions::offline(data.to_owned());
        let unfinished = open::begin(&options, &data.join(STORE_IN_IMPORT))?;
        let database = database::open(&options, &unfinished)?;
        Ok(Self {
            trees: Some(Trees::open(&database)?),
            data: data.to_owned(),
            unfinished: Some(unfinished),
            database: Some(database),
            replay: Replay::default(),
            latest: HashMap::new(),
            newest: Timestamp::default(),
            chunk: empty(Head::default()),
            chunk_bytes: 0,
            chunk_first: 1,
            _lock: lock,
        })
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When the entry cannot be right in this place, or the disk reports an error.
    pub fn take(&mut self, sequence: u64, entry: JournalEntry) -> Result<(), ImportError> {
        let before = self.replay.head();
        let replayed = self.replay.apply(sequence, &entry);
        let replayed = replayed.map_err(|source| ImportError::Replay { sequence, source })?;
        let id = entry.operation_id;
        self.newest = self.newest.max(entry.at);
        let mut previous = self.latest.get(&id).copied();
        if let Some(admission) = &entry.admission {
            let id_key = format::id_key(&entry.merchant, id);
            let value = format::encode_id(&id_key, &admission.idempotency_key)?;
            self.trees().ids.insert(id_key, value)?;
        }
        match replayed {
            Replayed::Open(_) => {
                self.latest.insert(id, sequence);
            }
            Replayed::Finished(payment) => {
                self.latest.remove(&id);
                self.record(&payment, sequence)?;
            }
            Replayed::Note(_) => previous = self.follow_up(sequence, &entry)?,
        }
        let bytes = codec::body(&entry)?.len() as u64;
        if !self.chunk.entries.is_empty() && self.chunk_bytes + bytes > JOURNAL_CHUNK_BYTES_MAX {
            self.write_chunk(before)?;
        }
        self.chunk.entries.push(LinkedEntry { previous, entry });
        self.chunk_bytes += bytes;
        Ok(())
    }

    fn trees(&self) -> &Trees {
        self.trees
            .as_ref()
            .expect("the store is open until it is finished")
    }

    /// How far the journal was imported.
    pub const fn head(&self) -> Head {
        self.replay.head()
    }

    fn record(&self, payment: &Operation, latest: u64) -> Result<(), ImportError> {
        let storage_key = format::record_key(&payment.key);
        let value = Record::of(payment, latest).encode(&storage_key)?;
        self.trees().payments.insert(storage_key, value)?;
        Ok(())
    }

    /// Adds a note to the end of a finished payment's history; returns the previous end.
    fn follow_up(&self, sequence: u64, entry: &JournalEntry) -> Result<Option<u64>, ImportError> {
        let orphan = || ImportError::Replay {
            sequence,
            source: ReplayError::NotOpen(entry.operation_id),
        };
        let id_key = format::id_key(&entry.merchant, entry.operation_id);
        let bytes = self.trees().ids.get(&id_key)?.ok_or_else(orphan)?;
        let idempotency_key = format::decode_id(&id_key, &bytes).map_err(|_| orphan())?;
        let key = OperationKey {
            merchant: entry.merchant.clone(),
            idempotency_key,
        };
        let storage_key = format::record_key(&key);
        let bytes = self
            .trees()
            .payments
            .get(&storage_key)?
            .ok_or_else(orphan)?;
        let record = Record::decode(&storage_key, &bytes).map_err(|_| orphan())?;
        let previous = record.last_sequence();
        self.record(&record.into_operation(key), sequence)?;
        if !entry.is_contradiction() {
            return Ok(Some(previous));
        }
        let mark = format::contradiction_key(&entry.merchant, sequence);
        let value = codec::encode(ValueKind::Contradiction, &mark, &sequence)?;
        self.trees().contradictions.insert(mark, value)?;
        Ok(Some(previous))
    }

    fn write_chunk(&mut self, head: Head) -> Result<(), ImportError> {
        let value = self.chunk.encode(self.chunk_first)?;
        let key = sequence_key(self.chunk_first);
        self.trees().journal.insert(key, value)?;
        self.chunk = empty(head);
        self.chunk_bytes = 0;
        self.chunk_first = head.sequence + 1;
        Ok(())
    }

    /// Ends the journal at `told`, verifies the store, and makes all of it durable. It serves once it is put in place.
    ///
    /// # Errors
    /// When the entries do not lead to that end, when the store does not verify, or the disk reports an error.
    pub fn finish(mut self, told: Head) -> Result<Imported, ImportError> {
        let found = self.replay.head();
        if found != told {
            return Err(ImportError::Head { told, found });
        }
        if !self.chunk.entries.is_empty() {
            self.write_chunk(found)?;
        }
        for payment in self.replay.all_open() {
            let latest = self.latest.get(&payment.id).copied().unwrap_or_default();
            self.record(payment, latest)?;
            // Everything open is indexed, and the mark stands at the end.
            let storage_key = payment.id.as_uuid().into_bytes();
            let value = codec::encode(ValueKind::Unfinished, &storage_key, &payment.key)?;
            self.trees().unfinished.insert(storage_key, value)?;
        }
        for (id, key) in self.replay.all_watched() {
            let storage_key = id.as_uuid().into_bytes();
            let value = codec::encode(ValueKind::Unfinished, &storage_key, key)?;
            self.trees().unfinished.insert(storage_key, value)?;
        }
        for (key, balance) in self.replay.book().iter() {
            let storage_key = format::account_key(key);
            let value = codec::encode(ValueKind::Account, &storage_key, balance)?;
            self.trees().accounts.insert(storage_key, value)?;
        }
        let tree = &self.trees().meta;
        let low_water = found.sequence + 1;
        tree.insert(meta::CHAIN_HEAD, meta::encode(meta::CHAIN_HEAD, &found)?)?;
        tree.insert(meta::LOW_WATER, meta::encode(meta::LOW_WATER, &low_water)?)?;
        // Every tenure of the journal is over: the first opening begins a higher one.
        let tenure = self.replay.tenure();
        if tenure.next().is_none() {
            return Err(ImportError::Tenure(tenure));
        }
        tree.insert(meta::TENURE, meta::encode(meta::TENURE, &tenure)?)?;
        if !self.replay.banks().is_empty() {
            let banks = meta::encode(meta::BANKS, self.replay.banks())?;
            tree.insert(meta::BANKS, banks)?;
        }
        if let Some(database) = &self.database {
            database.flush()?;
        }
        let mut first = None;
        let report = verify_trees(self.trees(), &mut |finding| {
            first.get_or_insert(finding);
        });
        if let Some(finding) = first {
            return Err(ImportError::Verify(Box::new(finding)));
        }
        // Closed before its name changes, for sled keeps files by their names.
        self.trees = None;
        self.database = None;
        if let Some(unfinished) = &self.unfinished {
            // Before the store has its name: one that holds payments is never without its note.
            let note = Note {
                head: found,
                at: self.newest,
                in_doubt: false,
            };
            let noted = HeadFile::create(&self.data, note);
            noted.map_err(problem::io("noting the journal's end"))?;
            directory::sync_store(unfinished)?;
            directory::sync_names(&self.data)?;
        }
        Ok(Imported {
            importer: self,
            report,
        })
    }
}

/// A complete and durable store that does not yet have its final name.
pub struct Imported {
    importer: Importer,
    report: Report,
}

impl Imported {
    /// Gives the store its final name. This is the last step, so a failed import leaves no usable store.
    ///
    /// # Errors
    /// When the disk reports an error. Then the store does not have its final name.
    pub fn put_in_place(mut self) -> Result<Report, ImportError> {
        if let Some(unfinished) = &self.importer.unfinished {
            let data = &self.importer.data;
            directory::put_in_place(unfinished, &data.join(STORE))?;
        }
        self.importer.unfinished = None;
        Ok(self.report)
    }
}

/// Checks the directory: it must be empty, or contain only the rest of an earlier import.
fn refuse_used(data: &Path) -> Result<(), ImportError> {
    // An import that was cut short may have left the note; one without such an import is a store's.
    let again = directory::is_there(&data.join(STORE_IN_IMPORT))?;
    let ours = |name: &std::ffi::OsStr| {
        name == STORE_IN_CREATION
            || name == STORE_IN_IMPORT
            || name == LOCK
            || (again && (name == HEAD_FILE || name == HEAD_FILE_IN_CREATION))
    };
    for entry in fs::read_dir(data).map_err(problem::not_permitted(data))? {
        let entry = entry.map_err(problem::io("listing the directory"))?;
        if !ours(&entry.file_name()) {
            return Err(ImportError::NotEmpty(data.to_owned()));
        }
    }
    Ok(())
}

impl Drop for Importer {
    fn drop(&mut self) {
        self.trees = None;
        self.database = None;
        if let Some(unfinished) = &self.unfinished {
            // The name stays, for no service may start where an import was wanted and did not
            // happen; the next import takes it over.
            let _ = fs::remove_dir_all(unfinished);
            let made = DirBuilder::new().mode(PRIVATE_DIRECTORY).create(unfinished);
            // Where not even that is possible, what is left of it has the name still.
            let _ = made;
        }
    }
}

fn empty(head: Head) -> Chunk {
    Chunk {
        previous: Some(head.digest),
        entries: Vec::new(),
    }
}
