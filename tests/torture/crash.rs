//! `kill -9` at many moments, after SIGSTOP and SIGCONT too, under load of unique and duplicate keys: no
//! acknowledged answer changes, and each key is charged exactly once.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_tests::sample::debits;
use holdfast_tests::{Server, Told, alone, ask_again, hammer, scatter};

/// Lives of the service; each ends with a kill. `HOLDFAST_TEST_KILLS` sets another number.
const KILLS: u64 = 25;
const CLIENTS: u64 = 16;
/// So often it says how far it is.
const PROGRESS: u64 = 100;
/// Apart from the draws of the kills.
const STOPS: u64 = 1 << 40;

#[tokio::test]
async fn acknowledged_answers_outlive_kill_9_and_each_key_is_charged_once() {
    let _turn = alone("kills must hit work in progress, not a service that waits for CPU");
    let kills = std::env::var("HOLDFAST_TEST_KILLS")
        .ok()
        .and_then(|n| n.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    let data = tempfile::tempdir().unwrap();
    let told = Mutex::new(Told::default());
    let arguments = ["--bank-latency-ms", "3", "--bank-calls-max", "12"];
    for life in 0..kills {
        let server = Server::start(data.path(), &arguments);
        let http = server.client();
        let load = join_all((0..CLIENTS).map(|client| hammer(&http, &told, life, client)));
        // The kill falls anywhere from the first milliseconds, when recovery still runs, to well
        // into the load.
        let mut load = std::pin::pin!(load);
        let mut run_for = async |dice: u64| {
            let _ = tokio::time::timeout(Duration::from_millis(dice % 160), &mut load).await;
        };
        run_for(scatter(life)).await;
        // Some are stopped before, and of those some go on for a while.
        let dice = scatter(life + STOPS);
        if dice.is_multiple_of(3) {
            server.signal("STOP");
            run_for(dice / 3 % 50).await;
            if (dice / 256).is_multiple_of(2) {
                server.signal("CONT");
                run_for(dice / 512).await;
            }
        }
        server.kill();
        let told = told.lock().unwrap();
        assert_eq!(told.wrong(), None, "life {life}");
        if (life + 1).is_multiple_of(PROGRESS) {
            println!("{} kills, {}", life + 1, told.summary());
        }
    }

    let server = Server::start(data.path(), &arguments);
    let client = server.client();
    let sent = {
        let told = told.lock().unwrap();
        let acknowledged = told.last().len();
        assert!(
            acknowledged > 50,
            "the load was acknowledged at all: {acknowledged}"
        );
        told.sent().clone()
    };
    ask_again(&client, &told, sent).await;
    let told = told.into_inner().unwrap();
    assert_eq!(told.wrong(), None);
    println!("{kills} kills, {}", told.summary());
    assert!(told.replays() >= told.last().len() as u64 / 2);
    told.agrees_with_books(&debits(data.path()));
}
