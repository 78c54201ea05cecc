//! Opening sled itself, and what it says of itself.

use std::path::Path;
use std::{fs, io};

use super::SledOptions;
use super::directory::{FORMAT_KEY, FORMAT_PREFIX, OpenProblem, io};
use super::format::STORE_FORMAT;

pub(super) fn open(options: &SledOptions, path: &Path) -> Result<sled::Db, OpenProblem> {
    remove_half_snapshots(path)?;
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(options.cache_bytes)
        // Nothing relies on a timer: every batch is flushed and synced by its commit.
        .flush_every_ms(None);
    let mut tries_left = LOCK_TRIES;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries_left > 0 && is_locked(&error) => {
                tries_left -= 1;
                pause();
            }
            opened => return opened.map_err(of_database),
        }
    }
}

/// sled writes a snapshot of its own under another name, and takes one that was cut short for a damaged one: it
/// would not open again.
fn remove_half_snapshots(path: &Path) -> Result<(), OpenProblem> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("listing the database")(error)),
    };
    for entry in entries {
        let path = entry.map_err(io("listing the database"))?.path();
        if path.extension().is_some_and(|end| end == "generating") {
            fs::remove_file(path).map_err(io("removing an unfinished snapshot"))?;
        }
    }
    Ok(())
}

/// What the operating system refuses says nothing against the database.
fn of_database(error: sled::Error) -> OpenProblem {
    match error {
        sled::Error::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
            ) =>
        {
            io("opening the database")(source)
        }
        error => OpenProblem::Database(error),
    }
}

/// sled's own threads let go of the log a moment after the last handle is dropped. Nobody else can
/// hold it, for our lock keeps other processes out; so it is worth a wait of up to five seconds.
const LOCK_TRIES: u32 = 500;

fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().contains("acquire lock")
}

#[expect(
    clippy::disallowed_methods,
    reason = "sled offers no event to wait for"
)]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}

/// The version of a store's layout.
pub(super) fn format_of(database: &sled::Db) -> Result<u32, OpenProblem> {
    let meta = database.open_tree("meta").map_err(OpenProblem::Database)?;
    let mark = meta.get(FORMAT_KEY).map_err(OpenProblem::Database)?;
    let version = mark
        .as_deref()
        .and_then(|mark| std::str::from_utf8(mark).ok())
        .and_then(|mark| mark.strip_prefix(FORMAT_PREFIX))
        .and_then(|version| version.parse::<u32>().ok());
    match version {
        None => Err(OpenProblem::NoFormatMark),
        Some(found) if found > STORE_FORMAT => Err(OpenProblem::NewerFormat { found }),
        Some(found) => Ok(found),
    }
}
