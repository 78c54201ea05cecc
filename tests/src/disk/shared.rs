//! The state that a mounted disk and its file system share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::volume::Volume;

/// What goes wrong besides power losses.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) off: bool,
    pub(super) failing_syncs: u32,
    pub(super) ignores_data_syncs: bool,
    pub(super) sync_delay: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    volume: Mutex<Volume>,
    faults: Mutex<Faults>,
}

impl Shared {
    pub(super) fn volume(&self) -> MutexGuard<'_, Volume> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
