//! The data directory: what is refused, and a creation that was cut short. No test here starts a process: between its birth and
//! its own program a child holds the locks that another test has just let go of.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast_local::format::STORE_FORMAT;
use holdfast_local::{LocalOptions, LocalStore, OpenProblem};
use holdfast_tests::raw_database;

fn open(directory: &Path) -> Result<LocalStore, holdfast_local::OpenError> {
    LocalStore::open(&LocalOptions {
        directory: directory.to_owned(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 16 << 20,
    })
}

fn said(directory: &Path) -> String {
    open(directory).err().expect("it is refused").to_string()
}

/// Changes the format mark of a closed store.
fn mark(directory: &Path, mark: Option<&str>) {
    let database = raw_database(directory);
    let meta = database.open_tree("meta").unwrap();
    match mark {
        Some(mark) => meta.insert("format", mark).unwrap(),
        None => meta.remove("format").unwrap(),
    };
    database.flush().unwrap();
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_its_version_named() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    mark(
        directory.path(),
        Some(&format!("holdfast store format {}", STORE_FORMAT + 1)),
    );
    let message = said(directory.path());
    let named = format!("format version {}", STORE_FORMAT + 1);
    assert!(message.contains(&named), "{message}");
    assert!(message.contains("knows versions up to 6"), "{message}");
    mark(
        directory.path(),
        Some(&format!("holdfast store format {STORE_FORMAT}")),
    );
    assert!(
        open(directory.path()).is_ok(),
        "nothing was harmed by the refusal"
    );
}

#[test]
fn an_index_of_an_earlier_format_or_without_a_readable_mark_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let current = format!("holdfast store format {STORE_FORMAT}");
    for other in [None, Some("holdfast store format 5")] {
        mark(directory.path(), other);
        drop(open(directory.path()).unwrap());
        let database = raw_database(directory.path());
        let mark = database.open_tree("meta").unwrap().get("format").unwrap();
        assert_eq!(mark.unwrap(), current.as_bytes(), "{other:?}");
    }
}

#[test]
fn a_directory_with_something_else_in_it_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("thesis.odt"), "years of work").unwrap();
    let message = said(directory.path());
    assert!(message.contains("thesis.odt"), "{message}");
    assert!(!directory.path().join("store").exists());
}

#[test]
fn a_creation_that_was_cut_short_is_thrown_away_and_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let half = directory.path().join("store.new");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("conf"), "torn").unwrap();
    assert!(open(directory.path()).is_ok());
    assert!(!half.exists());
}

#[test]
fn a_snapshot_of_the_database_that_was_cut_short_is_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let half = directory
        .path()
        .join("store/index/snap.FFFFFFFFFFFFFFFF.generating");
    for content in ["", "torn, and longer than its checksum"] {
        std::fs::write(&half, content).unwrap();
        assert!(open(directory.path()).is_ok());
        assert!(!half.exists());
    }
}

/// With a wrong guess of how it was made the database would wipe its log. It is only an index, and is built again.
#[test]
fn an_index_without_its_settings_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let conf = directory.path().join("store/index/conf");
    for torn in [None, Some("")] {
        match torn {
            None => std::fs::remove_file(&conf).unwrap(),
            Some(text) => std::fs::write(&conf, text).unwrap(),
        }
        drop(open(directory.path()).unwrap());
        assert!(!std::fs::read(&conf).unwrap().is_empty());
    }
}

#[test]
fn two_stores_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let second = open(directory.path()).err().expect("it is refused");
    assert!(matches!(second.problem(), OpenProblem::InUse));
    drop(first);
    assert!(open(directory.path()).is_ok());
}

/// A store that is opened as a library is closed to others as well, as far as Holdfast makes its files.
#[test]
fn a_new_directory_its_lock_and_its_note_are_its_owners() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    drop(open(&data).unwrap());
    for (path, mode) in [
        ("", 0o700),
        ("store", 0o700),
        ("LOCK", 0o600),
        ("journal.head", 0o600),
    ] {
        let path = data.join(path);
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}
