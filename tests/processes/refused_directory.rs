//! Directories that cannot be served: each refusal says what is wrong and what to do, and changes nothing. And those that are
//! made: nobody else may read them.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_tests::sample::BODY;
use holdfast_tests::{Server, SmallDisk, holdfast, need_tool};

const WHAT_TO_DO: &str =
    "Check that the directory exists, that it belongs to this user, and that the disk has space";

fn refused(data: &Path) -> String {
    let (code, said) = Server::try_start(data, &[]).err().expect("it is refused");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with("holdfast: cannot open the data directory"),
        "{said}"
    );
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains(": docs/errors.md#hf01"), "{said}");
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
        said.contains("it contains something else (notes.txt)"),
        "{said}"
    );
    let imported = Command::new(holdfast())
        .args(["import", "--in", "/dev/null", "--data"])
        .arg(&foreign)
        .output()
        .unwrap();
    assert_eq!(imported.status.code(), Some(1), "{imported:?}");
    assert_eq!(
        fs::read_dir(&foreign).unwrap().count(),
        1,
        "what was there, and no lock"
    );
    // Somebody else's directory that happens to be called as ours keeps its files as they are, and what it links to.
    let shop = directory.path().join("shop");
    let outside = directory.path().join("outside");
    fs::create_dir_all(shop.join("store")).unwrap();
    fs::write(&outside, "theirs").unwrap();
    fs::write(shop.join("store/index.html"), "theirs").unwrap();
    std::os::unix::fs::symlink(&outside, shop.join("store/link")).unwrap();
    let open = fs::Permissions::from_mode(0o664);
    for theirs in [&outside, &shop.join("store/index.html")] {
        fs::set_permissions(theirs, open.clone()).unwrap();
    }
    let said = refused(&shop);
    assert!(said.contains("neither a journal (store/journal)"), "{said}");
    assert_eq!(fs::read_dir(&shop).unwrap().count(), 1, "no lock");
    for theirs in [&outside, &shop.join("store/index.html")] {
        assert_eq!(fs::metadata(theirs).unwrap().mode() & 0o777, 0o664);
    }
    // An import that was cut short is no place for a service either.
    let unfinished = directory.path().join("unfinished");
    fs::create_dir_all(unfinished.join("store.import")).unwrap();
    let said = refused(&unfinished);
    assert!(said.contains("an import into it did not finish"), "{said}");
    assert_eq!(fs::read_dir(&unfinished).unwrap().count(), 1);
    let missing = directory.path().join("missing");
    for (data, says) in [
        (&foreign, "is not a Holdfast data directory"),
        (&unfinished, "contains an import that did not finish"),
        (&missing, "is not a Holdfast data directory"),
    ] {
        let verified = Command::new(holdfast())
            .args(["verify", "--data"])
            .arg(data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert_eq!(verified.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
        let kept = fs::read_dir(data).map_or(0, Iterator::count);
        assert_eq!(kept, usize::from(data != &missing), "{said}");
    }
    assert!(!missing.exists());
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
    let run = |arguments: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary)
            .args(arguments)
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("damaged"), "{said}");
        said
    };
    let serve = || run(&["serve", "--listen", "127.0.0.1:0"]);
    let out = directory.path().join("out").to_str().unwrap().to_owned();
    readable(directory.path(), 0o777);
    // First the directory is closed, then each thing in it.
    for (open, path) in [
        (None, ""),
        (Some(("", 0o777)), "LOCK"),
        (Some(("LOCK", 0o666)), "store"),
        (Some(("store", 0o777)), "store/journal"),
    ] {
        if let Some((open, mode)) = open {
            readable(&data.join(open), mode);
        }
        let path = data.join(path);
        let path = path.to_str().unwrap().trim_end_matches('/');
        for said in [run(&["verify"]), run(&["export", "--out", &out])] {
            let may_not = format!("{path} may not be read by this user (Permission denied");
            let is_named = said.contains(&may_not) || path.ends_with("journal");
            assert!(is_named && said.contains("may not be read by"), "{said}");
            assert!(
                said.contains("as the user that the service runs as"),
                "{said}"
            );
        }
        let said = serve();
        assert!(said.contains("Permission denied"), "{said}");
        assert!(!said.contains("contains something else"), "{said}");
    }
    assert!(!Path::new(&out).exists());
    // A segment, and then the index.
    readable(&data.join("journal.head"), 0o666);
    readable(&data.join("store/journal"), 0o777);
    let segment = data.join("store/journal/00000000000000000001.segment");
    for _ in 0..2 {
        let said = serve();
        assert!(said.contains("Permission denied"), "{said}");
        let says_what_to_do =
            said.contains(WHAT_TO_DO) || said.contains("Run Holdfast as the user");
        assert!(says_what_to_do, "{said}");
        readable(&segment, 0o666);
    }
}

/// Everything below a directory, itself included, with its permissions.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut found = vec![(path.to_owned(), mode)];
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(modes(&entry.unwrap().path()));
        }
    }
    found
}

fn assert_private(path: &Path) {
    for (path, mode) in modes(path) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
    }
}

/// Whatever the umask of the shell that started the service: payments are nobody else's to read.
#[tokio::test]
async fn what_is_made_can_be_read_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("above/data");
    let all_may = ["sh", "-c", "umask 000; \"$@\"; true", "sh"];
    let server = Server::start_under(&all_may, &data, &[]);
    server.client().pay("k", BODY).await.unwrap();
    server.signal("TERM");
    server.wait();
    assert_private(&directory.path().join("above"));
    let [out, restored] = ["out.jsonl", "restored"].map(|name| directory.path().join(name));
    for arguments in [
        [
            "export",
            "--data",
            data.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ],
        [
            "import",
            "--data",
            restored.to_str().unwrap(),
            "--in",
            out.to_str().unwrap(),
        ],
    ] {
        let (program, rest) = all_may.split_first().unwrap();
        let made = Command::new(program)
            .args(rest)
            .arg(holdfast())
            .args(arguments)
            .output()
            .unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    }
    assert_private(&out);
    assert_private(&restored);

    // Files of an earlier version are closed at the next start. The directory is whose it is.
    for (path, _) in modes(&data) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    Server::start(&data, &[]).kill();
    let kept = fs::metadata(&data).unwrap().permissions().mode() & 0o777;
    assert_eq!(kept, 0o755);
    for entry in fs::read_dir(&data).unwrap() {
        assert_private(&entry.unwrap().path());
    }
}
