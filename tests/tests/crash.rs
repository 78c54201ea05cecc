//! `kill -9` at many moments, under load of unique and duplicate keys: no acknowledged answer
//! changes, and each key is charged exactly once.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_tests::sample::{BODY, debits};
use holdfast_tests::{Answer, Server};
use http::StatusCode;

/// Lives of the service; each ends with a kill. `HOLDFAST_TEST_KILLS` sets another number.
const KILLS: u64 = 25;
const CLIENTS: u64 = 16;

/// What clients were told, by key.
#[derive(Default)]
struct Told {
    sent: BTreeSet<String>,
    /// Location of the payment, from any answer.
    location: BTreeMap<String, String>,
    /// The frozen answer, once there was one.
    last: BTreeMap<String, Answer>,
    replays: u64,
}

impl Told {
    fn hear(&mut self, key: &str, answer: Answer) {
        assert!(
            answer.is_final()
                || answer.status == StatusCode::ACCEPTED
                || answer.status.as_u16() == 503,
            "{key}: {answer:?}"
        );
        let location = answer.header("location").to_owned();
        if !location.is_empty() {
            let first = self
                .location
                .entry(key.to_owned())
                .or_insert_with(|| location.clone());
            assert_eq!(*first, location, "{key} is one payment for ever");
        }
        if answer.is_final() {
            if let Some(first) = self.last.get(key) {
                assert_eq!(
                    first.frozen(),
                    answer.frozen(),
                    "{key} was acknowledged otherwise"
                );
                self.replays += 1;
            } else {
                self.last.insert(key.to_owned(), answer);
            }
        }
    }
}

/// Numbers that look random and follow from their place (the finaliser of `SplitMix64`).
fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One client: new keys, duplicates of its neighbours' keys, and retries of old ones, until the
/// process is gone.
async fn hammer(server: &Server, told: &Mutex<Told>, life: u64, client: u64) {
    let http = server.client();
    for n in 0.. {
        let dice = scatter(life << 32 | client << 24 | n);
        let key = match dice % 4 {
            // Shared by all clients of this life: concurrent duplicates.
            0 | 1 => format!("shared-{life}-{n}"),
            // From an earlier life: a late retry.
            2 if life > 0 => format!("shared-{}-{}", dice / 8 % life, dice / 1024 % 20),
            _ => format!("own-{life}-{client}-{n}"),
        };
        told.lock().unwrap().sent.insert(key.clone());
        let Ok(answer) = http.pay(&key, BODY).await else {
            return;
        };
        told.lock().unwrap().hear(&key, answer);
    }
}

#[tokio::test]
async fn acknowledged_answers_outlive_kill_9_and_each_key_is_charged_once() {
    let kills = std::env::var("HOLDFAST_TEST_KILLS")
        .ok()
        .and_then(|n| n.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    let data = tempfile::tempdir().unwrap();
    let told = Mutex::new(Told::default());
    let arguments = ["--bank-latency-ms", "3", "--bank-calls-max", "12"];
    for life in 0..kills {
        let server = Server::start(data.path(), &arguments);
        let load = join_all((0..CLIENTS).map(|client| hammer(&server, &told, life, client)));
        // The kill falls anywhere from the first milliseconds, when recovery still runs, to well
        // into the load.
        let moment = Duration::from_millis(scatter(life) % 160);
        let _ = tokio::time::timeout(moment, load).await;
        server.kill();
    }

    let server = Server::start(data.path(), &arguments);
    let client = server.client();
    let mut told = told.into_inner().unwrap();
    assert!(
        told.last.len() > 50,
        "the load was acknowledged at all: {}",
        told.last.len()
    );
    for key in told.sent.clone() {
        let answer = client.pay(&key, BODY).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{key} settles: {answer:?}"
        );
        told.hear(&key, answer);
    }
    assert!(told.replays >= told.last.len() as u64 / 2);

    // The bank's own books are the judge.
    let debits = debits(data.path());
    assert_eq!(
        debits.len(),
        told.sent.len(),
        "one debit per key, none besides"
    );
    for (key, answer) in &told.last {
        let reference = answer.json()["bank_reference"].as_str().unwrap().to_owned();
        assert_eq!(debits.get(&reference), Some(&1), "{key} was debited once");
    }
}
