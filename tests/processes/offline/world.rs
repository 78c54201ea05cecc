//! What people and the operating system do to these commands: paths of every form, signals, closed pipes, full devices,
//! files that are something else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdfast_tests::sample::BODY;
use holdfast_tests::{Server, Stub, holdfast};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::{PATIENCE, run, verify};

/// A small store that no service runs on.
pub(super) async fn store(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    let server = Server::start(&data, &[]);
    for n in 0..3 {
        server.client().pay(&format!("k{n}"), BODY).await.unwrap();
    }
    server.signal("TERM");
    server.wait();
    data
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(holdfast())
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    output.unwrap()
}

/// The same path, from where the tests run.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    up.join(path.strip_prefix("/").unwrap())
}

#[tokio::test]
async fn every_form_of_a_path_is_the_same_path() {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path();
    // `serve` makes it, and the directories above it, from a relative path.
    let server = Server::start(&relative(&work.join("a/data/")), &[]);
    server.client().pay("k", BODY).await.unwrap();
    server.signal("TERM");
    server.wait();
    fs::create_dir(work.join("scratch")).unwrap();
    for (n, (cwd, data)) in [
        ("a", "data"),
        ("a", "./data/"),
        ("a/data", "."),
        ("a/data", "../data"),
    ]
    .into_iter()
    .enumerate()
    {
        let cwd = work.join(cwd);
        let verified = run_in(&cwd, &["verify", "--data", data]);
        assert!(verified.status.success(), "{data}: {verified:?}");
        // A bare name is a file of the directory that one is in.
        let out = work.join(format!("out{n}"));
        fs::create_dir(&out).unwrap();
        let cwd_from_out = format!("../{}/{data}", cwd.strip_prefix(work).unwrap().display());
        let export = ["export", "--data", &cwd_from_out, "--out", "x.jsonl"];
        let exported = run_in(&out, &[&export[..], &["--scratch", "../scratch/"]].concat());
        assert!(exported.status.success(), "{data}: {exported:?}");
        assert_eq!(names(&out), ["x.jsonl"]);
        assert!(names(&work.join("scratch")).is_empty());
    }
    for (n, data) in [".", "./", "new", "./new/", "../import4/new/deep"]
        .into_iter()
        .enumerate()
    {
        let cwd = work.join(format!("import{n}"));
        fs::create_dir(&cwd).unwrap();
        let import = ["import", "--data", data, "--in", "../out0/x.jsonl"];
        let imported = run_in(&cwd, &import);
        assert!(imported.status.success(), "{data}: {imported:?}");
        let again = run_in(&cwd, &import);
        assert_eq!(again.status.code(), Some(1), "{data}: {again:?}");
        let data = cwd.join(data);
        assert!(!names(&data).iter().any(|name| name.contains("import")));
        assert_eq!(verify(&data).await.0, Some(0));
        let server = Server::start(&relative(&data), &[]);
        let replayed = server.client().pay("k", BODY).await.unwrap();
        assert_eq!(replayed.header("idempotent-replayed"), "true");
    }
    let ledger = work.join("books.jsonl");
    let bank = Server::start_bank(&["--ledger", relative(&ledger).to_str().unwrap()]);
    drop(bank);
    assert!(ledger.exists());
}

