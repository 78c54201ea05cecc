//! The lock of a data directory.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// A child process begins its program within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until nobody holds the lock of a data directory that this process has closed. While another test starts a program, the child
/// process holds every lock of this process, until the program begins.
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
    // Explicitly: closing the file would again leave the lock to a child process that was born meanwhile.
    lock.unlock().expect("it is held");
}
