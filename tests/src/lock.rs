//! The lock of a data directory.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Nobody who is about to let go takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until nobody holds the lock of a data directory that this process has closed. Another test may be starting a program: its
/// child process holds every lock of this one until the program begins.
///
/// # Panics
/// When there is no lock file, or somebody keeps the lock.
pub async fn until_unlocked(data: &Path) {
    let lock = File::open(data.join("LOCK")).expect("there is a lock file");
    let taken = async {
        while let Err(error) = lock.try_lock() {
            assert!(matches!(error, TryLockError::WouldBlock), "{error}");
            tokio::task::yield_now().await;
        }
    };
    let taken = tokio::time::timeout(PATIENCE, taken).await;
    taken.expect("the lock is free");
    // Not left to the end of the file, for that a child process would wait as well.
    lock.unlock().expect("it is held");
}
