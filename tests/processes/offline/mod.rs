//! Verification, export and import, over real directories: what holds is said to hold, every difference
//! is named, and no bytes whatever make it panic or hang.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod damages;
mod formats;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use damages::DAMAGES;
use holdfast_bank_simulator::SIMULATED;
use holdfast_core::codec::{self, ValueKind};
use holdfast_core::{
    BankName, BankTransactionId, Decision, DeclineCode, DeclineMessage, Event, Evidence, Mark,
    Operation, Timestamp, transition,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, Verdict};
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_tests::sample::{BODY, DECLINED_BODY, key, mark, request};
use holdfast_tests::{Server, holdfast, raw_database, until_unlocked};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// No command may take longer on these small stores.
const PATIENCE: Duration = Duration::from_mins(1);

async fn run(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(holdfast());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    output.await.expect("the command ends").unwrap()
}

async fn verify(data: &Path) -> (Option<i32>, Value, String) {
    let output = run(&["verify", "--json", "--data", data.to_str().unwrap()]).await;
    let result = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (
        output.status.code(),
        result,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A store with settled, failed and unfinished payments of which the service was killed.
async fn store(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    let server = Server::start(&data, &[]);
    for n in 0..30 {
        let body = if n % 5 == 0 { DECLINED_BODY } else { BODY };
        server.client().pay(&format!("k{n}"), body).await.unwrap();
    }
    server.kill();
    let server = Server::start(&data, &["--bank-latency-ms", "60000"]);
    for n in 0..3 {
        let at_once = [("prefer", "wait=0")];
        let key = format!("open{n}");
        server
            .client()
            .pay_with(&key, BODY, &at_once)
            .await
            .unwrap();
    }
    server.kill();
    contradict(&data).await;
    data
}

/// Adds a declined payment that the bank contradicts twice.
async fn contradict(data: &Path) {
    let store = LocalStore::open(&LocalOptions {
        directory: data.to_owned(),
        accept_older: false,
        neighbours: Vec::new(),
        cache_bytes: 1 << 20,
    });
    let store = store.unwrap();
    let now = Timestamp::from_unix_ms(1_700_000_000_000);
    let id = SeededSource::new([9; 32]).operation_id(now);
    let mut payment = Operation::received(id, key("zz-contradicted"), request(500), now);
    let confirmed = |id: &str| Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new(id).unwrap(),
        },
        evidence: Evidence::Inquiry,
    };
    let declined = Event::Decided {
        decision: Decision::Declined {
            code: DeclineCode::new("insufficient_funds").unwrap(),
            message: DeclineMessage::new("No.").unwrap(),
        },
        evidence: Evidence::Answer,
    };
    let here = Mark {
        bank: BankName::new(SIMULATED).unwrap(),
        ..(*mark()).clone()
    };
    let events = [
        Event::Admit,
        Event::Dispatch(here.into()),
        declined,
        confirmed("b_1"),
        confirmed("b_2"),
    ];
    for event in events {
        let step = transition(&payment, &event, now).unwrap();
        payment = step.operation.clone();
        let verdicts = store.commit(vec![step]).await.unwrap();
        assert_eq!(verdicts, [Verdict::Applied]);
    }
    store.close().await.unwrap();
    drop(store);
    until_unlocked(data).await;
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status()
        .unwrap();
    assert!(copied.success());
}

/// Every file below a directory, by its path.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_store_that_holds_is_said_to_hold_and_is_only_read() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let before = files(&data);
    let (code, result, said) = verify(&data).await;
    assert_eq!(code, Some(0), "{result} {said}");
    assert_eq!(
        (&result["ok"], &result["differences"]),
        (&true.into(), &0.into())
    );
    assert_eq!(
        (&result["payments"], &result["unfinished"]),
        (&34.into(), &3.into())
    );
    assert_eq!(result["entries"], result["head"]["sequence"]);
    assert!(files(&data) == before, "not a byte was changed");

    let output = run(&["verify", "--data", data.to_str().unwrap()]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("No differences."));

    let server = Server::start(&data, &[]);
    let (code, _, said) = verify(&data).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by a running Holdfast"), "{said}");
    drop(server);
    let (code, _, said) = verify(directory.path()).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("is not a Holdfast data directory"), "{said}");
}

