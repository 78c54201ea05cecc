//! When the index may be believed.
//!
//! After a kill, everything that the index has written reached the operating system, and sled finds an earlier state of it that is
//! whole. After a loss of power its pages survive out of order, and a key may be missing that was there: its payment would be
//! charged again. So while the index is open for writing, a file beside it names the boot of the machine. If it is there at a
//! start and names another boot, the index is built again from the journal.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::names::INDEX_OPEN;

/// Where Linux says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether the index of a store may be believed.
pub(crate) fn is_believed(store: &Path) -> io::Result<bool> {
    match fs::read(store.join(INDEX_OPEN)) {
        Ok(opened_in) => Ok(this_boot().is_some_and(|boot| boot.as_bytes() == opened_in)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the index was closed in order.
pub(crate) fn is_closed(store: &Path) -> bool {
    !store.join(INDEX_OPEN).exists()
}

/// Says that the index is open for writing from now on. Before the first write.
pub(crate) fn index_is_opened(store: &Path) -> io::Result<()> {
    let mut file = File::create(store.join(INDEX_OPEN))?;
    // Where the boot is unknown, an index that was not closed is never believed.
    file.write_all(this_boot().unwrap_or_default().as_bytes())?;
    file.sync_all()?;
    File::open(store)?.sync_all()
}

/// Says that the index is whole and durable.
pub(crate) fn index_is_closed(store: &Path) -> io::Result<()> {
    fs::remove_file(store.join(INDEX_OPEN))?;
    File::open(store)?.sync_all()
}

fn this_boot() -> Option<String> {
    let boot = fs::read_to_string(BOOT_ID).ok()?;
    let boot = boot.trim();
    (!boot.is_empty()).then(|| boot.to_owned())
}
