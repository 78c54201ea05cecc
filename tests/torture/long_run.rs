//! Hours of mixed load with restarts: what a service takes and how fast it answers must not depend on how long it has run.
//!
//! Ten seconds by default. `HOLDFAST_TEST_LONG_RUN_MINUTES` sets the time, and `HOLDFAST_TEST_LONG_RUN_REPORT` a file that the
//! table of the run is written to.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_tests::bank_books::debits;
use holdfast_tests::sample::BODY;
use holdfast_tests::{Lives, Server, Told, alone, bytes_below, memory_kib, scatter};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

const SECONDS: u64 = 10;
/// Rows of the table. After each the service is restarted: ended in order, then by `kill -9`, by turns.
const ROWS: u64 = 12;
/// So often a second each kind of request is sent, whether those before were answered or not.
const RATES: [(Kind, u64); 3] = [(Kind::Fresh, 150), (Kind::Replay, 150), (Kind::Read, 50)];
/// Keys that are asked for once more at the end.
const ASKED_AGAIN: usize = 20_000;
/// The memory of a service may be so much more in the last quarter of a run than in the first, in KiB...
const GROWTH_MAX_KIB: u64 = 16 * 1024;
/// ... and for each payment that has come since, in bytes: the database keeps a table of all its pages.
const BYTES_PER_PAYMENT_MAX: u64 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fresh,
    Replay,
    Read,
}

/// What all tasks share.
struct Run {
    lives: Lives,
    told: Mutex<Told>,
    /// Keys with their final answer, in the order of their ends.
    known: Mutex<Vec<String>>,
    /// How long each answer took since the last row, in microseconds, by kind. Requests that met a restart are left out.
    took_us: Mutex<BTreeMap<Kind, Vec<u64>>>,
    /// Requests that met a restart.
    repeated: Mutex<u64>,
}

impl Run {
    async fn request(&self, kind: Kind, n: u64) {
        let known = {
            let known = self.known.lock().unwrap();
            let at = usize::try_from(scatter(n)).unwrap() % known.len().max(1);
            known.get(at).cloned()
        };
        let began = Instant::now();
        let client = self.lives.client();
        match (kind, known) {
            (Kind::Fresh, _) => {
                let key = format!("key-{n}");
                self.told.lock().unwrap().send(&key);
                let answered = self.pay(&key, began).await;
                if answered {
                    self.known.lock().unwrap().push(key);
                }
            }
            (Kind::Replay, Some(key)) => {
                self.pay(&key, began).await;
            }
            (Kind::Read, Some(key)) => {
                let path = match n % 4 {
                    0 => {
                        let told = self.told.lock().unwrap();
                        told.last()[&key].header("location").to_owned()
                    }
                    1 => format!("/v1/payments?idempotency_key={key}"),
                    2 => "/v1/accounts/acct_alice".to_owned(),
                    _ => format!("/v1/events?after={}", n / 4),
                };
                match client.get(&path).await {
                    Ok(answer) if answer.status == 200 => self.took(kind, began),
                    Ok(answer) => assert_eq!(answer.status, 503, "{path}: {answer:?}"),
                    Err(_) => *self.repeated.lock().unwrap() += 1,
                }
            }
            (Kind::Replay | Kind::Read, None) => {}
        }
    }

    /// Pays until there is a final answer.
    async fn pay(&self, key: &str, began: Instant) -> bool {
        let client = self.lives.client();
        let (answer, first) = match client.pay(key, BODY).await {
            Ok(answer) if answer.is_final() => (answer, true),
            Ok(_) | Err(_) => (self.lives.pay(key, BODY, 60).await, false),
        };
        if first {
            let kind = match answer.header("idempotent-replayed") {
                "true" => Kind::Replay,
                _ => Kind::Fresh,
            };
            self.took(kind, began);
        } else {
            *self.repeated.lock().unwrap() += 1;
        }
        let ended = answer.is_final();
        self.told.lock().unwrap().hear(key, answer);
        ended
    }

    fn took(&self, kind: Kind, began: Instant) {
        let us = u64::try_from(began.elapsed().as_micros()).unwrap();
        let mut took_us = self.took_us.lock().unwrap();
        took_us.entry(kind).or_default().push(us);
    }

    /// Sends one kind of request at its rate until the end.
    async fn send(self: Arc<Self>, kind: Kind, rate: u64, until: Instant) {
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for n in 0.. {
            ticks.tick().await;
            if Instant::now() >= until {
                break;
            }
            let run = self.clone();
            requests.spawn(async move { run.request(kind, n).await });
            while let Some(ended) = requests.try_join_next() {
                ended.unwrap();
            }
        }
        while let Some(ended) = requests.join_next().await {
            ended.unwrap();
        }
    }

