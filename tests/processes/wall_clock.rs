//! The machine's clock is wrong, or is set while the service runs.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::{Path, PathBuf};

use holdfast_tests::sample::{BODY, debits};
use holdfast_tests::{Server, need_tool};
use http::StatusCode;

const INSTALL: &str = "Debian's package faketime";

/// A clock that can be set while a program runs: libfaketime, which reads from a file what it shows.
struct SetClock {
    library: PathBuf,
    file: PathBuf,
}

impl SetClock {
    fn new(directory: &Path) -> Self {
        let architectures = std::fs::read_dir("/usr/lib").unwrap();
        let library = architectures
            .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.exists())
            .expect("the library stands beside the tool");
        let file = directory.join("clock");
        let clock = Self { library, file };
        clock.set("+0s");
        clock
    }

    /// Sets it, at once: a time, or how far it is off.
    fn set(&self, time: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{time}\n")).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    fn environment(&self) -> [(&str, &str); 4] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}

/// Ahead and back by hours, before 1970, and where there are no dates any more.
const TIMES: [&str; 6] = [
    "+3h",
    "-3h",
    "1969-12-31 00:00:00",
    "@2200-01-01 00:00:00",
    "@9999-12-30 00:00:00",
    "+0s",
];

#[tokio::test]
async fn a_clock_that_is_set_moves_no_time_that_is_stamped_within_a_life() {
    if !need_tool("faketime", INSTALL) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let clock = SetClock::new(directory.path());
    let server = Server::start_in(&clock.environment(), &data, &[]);
    let mut times: Vec<String> = Vec::new();
    for (n, time) in TIMES.into_iter().enumerate() {
        clock.set(time);
        let paid = server.client().pay(&format!("k{n}"), BODY).await.unwrap();
        assert_eq!(paid.status, StatusCode::CREATED, "{time}: {paid:?}");
        times.push(paid.json()["created_at"].as_str().unwrap().to_owned());
    }
    assert!(times.is_sorted(), "{times:?}");
    let same_day = |time: &String| time[..7] == times[0][..7];
    assert!(times.iter().all(same_day), "{times:?}");

    // The next life does not begin before the last one ended.
    server.signal("TERM");
    server.wait();
    clock.set("-3h");
    let server = Server::start_in(&clock.environment(), &data, &[]);
    let paid = server.client().pay("after", BODY).await.unwrap();
    assert!(paid.json()["created_at"].as_str() >= times.last().map(String::as_str));
    let again = server.client().pay("k0", BODY).await.unwrap();
    assert_eq!(again.header("idempotent-replayed"), "true");
    drop(server);
    assert!(debits(&data).values().all(|times| *times == 1));
    assert_eq!(debits(&data).len(), TIMES.len() + 1);
}

#[tokio::test]
async fn a_start_before_1970_is_refused_with_what_to_do() {
    if !need_tool("faketime", INSTALL) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let clock = SetClock::new(directory.path());
    drop(Server::start_in(&clock.environment(), &data, &[]));
    clock.set("1969-12-31 00:00:00");
    for data in [&data, &directory.path().join("new")] {
        let refused = Server::try_start_in(&clock.environment(), data, &[]);
        let (code, said) = refused.map(drop).unwrap_err();
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("before 1970") && said.contains("Set the clock"),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    clock.set("+0s");
    let server = Server::start_in(&clock.environment(), &data, &[]);
    let paid = server.client().pay("k", BODY).await.unwrap();
    assert_eq!(paid.status, StatusCode::CREATED);
}
