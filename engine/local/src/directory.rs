//! The data directory: its checks, its permissions, and its durability.
//!
//! A rejected directory is not changed: it is checked before anything is created in it. Only the owner can read the
//! files that are created here.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_core::journal::Head;

use crate::head_file::{self, Found, Note};
use crate::names::{
    HEAD_FILE, HEAD_FILE_IN_CREATION, JOURNAL, LOCK, PRIVATE_DIRECTORY, PRIVATE_FILE, STORE,
    STORE_IN_CREATION, STORE_IN_IMPORT, STORE_TAKEN_OVER,
};
use crate::problem::{OpenProblem, io, not_permitted};

/// The permissions of everybody else.
const OF_OTHERS: u32 = 0o077;

/// Creates the data directory if it does not exist, and returns its absolute path: a relative path has no parent
/// directories that could be synced.
pub(crate) fn make_directory(data: &Path) -> Result<PathBuf, OpenProblem> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(data)
        .map_err(io("creating the directory"))?;
    fs::canonicalize(data).map_err(io("resolving the directory"))
}

/// The content of a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Nothing,
    Store,
    /// A store of an earlier format, whose journal is in a tree.
    OldStore,
}

/// Checks the content and rejects anything that is not Holdfast's. Changes nothing.
pub(crate) fn look(data: &Path, neighbours: &[String]) -> Result<Holds, OpenProblem> {
    let store = data.join(STORE);
    if is_between_names(data)? {
        return Ok(Holds::Store);
    }
    if is_there(&store)? {
        if is_there(&store.join(JOURNAL))? {
            return Ok(Holds::Store);
        }
        let db = store.join("db");
        return match fs::metadata(&db) {
            Ok(db) if db.len() > 0 => Ok(Holds::OldStore),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(not_permitted(&db)(error))
            }
            Ok(_) | Err(_) => Err(OpenProblem::NoDatabase),
        };
    }
    refuse_foreign(data, neighbours)?;
    refuse_gone(data)?;
    Ok(Holds::Nothing)
}

/// Whether the take-over of an older store was interrupted between the two names.
pub(crate) fn is_between_names(data: &Path) -> Result<bool, OpenProblem> {
    Ok(!is_there(&data.join(STORE))?
        && is_there(&data.join(STORE_TAKEN_OVER))?
        && is_there(&data.join(STORE_IN_CREATION))?)
}

/// Whether a file with that name exists. An error of access does not count as missing.
pub(crate) fn is_there(path: &Path) -> Result<bool, OpenProblem> {
    path.try_exists().map_err(not_permitted(path))
}

/// Removes the read permissions of others that earlier versions gave. The mode of the data directory itself does not
/// change, because its creator may have had a reason for it; the files in it are Holdfast's. Errors are ignored: the
/// files may belong to another user.
pub(crate) fn tighten(data: &Path) {
    for name in [LOCK, HEAD_FILE, STORE, STORE_TAKEN_OVER] {
        tighten_all(&data.join(name));
    }
}

fn tighten_all(path: &Path) {
    // What a link leads to is not in the directory.
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let mode = metadata.mode();
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let made_here = metadata.is_file() || metadata.is_dir();
    if ours && made_here && mode & OF_OTHERS != 0 {
        let tight = fs::Permissions::from_mode(mode & !OF_OTHERS);
        if let Err(error) = fs::set_permissions(path, tight) {
            tracing::warn!(%error, path = %path.display(), "other users may read this file");
        }
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| tighten_all(&entry.path()));
    }
}

pub(crate) fn take_lock(data: &Path) -> Result<File, OpenProblem> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(PRIVATE_FILE)
        .open(data.join(LOCK))
        .map_err(io("opening the lock file"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenProblem::InUse),
        Err(TryLockError::Error(source)) => Err(OpenProblem::Io {
            action: "locking the lock file",
            source,
        }),
    }
}

/// The content of the head file.
pub(crate) fn noted_in(data: &Path) -> Result<Found, OpenProblem> {
    let path = data.join(HEAD_FILE);
    head_file::noted_in(data).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => OpenProblem::NotPermitted { path, source },
        _ => io("reading the note of the journal's end")(source),
    })
}

