//! Checks whether the disk has room for new payments.
//!
//! A database fails when the disk is full. So new payments are rejected while there is still room for the writes of
//! open payments: those must not lose an outcome.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes kept free: three more transitions of twenty thousand open payments, times two.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// On a small file system, this fraction of it is kept free.
const RESERVE_PART: u64 = 8;

/// Shortest interval between two checks while there is room. Far less than the reserve can be written in that time.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The free space on the file system of a file. The file is kept open, with its lock if it has one.
#[derive(Debug)]
pub(crate) struct DiskSpace {
    file: File,
    /// The last result.
    low: AtomicBool,
    /// The time of the last check.
    looked: Mutex<Option<Instant>>,
}

impl DiskSpace {
    pub(crate) const fn around(file: File) -> Self {
        Self {
            file,
            low: AtomicBool::new(false),
            looked: Mutex::new(None),
        }
    }

    /// Whether so many bytes can be taken, and what is kept for payments under way is still free.
    pub(crate) fn has_beside_the_reserve(&self, bytes: u64) -> bool {
        // If the system cannot tell, the write will.
        let Some((total, free)) = self.measured() else {
            return true;
        };
        free.checked_sub(bytes)
            .is_some_and(|left| !is_low(total, left))
    }

    /// The size of the file system, and what is free of it, in bytes.
    fn measured(&self) -> Option<(u64, u64)> {
        let found = rustix::fs::fstatvfs(&self.file).ok()?;
        let total = found.f_blocks.saturating_mul(found.f_frsize);
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        Some((total, free))
    }

    /// Whether there is room for new payments.
    pub(crate) fn is_left(&self) -> bool {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            let recently = looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN);
            if recently && !self.low.load(Ordering::Relaxed) {
                return true;
            }
            *looked = Some(Instant::now());
        }
        // If the system cannot tell, the first failed write will.
        let Some((total, free)) = self.measured() else {
            return true;
        };
        let low = is_low(total, free);
        if self.low.swap(low, Ordering::Relaxed) != low {
            if low {
                tracing::warn!(
                    free,
                    total,
                    "the disk is almost full: new payments are rejected"
                );
            } else {
                tracing::info!(
                    free,
                    total,
                    "the disk has space again: new payments are accepted"
                );
            }
        }
        !low
    }
}

/// Whether this many free bytes are too few.
fn is_low(total: u64, free: u64) -> bool {
    free < RESERVE_BYTES.min(total / RESERVE_PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_large_disk_keeps_64_mib_and_a_small_one_an_eighth() {
        assert!(is_low(100 * GIB, RESERVE_BYTES - 1));
        assert!(!is_low(100 * GIB, RESERVE_BYTES));
        assert!(is_low(32 << 20, (4 << 20) - 1));
        assert!(!is_low(32 << 20, 4 << 20));
        assert!(!is_low(0, 0), "a file system that does not count");
    }

    #[test]
    fn what_is_taken_ahead_of_time_leaves_the_reserve() {
        let directory = tempfile::tempdir().unwrap();
        let space = DiskSpace::around(File::create(directory.path().join("file")).unwrap());
        let (total, free) = space.measured().unwrap();
        let reserve = RESERVE_BYTES.min(total / RESERVE_PART);
        assert!(free > 2 * reserve, "this test needs some free space");
        assert!(space.has_beside_the_reserve(0));
        // Others take and give space meanwhile.
        assert!(!space.has_beside_the_reserve(free));
        assert!(!space.has_beside_the_reserve(u64::MAX));
    }
}
