//! When the index may be believed.
//!
//! After a kill, everything that the index has written reached the operating system, and sled finds an earlier state of it that is
//! whole. After a loss of power its pages survive out of order, and a key may be missing that was there: its payment would be
//! charged again. So while the index is open for writing, a file beside it names the boot of the machine. If it is there at a
//! start and names another boot, the index is built again from the journal. So it is after damage was found in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::names::INDEX_OPEN;

/// Where Linux says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the file says of an index that was found damaged: no boot has this name.
const DAMAGED: &[u8] = b"damaged";

/// Why the index of a store may not be believed; `None` if it may be.
pub(crate) fn doubt(store: &Path) -> io::Result<Option<&'static str>> {
    match fs::read(store.join(INDEX_OPEN)) {
        Ok(opened_in) if opened_in == DAMAGED => Ok(Some("it was found damaged")),
        Ok(opened_in) if this_boot().is_some_and(|boot| boot.as_bytes() == opened_in) => Ok(None),
        Ok(_) => Ok(Some("the machine stopped without closing it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether damage was found in the index.
pub(crate) fn is_damaged(store: &Path) -> bool {
    fs::read(store.join(INDEX_OPEN)).is_ok_and(|what| what == DAMAGED)
}

/// Whether the index was closed in order.
pub(crate) fn is_closed(store: &Path) -> bool {
    !store.join(INDEX_OPEN).exists()
}

/// Says that the index is open for writing from now on. Before the first write.
pub(crate) fn index_is_opened(store: &Path) -> io::Result<()> {
    // Where the boot is unknown, an index that was not closed is never believed.
    say(store, this_boot().unwrap_or_default().as_bytes())
}

/// Says that the index was found damaged: the next start builds it again.
pub(crate) fn index_is_damaged(store: &Path) -> io::Result<()> {
    say(store, DAMAGED)
}

fn say(store: &Path, what: &[u8]) -> io::Result<()> {
    let mut file = File::create(store.join(INDEX_OPEN))?;
    file.write_all(what)?;
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
