//! The store that a command reads: its directory, and a copy of it to look at.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_local::offline::{Original, Snapshot, SnapshotError};

use super::interrupt::Interrupts;

/// Which store to read, and where to put the temporary copy.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Data directory; it is only read
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    pub(super) data: PathBuf,

    /// Directory for a temporary copy of the store; it needs as much free space as the store takes
    /// [default: the system's temporary directory]
    #[arg(long, env = "HOLDFAST_SCRATCH", value_name = "DIR")]
    pub(super) scratch: Option<PathBuf>,
}

/// The name of a copy of a store begins with this.
const COPY: &str = "holdfast-snapshot-";

/// Copies a store that no service runs on into a directory of its own in `scratch`, and opens it there.
pub(super) fn snapshot(
    data: &Path,
    scratch: Option<&Path>,
    interrupts: &Interrupts,
) -> Result<Snapshot, SnapshotError> {
    let original = Original::hold(data)?;
    let scratch = scratch.map_or_else(std::env::temp_dir, Path::to_owned);
    let mut named = tempfile::Builder::new();
    named
        .prefix(COPY)
        .permissions(Permissions::from_mode(0o700));
    let copy = interrupts.make(|| named.tempdir_in(&scratch));
    original.copy_into(copy.map_err(|source| SnapshotError::Copy { scratch, source })?)
}