    /// The quantiles of a kind since the last row, in milliseconds, as cells of the table.
    fn cells(&self, kind: Kind) -> String {
        let mut took_us = self.took_us.lock().unwrap();
        let mut took_us = took_us.remove(&kind).unwrap_or_default();
        took_us.sort_unstable();
        let at = |percent: usize| {
            let us = took_us.get((took_us.len().saturating_sub(1)) * percent / 100);
            us.map_or("-".to_owned(), |us| {
                format!("{}.{}", us / 1000, us % 1000 / 100)
            })
        };
        format!("{} | {}", at(50), at(99))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_disk_and_latency_do_not_depend_on_how_long_it_has_run() {
    let _turn = alone("measures memory and response times");
    let minutes = std::env::var("HOLDFAST_TEST_LONG_RUN_MINUTES");
    let seconds = minutes.map_or(SECONDS, |minutes| minutes.parse::<u64>().unwrap() * 60);
    let data = tempfile::tempdir().unwrap();
    let bank = Server::start_bank(&[]);
    let url = bank.url();
    // Caches that are full before long, so that what is still growing afterwards would show.
    let arguments = [
        "--bank",
        &url,
        "--cache-mib",
        "8",
        "--store-cache-mib",
        "32",
    ];
    let run = Arc::new(Run {
        lives: Lives::start(data.path().to_owned(), &arguments),
        told: Mutex::default(),
        known: Mutex::default(),
        took_us: Mutex::default(),
        repeated: Mutex::default(),
    });
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut load = JoinSet::new();
    for (kind, rate) in RATES {
        load.spawn(run.clone().send(kind, rate, until));
    }

    let mut table = String::from(
        "| payments | memory, MiB | store, MiB | bytes a payment | new, p50 | p99 | replay, p50 | p99 | read, p50 | p99 | restart |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    let (mut memory, mut stored) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        let ends_after = Duration::from_millis(seconds * 1000 * (row + 1) / ROWS);
        tokio::time::sleep_until(began + ends_after).await;
        let payments = run.known.lock().unwrap().len() as u64;
        let kib = memory_kib(run.lives.pid().await, "VmRSS").unwrap_or(0);
        let store = bytes_below(&data.path().join("store"));
        memory.push(kib);
        stored.push(payments);
        let cells = [Kind::Fresh, Kind::Replay, Kind::Read].map(|kind| run.cells(kind));
        let restarted = Instant::now();
        let how = if row + 1 == ROWS {
            "-".to_owned()
        } else if row % 2 == 0 {
            run.lives.stop_and_restart().await;
            format!("SIGTERM, {} ms", restarted.elapsed().as_millis())
        } else {
            run.lives.kill_and_restart().await;
            format!("`kill -9`, {} ms", restarted.elapsed().as_millis())
        };
        let line = format!(
            "| {payments} | {} | {} | {} | {} | {how} |",
            kib >> 10,
            store >> 20,
            store / payments.max(1),
            cells.join(" | "),
        );
        println!("{line}");
        writeln!(table, "{line}").unwrap();
        assert_eq!(run.told.lock().unwrap().wrong(), None);
    }
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }

    let known = run.known.lock().unwrap().clone();
    let step = known.len().div_ceil(ASKED_AGAIN).max(1);
    for key in known.iter().step_by(step) {
        let answer = run.lives.pay(key, BODY, 60).await;
        run.told.lock().unwrap().hear(key, answer);
    }
    let booked = debits(&bank).await;
    let told = run.told.lock().unwrap();
    assert_eq!(told.wrong(), None);
    let repeated = run.repeated.lock().unwrap();
    println!("{}; {repeated} requests met a restart", told.summary());
    told.agrees_with_books(&booked);
    if let Ok(path) = std::env::var("HOLDFAST_TEST_LONG_RUN_REPORT") {
        std::fs::write(path, &table).unwrap();
    }
    let quarter = usize::try_from(ROWS / 4).unwrap();
    // The median: requests that waited for a restart come all at once, and make a row stand out. What grows lifts every row.
    let median = |rows: &[u64]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows[rows.len() / 2]
    };
    let (first, last) = (
        median(&memory[..quarter]),
        median(&memory[memory.len() - quarter..]),
    );
    let more = stored[stored.len() - 1] - stored[quarter - 1];
    let most_kib = first + GROWTH_MAX_KIB + more * BYTES_PER_PAYMENT_MAX / 1024;
    assert!(
        last <= most_kib,
        "{first} KiB in the first quarter, {last} KiB in the last, {more} payments later"
    );
}
