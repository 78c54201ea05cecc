//! The commit pipeline: the one way to write.
//!
//! It takes whatever waits, hands it to the store as one batch (one transaction, one sync), then
//! answers everyone. While one batch syncs the next one gathers. It is also the only place that
//! makes [`SendPermit`]s, and it makes them only from durable marks.

mod permit;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use crate::fatal::{Failure, FatalError};
use crate::ledger::LedgerError;
use crate::metrics::Metrics;
use crate::payment::{Payment, Phase, State};
use crate::store::{Store, Verdict, Write};
pub use permit::SendPermit;

/// Most writes that wait for a batch. Beyond it submitting waits, which slows admission down before
/// memory grows.
pub const QUEUE_MAX: usize = 4096;

/// Most writes of one batch unless another number is given: it bounds how long the last in line waits and how large a transaction
/// gets, and is past the point where more grouping saves anything.
pub const BATCH_MAX: usize = 256;

/// Gathering ends after so many passes over the runnable tasks without a new write. One catches most
/// of what is on its way; a second costs next to nothing and catches those that needed one more turn.
const QUIET_PASSES: usize = 2;

/// What became of a write.
#[derive(Debug)]
pub enum Committed {
    /// It is durable.
    Applied {
        /// The payment as it stands.
        payment: Arc<Payment>,
        /// The right to send, when the write ended with an attempt.
        permit: Option<SendPermit>,
    },
    /// Another writer was first.
    Lost {
        /// The record that stands, if any.
        current: Option<Arc<Payment>>,
    },
    /// An account has no room for the hold of an admission; nothing was written.
    Refused(LedgerError),
}

/// The pipeline stopped: the write may or may not be durable, and only a restart will tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the commit pipeline has stopped")]
pub struct Stopped;

struct Submission {
    write: Write,
    answer: oneshot::Sender<Committed>,
}

/// Submits writes; clones share one pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    queue: mpsc::Sender<Submission>,
}

impl Pipeline {
    /// A pipeline that commits at most `batch_max` writes at once, and the task that runs it; the task ends when every handle is gone and all is
    /// written, or at the first failure of the store, which it reports to `failure`.
    pub fn new(
        store: Arc<dyn Store>,
        batch_max: usize,
        metrics: Metrics,
        failure: Failure,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        (
            Self { queue },
            run(store, batch_max, metrics, failure, waiting),
        )
    }

    /// Makes a write durable, and returns only then.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub async fn commit(&self, write: Write) -> Result<Committed, Stopped> {
        let span = tracing::debug_span!("commit", to = ?write.last().state.name());
        let committed = async {
            let (answer, committed) = oneshot::channel();
            self.queue
                .send(Submission { write, answer })
                .await
                .map_err(|_| Stopped)?;
            committed.await.map_err(|_| Stopped)
        };
        committed.instrument(span).await
    }
}

async fn run(
    store: Arc<dyn Store>,
    batch_max: usize,
    metrics: Metrics,
    failure: Failure,
    mut waiting: mpsc::Receiver<Submission>,
) {
    let batch_max = batch_max.max(1);
    let mut submissions = Vec::with_capacity(batch_max);
    while waiting.recv_many(&mut submissions, batch_max).await > 0 {
        gather(&mut waiting, &mut submissions, batch_max).await;
        if failure.is_set() {
            // Whatever failed, nothing is built on this store any more.
            return;
        }
        let mut batch = Vec::with_capacity(submissions.len());
        let mut answers = Vec::with_capacity(submissions.len());
        for Submission { write, answer } in submissions.drain(..) {
            answers.push((Arc::new(write.last().clone()), answer));
            batch.push(write);
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52")]
        metrics.batch_size.observe(batch.len() as f64);
        let started = Instant::now();
        match store.commit(batch).await {
            Ok(verdicts) => {
                metrics
                    .commit_seconds
                    .observe(started.elapsed().as_secs_f64());
                assert_eq!(verdicts.len(), answers.len(), "one verdict per write");
                for ((payment, answer), verdict) in answers.into_iter().zip(verdicts) {
                    // Whoever asked may be gone; what is written stays written.
                    let _ = answer.send(committed(payment, verdict));
                }
            }
            Err(error) => {
                // Everyone who waits learns from the closed channel that the outcome is open.
                failure.report(FatalError::Store(error));
                return;
            }
        }
    }
}

/// Lets whoever is about to submit do so before the batch closes.
///
/// A commit costs the same for one write as for many, and those that the last commit answered are
/// often just about to come back. Nobody waits for a timer: a pass lets every runnable task run once,
/// and gathering ends when passes bring nothing new.
async fn gather(
    waiting: &mut mpsc::Receiver<Submission>,
    submissions: &mut Vec<Submission>,
    batch_max: usize,
) {
    let mut quiet_passes = 0;
    while quiet_passes < QUIET_PASSES && submissions.len() < batch_max {
        tokio::task::yield_now().await;
        let before = submissions.len();
        while submissions.len() < batch_max
            && let Ok(submission) = waiting.try_recv()
        {
            submissions.push(submission);
        }
        quiet_passes = if submissions.len() == before {
            quiet_passes + 1
        } else {
            0
        };
    }
}

fn committed(payment: Arc<Payment>, verdict: Verdict) -> Committed {
    match verdict {
        Verdict::Applied => {
            let sending = matches!(
                &payment.state,
                State::BankCalled(called)
                    if called.phase == Phase::Awaiting && called.next_at.is_none()
            );
            // The mark is on disk: from here on the bank may be called, once.
            let permit = sending.then(|| SendPermit::mint(&payment));
            Committed::Applied { payment, permit }
        }
        Verdict::Refused(full) => Committed::Refused(full),
        Verdict::Lost { current } => Committed::Lost {
            current: current.map(|payment| Arc::new(*payment)),
        },
    }
}
