//! How to open a store.

use std::path::PathBuf;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The data directory; created when it does not exist.
    pub directory: PathBuf,
    /// How much of the store sled keeps in memory, in bytes.
    pub cache_bytes: u64,
    /// Opens a store although nothing proves that it is complete. For operators who know that it is, or who restored
    /// an older one on purpose.
    pub accept_older: bool,
    /// Prefixes of file names of other parts of Holdfast, which may be in the directory before the store. A directory
    /// without a store that contains any other file is rejected as foreign.
    pub neighbours: Vec<String>,
}

/// Memory for the pages of a database that no service runs on, in bytes.
pub(crate) const OFFLINE_CACHE_BYTES: u64 = 256 * 1024 * 1024;

impl LocalOptions {
    /// The options of a store that no service runs on.
    pub(crate) fn offline(directory: PathBuf) -> Self {
        Self {
            directory,
            cache_bytes: OFFLINE_CACHE_BYTES,
            accept_older: false,
            neighbours: Vec::new(),
        }
    }
}