/// The last step of an import gives the store its name. Where that fails the import has failed, nothing serves, and the
/// import can be done again.
#[tokio::test]
async fn an_import_that_fails_at_its_last_step_leaves_nothing_that_serves() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (out, target) = (path("out.jsonl"), path("target"));
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--out", &out]).await;
    assert!(exported.status.success(), "{exported:?}");
    let (mut importing, rest) = half_an_import(&out, &target).await;
    // Something has taken the store's name.
    let taken = Path::new(&target).join("store");
    fs::create_dir_all(taken.join("something")).unwrap();
    let mut input = importing.stdin.take().unwrap();
    input.write_all(&rest).await.unwrap();
    drop(input);
    let failed = importing.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("moving the new store into place failed"),
        "{said}"
    );
    fs::remove_dir_all(&taken).unwrap();
    assert!(Path::new(&target).join("store.import").exists());
    assert!(
        Path::new(&target).join("journal.head").exists(),
        "the note is there before the name"
    );
    let refused = run(&["serve", "--data", &target, "--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let imported = run(&["import", "--data", &target, "--in", &out]).await;
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(verify(Path::new(&target)).await.0, Some(0));
}

/// An import that has read half of an export and waits for the rest.
async fn half_an_import(out: &str, target: &str) -> (tokio::process::Child, Vec<u8>) {
    let mut importing = tokio::process::Command::new(holdfast())
        .args(["import", "--data", target, "--in", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let whole = fs::read(out).unwrap();
    let (half, rest) = whole.split_at(whole.len() / 2);
    let input = importing.stdin.as_mut().unwrap();
    input.write_all(half).await.unwrap();
    until(|| Path::new(target).join("store.import/index/db").exists()).await;
    (importing, rest.to_vec())
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
        tokio::task::yield_now().await;
    }
}

/// Sends a signal to a command that cannot end by itself; returns its exit code and what it said.
async fn interrupt(command: tokio::process::Child, signal: &str) -> (Option<i32>, String) {
    let pid = command.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(sent.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, command.wait_with_output());
    let ended = ended.await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains(&format!("interrupted by SIG{signal}")),
        "{said}"
    );
    (ended.status.code(), said)
}

fn spawn(arguments: &[&str]) -> tokio::process::Child {
    let command = tokio::process::Command::new(holdfast())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    command.unwrap()
}

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// The copy holds every payment, and so does half an export: neither stays where the command was run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_command_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let export = path("whole.jsonl");
    run(&["export", "--data", data.to_str().unwrap(), "--out", &export]).await;
    let (scratch, outs) = (
        directory.path().join("scratch"),
        directory.path().join("outs"),
    );
    fs::create_dir(&scratch).unwrap();
    fs::create_dir(&outs).unwrap();
    let out = outs.join("out.jsonl").to_str().unwrap().to_owned();
    // Whoever copies this waits for as long as nobody writes into it.
    let pipe = data.join("store/index/pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let (data, scratch_of) = (data.to_str().unwrap(), scratch.to_str().unwrap());
    let verifying = ["verify", "--data", data, "--scratch", scratch_of];
    let exporting = [
        "export",
        "--data",
        data,
        "--scratch",
        scratch_of,
        "--out",
        &out,
    ];
    for (signal, code) in SIGNALS {
        for arguments in [&verifying[..], &exporting] {
            let command = spawn(arguments);
            until(|| !names(&scratch).is_empty()).await;
            let copy = scratch.join(&names(&scratch)[0]);
            let mode = fs::metadata(&copy).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "nobody else's to read");
            let (ended, said) = interrupt(command, signal).await;
            assert_eq!(ended, Some(code), "{said}");
            assert!(names(&scratch).is_empty(), "{arguments:?}: {said}");
            assert!(names(&outs).is_empty(), "{arguments:?}: {said}");
        }
    }
    // An export of a service that does not answer.
    let silent = Stub::start(|_| Box::pin(std::future::pending())).await;
    for (signal, code) in SIGNALS {
        let command = spawn(&["export", "--url", &silent.url(), "--out", &out]);
        until(|| !names(&outs).is_empty()).await;
        let (ended, said) = interrupt(command, signal).await;
        assert_eq!(ended, Some(code), "{said}");
        assert!(names(&outs).is_empty(), "{said}");
    }
    // An import leaves its own name, under which nothing is served.
    for (signal, code) in SIGNALS {
        let target = path(&format!("target-{signal}"));
        let (command, _) = half_an_import(&export, &target).await;
        let (ended, said) = interrupt(command, signal).await;
        assert_eq!(ended, Some(code), "{said}");
        let refused = run(&["serve", "--data", &target, "--listen", "127.0.0.1:0"]).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let imported = run(&["import", "--data", &target, "--in", &export]).await;
        assert!(imported.status.success(), "{imported:?}");
    }
}

