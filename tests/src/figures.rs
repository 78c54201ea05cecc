//! What processes and stores take, and copies of them.

use std::path::Path;

/// A figure of a process in KiB, by its name in `/proc/PID/status`: `VmRSS` is what it has in memory now, `VmHWM` the most it
/// ever had. `None` where the system does not tell as Linux does, or there is no such process.
pub fn memory_kib(pid: u32, figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Copies a directory with everything in it.
///
/// # Panics
/// When it cannot be read, or the copy cannot be written.
pub fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            std::fs::copy(&path, target).expect("a copy");
        }
    }
}

/// Bytes of all files below a directory.
///
/// # Panics
/// When it cannot be read.
pub fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    entries
        .map(|entry| {
            let entry = entry.expect("the directory can be read");
            if entry.path().is_dir() {
                bytes_below(&entry.path())
            } else {
                entry.metadata().expect("the directory can be read").len()
            }
        })
        .sum()
}
