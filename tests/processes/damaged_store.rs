//! A data directory that was damaged while nobody ran on it: the service says what is wrong, or everything that
//! was acknowledged is there. It never panics, and never starts on less than there was.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_tests::sample::BODY;
use holdfast_tests::{Answer, Server, copy_directory, holdfast};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PAYMENTS: usize = 60;

/// The first segment of the journal.
const SEGMENT: &str = "store/journal/00000000000000000001.segment";

/// A store in which everything is settled, and what its clients were told.
async fn store(directory: &Path) -> (PathBuf, Vec<(String, Answer)>) {
    let data = directory.join("data");
    let server = Server::start(&data, &[]);
    let mut told = Vec::new();
    for n in 0..PAYMENTS {
        let key = format!("k{n}");
        told.push((key.clone(), server.client().pay(&key, BODY).await.unwrap()));
    }
    server.signal("TERM");
    assert!(server.wait().0.success());
    (data, told)
}

fn rebuild_index(data: &Path) -> Output {
    let mut command = Command::new(holdfast());
    command.args(["index", "rebuild", "--data"]).arg(data);
    command.output().unwrap()
}

/// Damages a file; says how.
fn damage(path: &Path, random: &mut StdRng) -> String {
    let mut bytes = fs::read(path).unwrap();
    // What was written, without the zeros of what is only reserved.
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    let at = random.random_range(0..written);
    let how = match random.random_range(0..4) {
        0 => {
            bytes[at] ^= 1 << random.random_range(0..8);
            "a bit was flipped"
        }
        1 => {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
            "a page was lost"
        }
        2 => {
            bytes.truncate(at);
            "it was cut off"
        }
        _ => {
            random.fill(&mut bytes[..]);
            "it holds something else"
        }
    };
    fs::write(path, bytes).unwrap();
    format!("{}: {how} at {at} of {written}", path.display())
}

#[tokio::test]
async fn a_damaged_store_is_refused_or_has_everything() {
    const DAMAGES: u64 = 60;
    let directory = tempfile::tempdir().unwrap();
    let (data, told) = store(directory.path()).await;
    let (mut refused, mut whole) = (0, 0);
    for seed in 0..DAMAGES {
        let mut random = StdRng::seed_from_u64(seed);
        let damaged = directory.path().join(format!("damaged-{seed}"));
        copy_directory(&data, &damaged);
        let files = [
            SEGMENT,
            "store/index/conf",
            SEGMENT,
            "journal.head",
            "store/index/db",
        ];
        let how = damage(
            &damaged.join(files[random.random_range(0..files.len())]),
            &mut random,
        );
        match Server::try_start(&damaged, &[]) {
            Err((code, said)) => {
                assert_eq!(code, Some(1), "{how}: {said}");
                assert!(
                    said.contains("cannot open the data directory"),
                    "{how}: {said}"
                );
                assert!(!said.contains("panicked"), "{how}: {said}");
                refused += 1;
            }
            Ok(server) => {
                for (key, first) in &told {
                    let again = server.client().pay(key, BODY).await.unwrap();
                    assert_eq!(again.frozen(), first.frozen(), "{how}: {key}");
                }
                server.kill();
                whole += 1;
            }
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
    println!("{refused} refused, {whole} served with everything there");
    assert!(refused > 0 && whole > 0);
}

#[tokio::test]
async fn a_store_that_is_gone_or_ends_early_is_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _) = store(directory.path()).await;
    let early = directory.path().join("early");
    copy_directory(&data, &early);
    // The journal's end was noted; the log is cut in its middle.
    let log = early.join(SEGMENT);
    let bytes = fs::read(&log).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&log, &bytes[..written / 2]).unwrap();
    let verified = Command::new(holdfast())
        .args(["verify", "--data"])
        .arg(&early)
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    let said = String::from_utf8_lossy(&verified.stdout).into_owned()
        + &String::from_utf8_lossy(&verified.stderr);
    assert!(said.contains("was durable"), "{said}");

    fs::remove_dir_all(data.join("store")).unwrap();
    for directory in [&early, &data] {
        let refused = Server::try_start(directory, &[]).err();
        let (code, said) = refused.expect("it does not start");
        assert_eq!(code, Some(1));
        let expected = if directory == &early {
            "The disk has lost acknowledged payments"
        } else {
            "its store is gone. It had payments"
        };
        assert!(said.contains(expected), "{said}");
    }
    // Deleting the file says nothing; an older copy that someone put there on purpose can be served when it is said.
    fs::remove_file(early.join("journal.head")).unwrap();
    assert!(Server::try_start(&early, &[]).is_err());
    Server::start(&early, &["--accept-older-store"]).kill();
    // It need not be said again.
    Server::start(&early, &[]).kill();
}