#[tokio::test]
async fn every_difference_is_named_with_its_place_and_meaning() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    for (n, (name, place, says, damage)) in DAMAGES.into_iter().enumerate() {
        let damaged = directory.path().join(format!("damaged{n}"));
        copy(&data, &damaged);
        {
            let database = raw_database(&damaged);
            damage(&database, &damaged);
            database.flush().unwrap();
        }
        let (code, result, said) = verify(&damaged).await;
        assert_eq!(code, Some(1), "{name}: {result} {said}");
        let findings = result["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| {
            finding["tree"] == place && finding["problem"].as_str().unwrap().contains(says)
        });
        let found = found.unwrap_or_else(|| panic!("{name}: {result}"));
        for member in ["key", "problem", "meaning"] {
            assert!(
                !found[member].as_str().unwrap().is_empty(),
                "{name}: {found}"
            );
        }
    }
}

/// Bits flipped, files cut, pages swapped: whatever the bytes, it ends with a code of its own.
/// `HOLDFAST_TEST_FUZZ` sets the number of cases.
#[tokio::test]
async fn arbitrary_damage_of_the_files_never_panics_or_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let cases = std::env::var("HOLDFAST_TEST_FUZZ").map_or(30, |text| text.parse().unwrap());
    let mut random = StdRng::seed_from_u64(cases);
    let (_, sound, _) = verify(&data).await;
    let mut named = 0;
    for n in 0..cases {
        let damaged = directory.path().join(format!("fuzz{n}"));
        copy(&data, &damaged);
        let paths: Vec<_> = files(&damaged.join("store")).into_keys().collect();
        let path = &paths[random.random_range(0..paths.len())];
        let mut bytes = std::fs::read(path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        // sled sets the log's size in advance; damage where something was written.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let at = random.random_range(0..used);
        match n % 4 {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(at),
            2 => {
                let other = random.random_range(0..used);
                let length = 512.min(used - at).min(used - other);
                let piece = bytes[at..at + length].to_vec();
                bytes.copy_within(other..other + length, at);
                bytes[other..other + length].copy_from_slice(&piece);
            }
            _ => {
                let end = (at + 4_096).min(bytes.len());
                random.fill(&mut bytes[at..end]);
            }
        }
        std::fs::write(path, bytes).unwrap();
        let started = Instant::now();
        let (code, result, said) = verify(&damaged).await;
        std::fs::remove_dir_all(&damaged).unwrap();
        let case = format!(
            "case {n}, {}, {:?}: {result} {said}",
            path.display(),
            started.elapsed()
        );
        assert!(matches!(code, Some(0 | 1)), "{case}");
        // What holds is the store as it was, or a shorter one: sled drops a torn end.
        if code == Some(0) {
            let (end, whole) = (&result["head"]["sequence"], &sound["head"]["sequence"]);
            assert!(end.as_u64() <= whole.as_u64(), "{case}");
            if end == whole {
                assert_eq!(result["head"], sound["head"], "{case}");
                assert_eq!(result["payments"], sound["payments"], "{case}");
            }
        }
        named += u64::from(code == Some(1));
        assert!(!said.contains("panicked"), "{case}");
        assert!(
            code == Some(0) || result["ok"] == false || !said.is_empty(),
            "{case}"
        );
    }
    assert!(named > 0, "no damage was ever noticed");
}

