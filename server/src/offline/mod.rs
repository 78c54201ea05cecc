//! Commands on a data directory that no service runs on: `verify`, `export`, `import`.

mod export;
mod import;
mod interrupt;
mod remote;
mod target;
mod verify;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holdfast_local::offline::{Original, Snapshot, SnapshotError};
use indicatif::{ProgressBar, ProgressStyle};

use interrupt::Interrupts;

pub(crate) use export::{ExportArgs, export};
pub(crate) use import::{ImportArgs, import};
pub(crate) use verify::{VerifyArgs, VerifyError, verify};

/// Which store to look at, and where the copy that is looked at is put.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Directory of the payments; it is only read
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    data: PathBuf,

    /// Directory for a temporary copy of the store, which needs as much room as the store itself
    /// [default: the system's directory for temporary files]
    #[arg(long, env = "HOLDFAST_SCRATCH", value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// The name of a copy of a store begins with this.
const COPY: &str = "holdfast-snapshot-";

/// Copies a store that no service runs on into a directory of its own in `scratch`, and opens it there.
fn snapshot(
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

/// A bar on standard error, when a person looks on.
fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template(
        "{msg:<24} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
    );
    bar.set_style(style.expect("the template is valid"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What every export begins with, and what its version is. Version 2 came with the marks of attempts; version 1 is
/// read as well.
const FORMAT: &str = "holdfast-journal";
const VERSION: u32 = 2;
