//! The embedded store, as tests open it.

use std::path::Path;

use holdfast_local::{LocalOptions, LocalStore};

/// Opens the store in a directory, or creates it, with a small cache.
///
/// # Panics
/// When it is refused.
pub fn open_store(directory: &Path) -> LocalStore {
    let options = LocalOptions {
        directory: directory.to_owned(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 16 << 20,
    };
    LocalStore::open(&options).expect("the store opens")
}
