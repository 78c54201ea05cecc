//! Commands on a data directory that no service runs on: `verify`, `export`, `import`.

mod export;
mod import;
mod remote;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use export::{ExportArgs, ExportError, export};
pub(crate) use import::{ImportArgs, import};
pub(crate) use verify::{VerifyArgs, verify};

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

impl Source {
    fn scratch(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(std::env::temp_dir)
    }
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