/// Stops a service in order, so that everything is noted.
fn stop(server: Server) {
    server.signal("TERM");
    let (ended, said) = server.wait();
    assert!(ended.success(), "{said}");
}

fn verified(data: &Path) -> (Option<i32>, String) {
    let output = Command::new(holdfast())
        .args(["verify", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

/// Without its note nobody can tell whether a store is whole: a file that is missing, empty, zeroed or from another time
/// is no better than a store that is.
#[tokio::test]
async fn a_store_whose_note_is_missing_unreadable_or_old_is_refused_until_someone_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &[]);
    server.client().pay("first", BODY).await.unwrap();
    stop(server);
    let old = fs::read(data.join("journal.head")).unwrap();
    let server = Server::start(&data, &[]);
    let first = server.client().pay("second", BODY).await.unwrap();
    stop(server);
    assert_eq!(verified(&data).0, Some(0));

    let zeroed = vec![0; old.len()];
    for (how, content) in [
        ("is missing", None),
        ("is unreadable", Some(&[][..])),
        ("is unreadable", Some(&zeroed)),
        ("was at entry 6", Some(&old)),
    ] {
        let copied = directory.path().join("copied");
        copy_directory(&data, &copied);
        let note = copied.join("journal.head");
        match content {
            None => fs::remove_file(&note).unwrap(),
            Some(bytes) => fs::write(&note, bytes).unwrap(),
        }
        let (code, said) = verified(&copied);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("journal.head") && said.contains(how),
            "{said}"
        );

        let (code, said) = Server::try_start(&copied, &[])
            .err()
            .expect("it is refused");
        assert_eq!(code, Some(1));
        let how = how.trim_start_matches("is ");
        assert!(
            said.contains(how) && said.contains("--accept-older-store"),
            "{said}"
        );
        let server = Server::start(&copied, &["--accept-older-store"]);
        let again = server.client().pay("second", BODY).await.unwrap();
        assert_eq!(again.frozen(), first.frozen());
        stop(server);
        Server::start(&copied, &[]).kill();
        fs::remove_dir_all(&copied).unwrap();
    }

    // A store that is gone is gone, whatever became of its note; and a database that is missing is called what it is.
    for content in [&[][..], &zeroed] {
        let copied = directory.path().join("copied");
        copy_directory(&data, &copied);
        fs::remove_dir_all(copied.join("store")).unwrap();
        fs::write(copied.join("journal.head"), content).unwrap();
        for arguments in [&[][..], &["--accept-older-store"]] {
            let (code, said) = Server::try_start(&copied, arguments)
                .err()
                .expect("it is refused");
            assert_eq!(code, Some(1));
            assert!(said.contains("its store is gone"), "{said}");
        }
        fs::remove_dir_all(&copied).unwrap();
    }
    let log = data.join(SEGMENT);
    fs::write(&log, "").unwrap();
    let (code, said) = Server::try_start(&data, &[]).err().expect("it is refused");
    assert_eq!(code, Some(1));
    assert!(said.contains("its journal cannot be opened"), "{said}");
    fs::remove_file(&log).unwrap();
    let (code, said) = Server::try_start(&data, &[]).err().expect("it is refused");
    assert_eq!(code, Some(1));
    assert!(said.contains("it has no journal"), "{said}");
    // Not even a store that has lost its note too is taken for an empty one.
    fs::remove_file(data.join("journal.head")).unwrap();
    let (_, said) = Server::try_start(&data, &[]).err().expect("it is refused");
    assert!(said.contains("it has no journal"), "{said}");
    assert!(!log.exists(), "nothing was made");
}

/// Only what was durable is ever indexed: an index that has more than the journal shows that the journal has lost something.
#[tokio::test]
async fn an_index_that_is_ahead_of_the_journal_shows_what_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (data, told) = store(directory.path()).await;
    let (journal, note) = (data.join("store/journal"), data.join("journal.head"));
    let earlier = directory.path().join("earlier");
    copy_directory(&journal, &earlier);
    let noted = fs::read(&note).unwrap();
    let server = Server::start(&data, &[]);
    server.client().pay("more", BODY).await.unwrap();
    stop(server);
    // Both are whole and fit each other, but for the index.
    fs::remove_dir_all(&journal).unwrap();
    copy_directory(&earlier, &journal);
    fs::write(&note, noted).unwrap();
    let (code, said) = Server::try_start(&data, &[]).err().expect("it is refused");
    assert_eq!(code, Some(1));
    assert!(said.contains("lost"), "{said}");
    assert!(!data.join("store/index.open").exists(), "the proof is kept");
    let (code, found) = verified(&data);
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("the index had this one"), "{found}");
    let rebuilt = rebuild_index(&data);
    let said = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
    assert!(!rebuilt.status.success() && said.contains("lost"), "{said}");
    let server = Server::start(&data, &["--accept-older-store"]);
    for (key, first) in &told {
        let again = server.client().pay(key, BODY).await.unwrap();
        assert_eq!(again.frozen(), first.frozen(), "{key}");
    }
    stop(server);
    assert_eq!(verified(&data).0, Some(0));
}

