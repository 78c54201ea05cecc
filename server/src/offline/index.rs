//! `holdfast index rebuild`: the index of a store, built again from its journal.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_local::OpenError;
use holdfast_local::offline::rebuild_index;

use super::progress::bar;

/// The commands of `index`.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Build the index of a stopped store again from its journal. A start does it by itself when it must
    Rebuild(RebuildArgs),
}

/// The arguments of `index rebuild`.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// Data directory of the stopped service
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    data: PathBuf,
}

/// Builds it; returns what there is to say.
pub(crate) fn rebuild(args: &RebuildArgs) -> Result<String, OpenError> {
    let progress = bar("building the index");
    let built = rebuild_index(&args.data, &mut |entries, of| {
        progress.set_length(of);
        progress.set_position(entries);
    });
    progress.finish_and_clear();
    built.map(|entries| format!("Built the index of {entries} entries."))
}
