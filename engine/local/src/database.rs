//! Opens sled itself, and reads sled's own configuration.

use std::path::Path;
use std::{fs, io};

use holdfast_core::Timestamp;
use holdfast_engine::clock::{Clock, SystemClock};

use crate::directory::sync_path;
use crate::format::{SEGMENT_BYTES, STORE_FORMAT};
use crate::meta;
use crate::options::LocalOptions;
use crate::problem::{OpenProblem, io, not_permitted, of_sled};

pub(crate) fn open(options: &LocalOptions, path: &Path) -> Result<sled::Db, OpenProblem> {
    check_clock(SystemClock.now())?;
    remove_half_snapshots(path)?;
    match fs::remove_dir(path.join(STOP)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io("removing what an interrupted start left")(error));
        }
        Ok(()) | Err(_) => {}
    }
    try_open(options, path, segment_bytes(path)?).map_err(of_sled)
}

/// sled names a directory by the clock at each start, and panics if the clock is before 1970.
fn check_clock(now: Timestamp) -> Result<(), OpenProblem> {
    // Such a clock shows 1970.
    if now == Timestamp::default() {
        return Err(OpenProblem::Clock);
    }
    Ok(())
}

fn try_open(
    options: &LocalOptions,
    path: &Path,
    segment_bytes: usize,
) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(options.cache_bytes)
        .segment_size(segment_bytes)
        // Nothing relies on a timer: the journal is the truth.
        .flush_every_ms(None);
    let mut tries_left = LOCK_TRIES;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries_left > 0 && is_locked(&error) => {
                tries_left -= 1;
                pause();
            }
            opened => return opened,
        }
    }
}

/// Bytes of a log segment with which the database was created. With any other size sled would take its log for a
/// different one and wipe it. So the default is used for new databases only.
fn segment_bytes(path: &Path) -> Result<usize, OpenProblem> {
    let (log, settings) = (path.join("db"), path.join("conf"));
    match fs::metadata(&log) {
        // What may not be looked at is not new.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(&log)(error));
        }
        Ok(log) if log.len() > 0 => {}
        Ok(_) | Err(_) => return Ok(SEGMENT_BYTES),
    }
    // Lines of text, and a checksum.
    let written = match fs::read(&settings) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(&settings)(error));
        }
        written => written.unwrap_or_default(),
    };
    let written = String::from_utf8_lossy(&written);
    let mut lines = written.lines();
    let line = lines.find_map(|line| line.strip_prefix("segment_size: "));
    line.and_then(|bytes| bytes.parse().ok())
        .ok_or(OpenProblem::NoSettings)
}

/// A directory in the place of a blob beyond the end of any log. sled never creates such a blob, cannot
/// remove it and gives up.
const STOP: &str = "blobs/9223372036854775807";

/// Lets sled update its snapshot to the end of the log, and makes the snapshot durable.
///
/// sled does this at every start. Right after it, sled wipes the log segments that the new snapshot does not need. But
/// it never syncs the name of the snapshot: after a power loss the old snapshot is found, and the segments it needs
/// may be gone. So sled is stopped between the two steps, and the name is synced. (At that point sled has wiped the
/// data beyond the torn end of the log; neither snapshot needs it.)
pub(crate) fn settle(options: &LocalOptions, path: &Path) -> Result<(), OpenProblem> {
    check_clock(SystemClock.now())?;
    let segment_bytes = segment_bytes(path)?;
    remove_half_snapshots(path)?;
    let stop = path.join(STOP);
    fs::create_dir_all(&stop).map_err(io("opening the database"))?;
    match try_open(options, path, segment_bytes) {
        Err(sled::Error::Io(stopped)) if is_stop(&stopped) => {}
        Err(error) => {
            // It is the other error that must be heard.
            let _ = fs::remove_dir(&stop);
            return Err(of_sled(error));
        }
        Ok(database) => assert!(
            !database.was_recovered(),
            "sled stops wherever there is a log to recover"
        ),
    }
    fs::remove_dir(&stop).map_err(io("opening the database"))?;
    sync_path(path)
}

/// sled writes a snapshot under another name. It takes an interrupted one for a damaged one and would not open again.
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

/// The answer to the removal of a directory as if it were a file. Linux says what it is, POSIX allows EPERM.
fn is_stop(error: &io::Error) -> bool {
    let elsewhere = cfg!(not(target_os = "linux"));
    error.kind() == io::ErrorKind::IsADirectory
        || (elsewhere && error.kind() == io::ErrorKind::PermissionDenied)
}

/// sled's own threads release the log a moment after the last handle is dropped. Nobody else can
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
pub(crate) fn format_of(database: &sled::Db) -> Result<u32, OpenProblem> {
    let tree = database.open_tree("meta").map_err(OpenProblem::Database)?;
    let mark = tree.get(meta::FORMAT).map_err(OpenProblem::Database)?;
    let version = mark
        .as_deref()
        .and_then(|mark| std::str::from_utf8(mark).ok())
        .and_then(|mark| mark.strip_prefix(meta::FORMAT_PREFIX))
        .and_then(|version| version.parse::<u32>().ok());
    match version {
        None => Err(OpenProblem::NoFormatMark),
        Some(found) if found > STORE_FORMAT => Err(OpenProblem::NewerFormat { found }),
        Some(found) => Ok(found),
    }
}
