//! The database under a store, past everything that Holdfast does with it.

use std::path::Path;

use holdfast_local::format::SEGMENT_BYTES;

/// Tries before it is taken for locked for good.
const TRIES: u32 = 1_000_000;

/// The database of the store in a data directory.
///
/// # Panics
/// When it cannot be opened.
pub fn raw_database(data: &Path) -> sled::Db {
    let config = sled::Config::new()
        .path(data.join("store"))
        .segment_size(SEGMENT_BYTES);
    for _ in 0..TRIES {
        match config.open() {
            Ok(database) => return database,
            // The last owner's threads let go of the file a moment after it is dropped.
            Err(error) if error.to_string().contains("acquire lock") => std::thread::yield_now(),
            Err(error) => panic!("the database cannot be opened: {error}"),
        }
    }
    panic!("the database stays locked")
}