#[tokio::test]
async fn an_export_makes_the_same_store_again_and_its_clients_notice_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (out, restored) = (path("journal.jsonl"), path("restored"));
    let data = data.to_str().unwrap();
    let exported = run(&["export", "--data", data, "--out", &out]).await;
    assert!(exported.status.success(), "{exported:?}");
    let again = run(&["export", "--data", data, "--out", &out]).await;
    assert_eq!(
        again.status.code(),
        Some(1),
        "never over a file that is there"
    );

    let imported = run(&["import", "--data", &restored, "--in", &out]).await;
    assert!(imported.status.success(), "{imported:?}");
    let (code, of_copy, said) = verify(Path::new(&restored)).await;
    assert_eq!(code, Some(0), "{of_copy} {said}");
    let (_, of_original, _) = verify(Path::new(data)).await;
    assert_eq!(
        of_copy, of_original,
        "the same entries, payments, balances and chain"
    );
    let refused = run(&["import", "--data", &restored, "--in", &out]).await;
    assert_eq!(
        refused.status.code(),
        Some(1),
        "only into an empty directory"
    );

    let original = Server::start(Path::new(data), &[]);
    let copy = Server::start(Path::new(&restored), &[]);
    for key in ["k0", "k1", "k29"] {
        let body = if key == "k0" { DECLINED_BODY } else { BODY };
        let (one, other) = (original.client(), copy.client());
        let (one, other) = (
            one.pay(key, body).await.unwrap(),
            other.pay(key, body).await.unwrap(),
        );
        assert_eq!(one.frozen(), other.frozen());
        assert_eq!(other.header("idempotent-replayed"), "true");
    }
    // The unfinished payments go on there as they would here.
    for n in 0..3 {
        let ended = copy.client().pay(&format!("open{n}"), BODY).await.unwrap();
        assert!(ended.is_final(), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_service_is_exported_through_its_journal() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (live, stopped) = (path("live.jsonl"), path("stopped.jsonl"));
    let server = Server::start(&data, &[]);
    for n in 0..3 {
        server
            .client()
            .pay(&format!("open{n}"), BODY)
            .await
            .unwrap();
    }
    // In the environment of a service, which names its directory.
    let exported = tokio::process::Command::new(holdfast())
        .args(["export", "--url", &server.url(), "--out", &live])
        .env("HOLDFAST_DATA", &data)
        .output();
    let exported = exported.await.unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let both = [
        "export",
        "--url",
        &server.url(),
        "--data",
        "x",
        "--out",
        "y",
    ];
    assert_eq!(run(&both).await.status.code(), Some(2));
    server.signal("TERM");
    server.wait();
    let exported = run(&[
        "export",
        "--data",
        data.to_str().unwrap(),
        "--out",
        &stopped,
    ])
    .await;
    assert!(exported.status.success(), "{exported:?}");
    assert!(
        std::fs::read(&live).unwrap() == std::fs::read(&stopped).unwrap(),
        "the same bytes"
    );

    let nowhere = path("nowhere.jsonl");
    let refused = run(&["export", "--url", "http://127.0.0.1:9", "--out", &nowhere]).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Connection refused"), "{said}");
    assert!(
        !said.contains("Error {") && !said.contains("kind:"),
        "{said}"
    );
    assert!(!Path::new(&nowhere).exists(), "no half an export is left");
    for (url, says) in [
        ("127.0.0.1:9", "is not the URL of a service"),
        ("localhost:9", "is not the URL of a service"),
        ("http://127.0.0.1:9/?x=1", "a query"),
    ] {
        let refused = run(&["export", "--url", url, "--out", &nowhere]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn an_export_that_was_changed_or_cut_off_leaves_nothing_that_serves() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let out = path("journal.jsonl");
    run(&["export", "--data", data.to_str().unwrap(), "--out", &out]).await;
    let whole = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |n: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != n);
        let kept: Vec<&str> = kept.map(|(_, line)| *line).collect();
        kept.join("\n") + "\n"
    };
    let cases = [
        ("cut in a line", whole[..whole.len() * 2 / 3].to_owned()),
        ("without its last line", without(lines.len() - 1)),
        ("without a line in the middle", without(7)),
        ("without its first line", without(0)),
        ("an amount changed", whole.replacen("1999", "1998", 1)),
        (
            "a newer version",
            whole.replacen("\"version\":1", "\"version\":2", 1),
        ),
        ("something at the end", format!("{whole}{{}}\n")),
        ("nothing", String::new()),
    ];
    for (n, (name, text)) in cases.into_iter().enumerate() {
        let (input, target) = (path(&format!("in{n}")), path(&format!("target{n}")));
        std::fs::write(&input, text).unwrap();
        let refused = run(&["import", "--data", &target, "--in", &input]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{name}: {said}");
        assert!(
            !said.is_empty() && !said.contains("panicked"),
            "{name}: {said}"
        );
        assert!(!Path::new(&target).join("store").exists(), "{name}");
        // Nor does a service start there as if nothing had been wanted.
        let serve = run(&["serve", "--data", &target, "--listen", "127.0.0.1:0"]).await;
        assert_eq!(serve.status.code(), Some(1), "{name}: {serve:?}");
        // The directory is as good as new.
        let imported = run(&["import", "--data", &target, "--in", &out]).await;
        assert!(imported.status.success(), "{name}: {imported:?}");
    }
}

/// A kill in the middle of an import leaves its work under a name of its own: a service that took that
/// for an empty directory would charge every payment of the export again.
#[tokio::test]
async fn no_service_starts_on_an_import_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let out = path("journal.jsonl");
    run(&["export", "--data", data.to_str().unwrap(), "--out", &out]).await;
    let target = path("target");
    let mut importing = tokio::process::Command::new(holdfast())
        .args(["import", "--data", &target, "--in", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let half = std::fs::read(&out).unwrap();
    let input = importing.stdin.as_mut().unwrap();
    input.write_all(&half[..half.len() / 2]).await.unwrap();
    let begun = Instant::now();
    while !Path::new(&target).join("store.import").exists() {
        assert!(begun.elapsed() < PATIENCE, "the import does not begin");
        tokio::task::yield_now().await;
    }
    importing.kill().await.unwrap();
    let refused = run(&["serve", "--data", &target, "--listen", "127.0.0.1:0"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("holdfast import"), "{said}");
    let imported = run(&["import", "--data", &target, "--in", &out]).await;
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(verify(Path::new(&target)).await.0, Some(0));
}

/// A start reads the journal from the low-water mark on. A mark that leads nowhere keeps the store from
/// opening, also when nothing is unfinished.
#[tokio::test]
async fn a_low_water_mark_that_leads_nowhere_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &[]);
    for n in 0..3 {
        server.client().pay(&format!("k{n}"), BODY).await.unwrap();
    }
    server.signal("TERM");
    server.wait();
    assert_eq!(verify(&data).await.0, Some(0));
    for (n, mark) in [0_u64, 2, 1_000_000].into_iter().enumerate() {
        let damaged = directory.path().join(format!("damaged{n}"));
        copy(&data, &damaged);
        {
            let database = raw_database(&damaged);
            let value = codec::encode(ValueKind::Meta, b"low_water", &mark).unwrap();
            let meta = database.open_tree("meta").unwrap();
            meta.insert("low_water", value).unwrap();
            database.flush().unwrap();
        }
        let (code, result, _) = verify(&damaged).await;
        assert_eq!(code, Some(1), "{mark}: {result}");
        assert_eq!(
            result["findings"][0]["key"], "low_water",
            "{mark}: {result}"
        );
    }
}

/// Half a journal looks like a whole one when the rest belongs to others; as a backup it would lose their
/// payments.
#[tokio::test]
async fn a_service_of_several_merchants_is_not_exported_in_part() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = String::new();
    let mut secrets = Vec::new();
    for merchant in ["first", "second", "third"] {
        let arguments = [
            "api-key",
            "new",
            "--merchant",
            merchant,
            "--role",
            "operator",
        ];
        let made = run(&arguments).await;
        let text = String::from_utf8(made.stdout).unwrap();
        let secret = text.split_whitespace().find(|word| word.starts_with("hf_"));
        secrets.push(secret.unwrap().to_owned());
        config.push_str(&text[text.find("[[api_keys]]").unwrap()..]);
    }
    let file = directory.path().join("holdfast.toml");
    std::fs::write(&file, config).unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &["--config", file.to_str().unwrap()]);
    for (n, secret) in secrets[..2].iter().enumerate() {
        let bearer = format!("Bearer {secret}");
        let headers = [("authorization", bearer.as_str())];
        let paid = server
            .client()
            .pay_with(&format!("k{n}"), BODY, &headers)
            .await;
        assert_eq!(paid.unwrap().status, 201);
    }
    for (n, secret) in secrets.iter().enumerate() {
        let out = directory.path().join(format!("out{n}"));
        let arguments = [
            "export",
            "--url",
            &server.url(),
            "--api-key",
            secret,
            "--out",
            out.to_str().unwrap(),
        ];
        let refused = run(&arguments).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("another merchant"), "{said}");
        assert!(!out.exists());
    }
}
