//! A disk that can lose its power, fill up, fail and be slow: a file system in user space (FUSE).
//!
//! Whoever writes to it sees what was written. [`Disk::lose_power`] stops it dead, as a power cut does: from
//! then on everything fails, and what is found after [`Disk::restore_power`] is what was synced, with of the
//! rest as much as the [`PowerLoss`] says.

mod fuse;
mod shared;
mod volume;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use fuse::Fuse;
use shared::Shared;
pub use volume::PowerLoss;

/// A mounted disk. It is unmounted when this goes.
pub struct Disk {
    shared: Arc<Shared>,
    at: PathBuf,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Whether disks can be mounted here. Where not, the test says that it is skipped and why; under CI it
    /// fails instead.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn is_possible() -> bool {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let Err(error) = Self::try_mount(directory.path(), Arc::default()) else {
            return true;
        };
        let help = "run the tests as root on a kernel with FUSE, or install fuse3";
        assert!(
            std::env::var_os("CI").is_none(),
            "no file system can be mounted ({error}); {help}"
        );
        eprintln!("SKIPPED: no file system can be mounted ({error}); to run this test, {help}");
        false
    }

    /// An empty disk, mounted in a temporary directory, and where. Keep the directory longer than the disk.
    /// `None` where none can be mounted: the test is skipped, and says so.
    ///
    /// # Panics
    /// When none can be mounted under CI.
    pub fn in_temporary() -> Option<(tempfile::TempDir, Self, PathBuf)> {
        if !Self::is_possible() {
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let at = directory.path().join("disk");
        std::fs::create_dir(&at).expect("a directory can be made");
        let disk = Self::mount(&at);
        Some((directory, disk, at))
    }

    /// An empty disk, mounted at an empty directory.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn mount(at: &Path) -> Self {
        let shared = Arc::<Shared>::default();
        let session = Self::try_mount(at, shared.clone()).expect("a disk can be mounted");
        Self {
            shared,
            at: at.to_owned(),
            session: Some(session),
        }
    }

    fn try_mount(at: &Path, shared: Arc<Shared>) -> std::io::Result<BackgroundSession> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("holdfast-tests".to_owned())];
        config.n_threads = Some(2);
        fuser::spawn_mount(Fuse::over(shared), at, &config)
    }

    /// The power goes, at once. Every operation fails until it is back.
    pub fn lose_power(&self, loss: PowerLoss) {
        // Whoever is in the middle of an operation ends it first, as a disk ends the sector it writes.
        let mut volume = self.shared.volume();
        self.shared.faults().off = true;
        volume.lose_power(loss);
    }

    /// The power is back, and the disk mounted again with what was found on it. Nobody may have a file of it
    /// open.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn restore_power(&mut self) {
        self.unmount();
        self.shared.faults().off = false;
        let session = Self::try_mount(&self.at, self.shared.clone());
        self.session = Some(session.expect("a disk can be mounted"));
    }

    /// The next `count` syncs fail with an I/O error, and what they should have written is not durable.
    pub fn fail_syncs(&self, count: u32) {
        self.shared.faults().failing_syncs = count;
    }

    /// From now on `fdatasync` says that it has worked and does nothing, as if it had never been called.
    pub fn ignore_data_syncs(&self) {
        self.shared.faults().ignores_data_syncs = true;
    }

    /// Every sync takes so long.
    pub fn set_sync_delay(&self, delay: Duration) {
        self.shared.faults().sync_delay = delay;
    }

    /// There is room for so many bytes more than there are, and no more.
    pub fn leave_room_for(&self, more: u64) {
        let mut volume = self.shared.volume();
        volume.room = Some(volume.used() + more);
    }

    /// There is room for everything.
    pub fn make_room(&self) {
        self.shared.volume().room = None;
    }

    /// Most bytes of one file that were not synced at once since this was last asked, in whole pages.
    pub fn take_unsynced_max(&self) -> u64 {
        let pages = std::mem::take(&mut self.shared.volume().unsynced_max);
        (pages * volume::PAGE) as u64
    }

    fn unmount(&mut self) {
        if let Some(session) = self.session.take() {
            // The kernel may end the connection before its reader has heard of the end.
            let aborted = std::io::ErrorKind::ConnectionAborted;
            let left = session.umount_and_join();
            let unmounted = left
                .as_ref()
                .map_or_else(|error| error.kind() == aborted, |()| true);
            assert!(
                unmounted || std::thread::panicking(),
                "the disk can be unmounted: {left:?}"
            );
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}
