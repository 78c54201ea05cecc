//! Directories that cannot be served: each refusal says what is wrong and what to do, and changes nothing.

#![cfg(target_os = "linux")]
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use holdfast_tests::{Server, SmallDisk, holdfast, need_tool};

const WHAT_TO_DO: &str =
    "Check that the directory exists, belongs to this user and that the disk has space";

fn refused(data: &Path) -> String {
    let (code, said) = Server::try_start(data, &[]).err().expect("it is refused");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with("holdfast: cannot open the data directory"),
        "{said}"
    );
    said
}

#[test]
fn what_is_no_directory_or_holds_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let said = refused(&file);
    assert!(said.contains("creating the directory failed"), "{said}");
    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    let said = refused(&foreign);
    assert!(
        said.contains("it holds something else (notes.txt)"),
        "{said}"
    );
    assert_eq!(
        fs::read_dir(&foreign).unwrap().count(),
        2,
        "the lock, and what was there"
    );
}

#[test]
fn a_read_only_file_system_is_refused() {
    let Some(disk) = SmallDisk::of(16) else {
        return;
    };
    let data = disk.path().join("data");
    Server::start(&data, &[]).kill();
    disk.make_read_only();
    let said = refused(&data);
    assert!(
        said.contains("Read-only file system") && said.contains(WHAT_TO_DO),
        "{said}"
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn what_belongs_to_another_user_is_refused() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return eprintln!("SKIPPED: only root can become another user; to run this test, be root");
    }
    if !need_tool("setpriv", "the Debian package util-linux") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let readable = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    readable(directory.path(), 0o755);
    let binary = directory.path().join("holdfast");
    fs::copy(holdfast(), &binary).unwrap();
    let data = directory.path().join("data");
    Server::start(&data, &[]).kill();
    let as_nobody = || {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    let said = as_nobody();
    let lock = "opening the lock file failed: Permission denied";
    assert!(said.contains(lock) && said.contains(WHAT_TO_DO), "{said}");
    readable(&data, 0o777);
    readable(&data.join("LOCK"), 0o666);
    readable(&data.join("journal.head"), 0o666);
    readable(&data.join("store"), 0o777);
    let database = "opening the database failed: Permission denied";
    // First a directory in it may not be written, then the log itself.
    for _ in 0..2 {
        let said = as_nobody();
        assert!(
            said.contains(database) && said.contains(WHAT_TO_DO),
            "{said}"
        );
        assert!(!said.contains("damaged"), "{said}");
        readable(&data.join("store/blobs"), 0o777);
    }
}
