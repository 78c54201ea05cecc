//! The errors of `holdfast chaos`.

use std::io;
use std::path::PathBuf;

use crate::output::OutputError;
use crate::process::ListenError;

/// Why the worlds were not run, or not told of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChaosError {
    /// They cannot be what was meant: wrong usage.
    #[error(
        "{seeds} seeds starting at {first} exceed the largest seed, {}: use fewer --seeds or a smaller --first-seed",
        u64::MAX
    )]
    PastLastSeed {
        /// The first seed.
        first: u64,
        /// How many were asked for.
        seeds: u64,
    },
    #[error("cannot write {content} to {}: {source}", path.display())]
    File {
        /// What was to be in it.
        content: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot catch the signals that interrupt a run: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Listen(#[from] ListenError),
}