/// The index follows from the journal: whatever becomes of it, nothing is lost.
#[tokio::test]
async fn an_index_that_is_deleted_stale_or_from_elsewhere_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    let (data, told) = store(directory.path()).await;
    let elsewhere = directory.path().join("elsewhere");
    stop(Server::start(&elsewhere, &[]));
    let index = data.join("store/index");
    let earlier = directory.path().join("earlier");
    copy_directory(&index, &earlier);
    // More payments than that index knows.
    let server = Server::start(&data, &[]);
    let more = server.client().pay("more", BODY).await.unwrap();
    server.kill();
    for instead in [None, Some(&earlier), Some(&elsewhere.join("store/index"))] {
        fs::remove_dir_all(&index).unwrap();
        if let Some(instead) = instead {
            copy_directory(instead, &index);
        }
        assert_eq!(verified(&data).0, Some(0), "{instead:?}: before any start");
        let rebuilt = rebuild_index(&data);
        let said = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
        assert!(
            said.contains("Built the index of 183 entries."),
            "{rebuilt:?}"
        );
        assert_eq!(verified(&data).0, Some(0), "{instead:?}: rebuilt");
        fs::remove_dir_all(&index).unwrap();
        // At any moment: an opening that was killed while it built.
        fs::create_dir_all(data.join("store/index.new")).unwrap();
        fs::write(data.join("store/index.new/conf"), "half").unwrap();
        let server = Server::start(&data, &[]);
        for (key, first) in told.iter().chain([&("more".to_owned(), more.clone())]) {
            let again = server.client().pay(key, BODY).await.unwrap();
            assert_eq!(again.frozen(), first.frozen(), "{instead:?}: {key}");
        }
        stop(server);
        assert_eq!(verified(&data).0, Some(0), "{instead:?}");
    }
}

/// After a loss of power nobody knows what an index that was not closed is worth, even if it can be opened.
#[tokio::test]
async fn an_index_that_was_open_in_another_boot_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    let (data, told) = store(directory.path()).await;
    let opened = data.join("store/index.open");
    assert!(!opened.exists(), "it was closed");
    let server = Server::start(&data, &[]);
    server.client().pay("then killed", BODY).await.unwrap();
    server.kill();
    assert!(opened.exists());
    assert_eq!(
        verified(&data).0,
        Some(0),
        "what the index lacks follows from the journal"
    );
    // What is built again has nothing else in it.
    let trace = data.join("store/index/trace");
    fs::write(&trace, "").unwrap();
    Server::start(&data, &[]).kill();
    assert!(trace.exists(), "after a kill it is believed");
    fs::write(&opened, "another boot").unwrap();
    let server = Server::start(&data, &[]);
    assert!(!trace.exists(), "it was built again");
    for (key, first) in &told {
        let again = server.client().pay(key, BODY).await.unwrap();
        assert_eq!(again.frozen(), first.frozen(), "{key}");
    }
}

/// What is acknowledged then would be where nobody looks, and another service may serve in its place.
#[tokio::test]
async fn a_service_whose_data_directory_is_moved_away_or_replaced_stops() {
    for replaced in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let [data, moved, other] =
            ["data", "moved", "other"].map(|name| directory.path().join(name));
        let server = Server::start(&data, &[]);
        let first = server.client().pay("k", BODY).await.unwrap();
        Server::start(&other, &[]).kill();
        fs::rename(&data, &moved).unwrap();
        if replaced {
            fs::rename(&other, &data).unwrap();
        }
        // It notices by itself, also when nobody pays.
        let (ended, said) = server.wait();
        assert_eq!(ended.code(), Some(1), "{said}");
        assert!(said.contains("was moved away or replaced"), "{said}");
        let server = Server::start(&moved, &[]);
        let again = server.client().pay("k", BODY).await.unwrap();
        assert_eq!(again.frozen(), first.frozen());
    }
}
