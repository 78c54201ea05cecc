//! The cursors of consumers of the journal, in a file of their own: no other part of the store leads to them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use holdfast_core::codec::{self, DecodeError, ValueKind};

use crate::error::{LocalError, damaged};
use crate::names::{CURSORS, CURSORS_IN_CREATION, PRIVATE_FILE};
use crate::problem::{OpenProblem, io};

/// What the checksum of the file covers beside its content.
const KEY: &[u8] = b"cursors";

/// Cursors by name.
pub(crate) type Positions = BTreeMap<String, u64>;

/// The file of an open store.
pub(crate) struct CursorFile {
    store: PathBuf,
    /// As they are durable.
    positions: Mutex<Positions>,
}

impl CursorFile {
    pub(crate) fn open(store: &Path) -> Result<Self, OpenProblem> {
        let positions = read(store).map_err(io("reading the cursors"))?;
        let positions = positions.map_err(damaged("cursors", KEY));
        Ok(Self {
            store: store.to_owned(),
            positions: Mutex::new(positions.map_err(OpenProblem::Content)?),
        })
    }

    pub(crate) fn load(&self, name: &str) -> u64 {
        // A save holds this until it is durable.
        let positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        positions.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn save(&self, name: &str, sequence: u64) -> Result<(), LocalError> {
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut changed = positions.clone();
        changed.insert(name.to_owned(), sequence);
        write(&self.store, &changed)?;
        *positions = changed;
        Ok(())
    }
}

/// The cursors of a store; none if it has no such file.
pub(crate) fn read(store: &Path) -> io::Result<Result<Positions, DecodeError>> {
    match fs::read(store.join(CURSORS)) {
        Ok(bytes) => Ok(codec::decode(ValueKind::Cursor, KEY, &bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(Positions::new())),
        Err(error) => Err(error),
    }
}

/// Makes cursors durable: a whole file under another name, which takes the place of the one before.
pub(crate) fn write(store: &Path, positions: &Positions) -> Result<(), LocalError> {
    let bytes = codec::encode(ValueKind::Cursor, KEY, positions)?;
    let put = || {
        let in_creation = store.join(CURSORS_IN_CREATION);
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(PRIVATE_FILE)
            .open(&in_creation)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(in_creation, store.join(CURSORS))?;
        File::open(store)?.sync_all()
    };
    put().map_err(crate::error::not_synced)
}
