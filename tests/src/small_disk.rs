//! A small file system that fills up, in memory.

use std::path::Path;
use std::process::Command;

/// A file system in memory of a given size. It is unmounted when this goes.
pub struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where nothing can be mounted; under CI that fails.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    ///
    /// # Panics
    /// When nothing can be mounted under CI.
    pub fn of(megabytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { directory });
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "no tmpfs can be mounted: {mounted:?}"
        );
        eprintln!("SKIPPED: no tmpfs can be mounted; to run this test, be root on Linux");
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Someone else takes all but so many bytes.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn fill_but(&self, bytes: u64) {
        let output = Command::new("df")
            .args(["--output=avail", "-B1"])
            .arg(self.path())
            .output();
        let text = String::from_utf8(output.expect("df is there").stdout).expect("df writes text");
        let free: u64 = text
            .lines()
            .nth(1)
            .and_then(|line| line.trim().parse().ok())
            .expect("df writes a number");
        let filler = vec![0; usize::try_from(free - bytes).expect("a small disk")];
        std::fs::write(self.path().join("filler"), filler).expect("there is room");
    }

    /// Gives back what was taken.
    ///
    /// # Panics
    /// When nothing was.
    pub fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("it was filled");
    }
}

impl SmallDisk {
    /// From now on nothing can be written to it.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn make_read_only(&self) {
        let remounted = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path())
            .status();
        assert!(remounted.is_ok_and(|status| status.success()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
