//! The commit pipeline gathers what is about to come into one commit, and never more than it may.

use std::sync::Arc;

use holdfast_core::{Event, Operation, OperationId, Step, Timestamp, transition};
use holdfast_engine::fatal::Failure;
use holdfast_engine::metrics::Metrics;
use holdfast_engine::pipeline::{Admitted, Pipeline};
use holdfast_simulator::SimulatedStore;
use holdfast_tests::sample::{key, request};

fn admission(n: u128) -> Step {
    let now = Timestamp::from_unix_ms(1);
    let id = OperationId::from_uuid(uuid::Uuid::from_u128(n + 1));
    let received = Operation::received(id, key(&format!("k{n}")), request(5), now);
    transition(&received, &Event::Admit, now).expect("a received payment is admitted")
}

/// How many commits it takes when each writer comes after so many turns of the scheduler.
async fn commits(batch_max: usize, turns: &[usize]) -> u64 {
    let store = Arc::new(SimulatedStore::default());
    let (pipeline, run) = Pipeline::new(
        store.clone(),
        batch_max,
        Metrics::default(),
        Failure::default(),
    );
    tokio::spawn(run);
    let writers = (0..).zip(turns.to_owned()).map(|(n, turns)| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            pipeline.admit(admission(n)).await
        })
    });
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        let committed = writer.await.expect("no writer panics");
        assert!(
            matches!(committed, Ok(Admitted::Admitted { .. })),
            "{committed:?}"
        );
    }
    store.commits()
}

#[tokio::test]
async fn writers_that_are_about_to_come_are_waited_for() {
    assert_eq!(commits(256, &[0; 20]).await, 1);
    assert_eq!(
        commits(256, &[0, 1, 1, 1, 2, 2, 3, 4, 5]).await,
        1,
        "each brings the next"
    );
}

#[tokio::test]
async fn gathering_ends_when_nobody_comes() {
    assert_eq!(
        commits(256, &[0, 2]).await,
        1,
        "two quiet passes are waited for"
    );
    assert_eq!(commits(256, &[0, 3]).await, 2, "and no more");
}

#[tokio::test]
async fn a_batch_has_no_more_writes_than_it_may() {
    assert_eq!(commits(3, &[0; 10]).await, 4);
    assert_eq!(commits(1, &[0; 5]).await, 5);
    assert_eq!(commits(0, &[0; 2]).await, 2, "at least one");
    // Also of those that come while it gathers.
    assert_eq!(commits(3, &[0, 1, 1, 1]).await, 2);
}