/// A directory whose store is gone is not an empty one.
fn refuse_gone(data: &Path) -> Result<(), OpenProblem> {
    match noted_in(data)? {
        Found::Nothing => Ok(()),
        Found::Note(Note { head, .. }) if head.sequence == 0 => Ok(()),
        Found::Note(Note { head, .. }) => Err(OpenProblem::Gone {
            noted: head.sequence,
        }),
        Found::Unreadable => Err(OpenProblem::NoNote {
            state: "unreadable, and its store is gone",
        }),
    }
}

/// Whether the head file shows that a store that ends at `found` is complete. `reached` is how far the head file is
///
/// # Errors
/// When it is not, or when it cannot be known.
pub(crate) fn check_note(noted: Found, found: Head, reached: u64) -> Result<(), OpenProblem> {
    let state = match noted {
        // Nothing was acknowledged yet, so nothing can be missing.
        Found::Nothing | Found::Unreadable if found.sequence == 0 => return Ok(()),
        Found::Nothing => "missing",
        Found::Unreadable => "unreadable",
        Found::Note(Note { head, .. }) if !head_file::is_reached(head, found) => {
            return Err(OpenProblem::Lost {
                noted: head.sequence,
                found: found.sequence,
            });
        }
        Found::Note(Note { head, .. }) if head.sequence < reached => {
            return Err(OpenProblem::OldNote {
                noted: head.sequence,
                reached,
            });
        }
        Found::Note(_) => return Ok(()),
    };
    Err(OpenProblem::NoNote { state })
}

/// Rejects a directory with other files in it: it is more likely a mistake than a wish for a new
/// store beside them.
fn refuse_foreign(data: &Path, neighbours: &[String]) -> Result<(), OpenProblem> {
    for entry in fs::read_dir(data).map_err(not_permitted(data))? {
        let name = entry.map_err(io("listing the directory"))?.file_name();
        if name == STORE_IN_IMPORT {
            return Err(OpenProblem::UnfinishedImport);
        }
        let ours = [LOCK, STORE_IN_CREATION, HEAD_FILE, HEAD_FILE_IN_CREATION]
            .iter()
            .any(|known| name == *known)
            || neighbours
                .iter()
                .any(|prefix| name.to_string_lossy().starts_with(prefix));
        if !ours {
            return Err(OpenProblem::Foreign {
                found: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// Makes every byte of a new store durable.
pub(crate) fn sync_store(unfinished: &Path) -> Result<(), OpenProblem> {
    // sled syncs none of what it makes, and a torn `conf` keeps it from opening ever again.
    for entry in fs::read_dir(unfinished).map_err(io("listing the new store"))? {
        let path = entry.map_err(io("listing the new store"))?.path();
        // Large pages are files of a directory below.
        if path.is_dir() {
            sync_store(&path)?;
            continue;
        }
        match File::open(&path) {
            Ok(file) => file.sync_all().map_err(io("syncing new files to disk"))?,
            // sled removes a large page that has become old, in the background.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("syncing new files to disk")(error)),
        }
    }
    sync_path(unfinished)
}

/// Gives a durable store its name. If the name cannot be made durable, it is removed again: it could be gone after a
/// crash, when clients already rely on the store.
pub(crate) fn put_in_place(unfinished: &Path, store: &Path) -> Result<(), OpenProblem> {
    fs::rename(unfinished, store).map_err(io("moving the new store into place"))?;
    let data = store.parent().unwrap_or(store);
    let synced = sync_path(data);
    if synced.is_err() {
        fs::rename(store, unfinished).map_err(io("moving the new store back"))?;
    }
    synced
}

/// Makes the names durable under which the store is found: those in the data directory and those of
/// the directories above it, any of which may be new.
pub(crate) fn sync_names(data: &Path) -> Result<(), OpenProblem> {
    sync_path(data)?;
    for above in data.ancestors().skip(1) {
        match File::open(above) {
            Ok(directory) => directory
                .sync_all()
                .map_err(io("syncing new files to disk"))?,
            // A directory that this user may not read was not made by this user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(io("syncing new files to disk")(error)),
        }
    }
    Ok(())
}

pub(crate) fn sync_path(path: &Path) -> Result<(), OpenProblem> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io("syncing new files to disk"))
}
