//! Creates a store from a journal: under another name, verified, and only then renamed into place.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_core::codec::EncodeError;
use holdfast_core::journal::{Head, ReplayError};
use holdfast_core::record::LinkedEntry;
use holdfast_core::{JournalEntry, Tenure};

use super::verify::{Finding, Report, verify_trees};
use crate::build::BuildError;
use crate::creation::NewStore;
use crate::directory;
use crate::error::{LocalError, stopped};
use crate::head_file::{HeadFile, Note};
use crate::journal::{FrameBuilder, Journal};
use crate::names::{
    HEAD_FILE, HEAD_FILE_IN_CREATION, LOCK, PRIVATE_DIRECTORY, STORE, STORE_IN_CREATION,
    STORE_IN_IMPORT,
};

use crate::options::LocalOptions;
use crate::problem::{self, OpenProblem};

/// Bytes of entries that are made durable in one frame.
const FRAME_BYTES: usize = 1024 * 1024;

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
    /// The store cannot be written or read.
    #[error(transparent)]
    Content(#[from] LocalError),
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
    /// `None` once the store is closed.
    new: Option<NewStore>,
    frame: FrameBuilder,
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
        let unfinished = data.join(STORE_IN_IMPORT);
        let new = NewStore::begin(&options, &unfinished)?;
        Ok(Self {
            data: data.to_owned(),
            unfinished: Some(unfinished),
            new: Some(new),
            frame: FrameBuilder::after(Head::default()),
            _lock: lock,
        })
    }

    fn new_store(&mut self) -> &mut NewStore {
        self.new
            .as_mut()
            .expect("the store is open until it is finished")
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When the entry cannot be right in this place, or the disk reports an error.
    pub fn take(&mut self, sequence: u64, entry: JournalEntry) -> Result<(), ImportError> {
        let previous = self.new_store().builder.take(sequence, &entry)?;
        self.frame.push(LinkedEntry { previous, entry })?;
        if self.frame.bytes() >= FRAME_BYTES {
            self.append()?;
        }
        Ok(())
    }

    /// How far the journal was imported.
    pub const fn head(&self) -> Head {
        self.frame.head()
    }

    fn append(&mut self) -> Result<(), ImportError> {
        let next = FrameBuilder::after(self.frame.head());
        let frame = std::mem::replace(&mut self.frame, next);
        if let Some(frame) = frame.finish()? {
            let appended = self.new_store().log.append(&frame);
            appended.map_err(|error| ImportError::Content(stopped(error)))?;
        }
        Ok(())
    }

    /// Ends the journal at `told`, verifies the store, and makes all of it durable. It serves once it is put in place.
    ///
    /// # Errors
    /// When the entries do not lead to that end, when the store does not verify, or the disk reports an error.
    pub fn finish(mut self, told: Head) -> Result<Imported, ImportError> {
        let found = self.head();
        if found != told {
            return Err(ImportError::Head { told, found });
        }
        self.append()?;
        let Some(new) = self.new.take() else {
            unreachable!("it is taken once")
        };
        let newest = new.builder.newest;
        let journal = Journal::new(new.log.reader());
        let mut first = None;
        let (_, report) = new.finish_after(|trees| {
            verify_trees(trees, &journal, &mut |finding| {
                first.get_or_insert(finding);
            })
        })?;
        if let Some(finding) = first {
            return Err(ImportError::Verify(Box::new(finding)));
        }
        // Before the store has its name: one that holds payments is never without its note.
        let note = Note {
            head: found,
            at: newest,
            in_doubt: false,
        };
        let noted = HeadFile::create(&self.data, note);
        noted.map_err(problem::io("noting the journal's end"))?;
        directory::sync_names(&self.data)?;
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

impl From<BuildError> for ImportError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Replay { sequence, source } => Self::Replay { sequence, source },
            BuildError::Tenure(tenure) => Self::Tenure(tenure),
            BuildError::Content(LocalError::Encode(error)) => Self::Encode(error),
            BuildError::Content(error) => Self::Content(error),
            BuildError::Write(error) => Self::Write(error),
        }
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
        self.new = None;
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