/// A file that is no export may be anything, and endless. It must not take the machine's memory.
#[tokio::test]
async fn what_is_no_export_is_refused_with_the_line_and_in_little_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let header = br#"{"format":"holdfast-journal","version":2,"created_by":"a test"}"#;
    let file = |name: &str, line: &[u8]| {
        let name = path(name);
        fs::write(&name, [header, &b"\n"[..], line].concat()).unwrap();
        name
    };
    for (n, (input, says)) in [
        (
            "/dev/zero".to_owned(),
            "line 1: it is longer than 1048576 bytes",
        ),
        (
            file("long", &vec![b'x'; 2 << 20]),
            "line 2: it is longer than 1048576 bytes",
        ),
        (
            file("latin", b"{\"sequence\":1\xff}\n"),
            "line 2: it is not UTF-8 text",
        ),
        (file("zeros", b"\0\0\0\n"), "line 2: it contains zero bytes"),
        (
            file("other", b"nonsense\n"),
            "line 2: it is not a line of an export: expected",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let target = path(&format!("target{n}"));
        let refused = Command::new("sh")
            .args(["-c", "ulimit -v 3000000; exec \"$@\"", "sh"])
            .arg(holdfast())
            .args(["import", "--data", &target, "--in", &input])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{input}: {said}");
        assert!(said.contains(says), "{input}: {said}");
        assert!(!Path::new(&target).join("store").exists());
    }
}

/// The bound of a line is no bound of payments: the largest that a service takes comes back.
#[tokio::test]
async fn the_largest_payment_is_exported_and_imported() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &["--body-bytes-max", "1048576"]);
    // Six bytes in JSON for one in the store.
    let metadata: serde_json::Map<_, _> = (0..16)
        .map(|n| {
            (
                format!("{n:02}{}", "\u{1}".repeat(38)),
                "\u{1}".repeat(500).into(),
            )
        })
        .collect();
    let mut body: serde_json::Value = serde_json::from_str(BODY).unwrap();
    body["reference"] = "\u{10ffff}".repeat(140).into();
    body["metadata"] = metadata.into();
    let body = body.to_string();
    assert!(body.len() > 50_000);
    let paid = server.client().pay("k", &body).await.unwrap();
    assert_eq!(paid.status, 201, "{paid:?}");
    server.signal("TERM");
    server.wait();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (out, target) = (path("out.jsonl"), path("target"));
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--out", &out]).await;
    assert!(exported.status.success(), "{exported:?}");
    let imported = run(&["import", "--data", &target, "--in", &out]).await;
    assert!(imported.status.success(), "{imported:?}");
    let server = Server::start(Path::new(&target), &["--body-bytes-max", "1048576"]);
    let again = server.client().pay("k", &body).await.unwrap();
    assert_eq!(again.body, paid.body);
}

/// A reader that has gone ends a command quietly; a device that is full is an error. Nothing panics.
#[tokio::test]
async fn what_cannot_be_said_has_a_status_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let data = data.to_str().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let whole = path("whole.jsonl");
    run(&["export", "--data", data, "--out", &whole]).await;
    let [out_full, out_gone, new_full, new_gone] = ["of", "og", "nf", "ng"].map(path);
    for (of_full, of_gone) in [
        (
            vec!["verify", "--data", data],
            vec!["verify", "--data", data],
        ),
        (
            vec!["verify", "--json", "--data", data],
            vec!["verify", "--json", "--data", data],
        ),
        (
            vec!["export", "--data", data, "--out", &out_full],
            vec!["export", "--data", data, "--out", &out_gone],
        ),
        (
            vec!["import", "--data", &new_full, "--in", &whole],
            vec!["import", "--data", &new_gone, "--in", &whole],
        ),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        for (arguments, stdout, code) in [
            (of_full, Stdio::from(full), 1),
            (of_gone, Stdio::from(gone), 141),
        ] {
            let output = Command::new(holdfast())
                .args(&arguments)
                .stdout(stdout)
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
            assert_eq!(
                said.contains("cannot write to standard output"),
                code == 1,
                "{said}"
            );
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}
