//! The commit pipeline: the one way to write.
//!
//! It takes all waiting writes, passes them to the log as one batch (one transaction, one sync), and then answers
//! every caller. While one batch syncs, the next one gathers. Only the pipeline makes [`SendPermit`]s, from the
//! effects of durable steps. It does not know the states of the machine.
//!
//! There are three kinds of commits: [`Pipeline::admit`] may be refused, [`Pipeline::dispatch`] gives a permit, and
//! [`Pipeline::change`] does neither.

mod permit;

use std::sync::Arc;

use holdfast_core::{Dispatch, Operation, OperationKey, Refusal, Step};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use crate::fatal::{Failure, FatalError};
use crate::metrics::Metrics;
use crate::store::{Log, StoreError, Verdict};
pub use permit::SendPermit;

/// Most writes that wait for a batch. When it is reached, submitting waits, which slows admission down before
/// memory grows.
pub const QUEUE_MAX: usize = 4096;

/// Default for the most writes of one batch. It limits how long the last write waits and how large a transaction gets.
/// Larger batches would save almost nothing.
pub const BATCH_MAX: usize = 256;

/// Gathering ends after this many passes over the runnable tasks without a new write. The first pass catches most
/// writes. The second costs almost nothing and catches those that needed one more turn.
const QUIET_PASSES: usize = 2;

/// The outcome of an admission.
#[derive(Debug)]
pub enum Admitted {
    /// It is durable.
    Admitted {
        /// The operation as it is now.
        operation: Arc<Operation>,
        /// The right to send, when the admission ended with an attempt.
        permit: Option<SendPermit>,
    },
    /// Another writer was first with the key: this is the operation that it admitted.
    Lost(Arc<Operation>),
    /// A guard did not hold. Nothing was written.
    Refused(Refusal),
}

/// The outcome of a dispatch.
#[derive(Debug)]
pub enum Dispatched {
    /// The mark is durable: the bank may be called, once.
    Cleared {
        /// The operation as it is now.
        operation: Arc<Operation>,
        /// The right to send.
        permit: SendPermit,
    },
    /// Another writer was first: this is the record that it wrote.
    Lost(Arc<Operation>),
}

/// The outcome of any other change.
#[derive(Debug)]
pub enum Changed {
    /// It is durable.
    Applied(Arc<Operation>),
    /// Another writer was first: this is the record that it wrote.
    Lost(Arc<Operation>),
}

/// The pipeline stopped: the write may or may not be durable, and only the next tenure will know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the commit pipeline has stopped")]
pub struct Stopped;

/// The log lists an operation but has no record of it. Its key would be taken for a new one and charged again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of the payment {} {} is missing, although the log lists the payment as unfinished", .0.merchant, .0.idempotency_key)]
pub struct RecordMissing(pub OperationKey);

/// The log refused a step without guards. Its decision did not follow from the step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the balances of the ledger do not match its payments")]
pub struct RefusedUnasked(#[source] Refusal);

/// The result of the log's verdict.
enum Outcome {
    Applied(Arc<Operation>),
    Lost(Arc<Operation>),
    Refused(Refusal),
}

struct Submission {
    step: Step,
    answer: oneshot::Sender<Outcome>,
}

/// Submits steps; clones share one pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    queue: mpsc::Sender<Submission>,
    failure: Failure,
}

impl Pipeline {
    /// A pipeline that commits at most `batch_max` steps at once, and the task that runs it. The task ends when every
    /// handle is gone and all is written, or at the first failure of the log, which it reports to `failure`.
    pub fn new(
        log: Arc<dyn Log>,
        batch_max: usize,
        metrics: Metrics,
        failure: Failure,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let run = run(log, batch_max, metrics, failure.clone(), waiting);
        (Self { queue, failure }, run)
    }

    /// Makes an admission durable, and returns only then.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub async fn admit(&self, step: Step) -> Result<Admitted, Stopped> {
        let (step, attempt) = step.into_parts();
        Ok(match self.commit(step).await? {
            Outcome::Applied(operation) => Admitted::Admitted {
                operation,
                permit: attempt.map(SendPermit::mint),
            },
            Outcome::Lost(current) => Admitted::Lost(current),
            Outcome::Refused(refusal) => Admitted::Refused(refusal),
        })
    }

    /// Makes the mark of an attempt durable, and returns only then, with the permit to send it.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub async fn dispatch(&self, dispatch: Dispatch) -> Result<Dispatched, Stopped> {
        let (step, attempt) = dispatch.into_parts();
        match self.commit(step).await? {
            // The mark is on disk: from here on the bank may be called, once.
            Outcome::Applied(operation) => Ok(Dispatched::Cleared {
                operation,
                permit: SendPermit::mint(attempt),
            }),
            Outcome::Lost(current) => Ok(Dispatched::Lost(current)),
            Outcome::Refused(refusal) => Err(self.refused_unasked(refusal)),
        }
    }

    /// Makes any other step durable, and returns only then.
    ///
    /// # Panics
    /// When the step has an effect or guards: a bug in the caller, because nobody would get the result.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub async fn change(&self, step: Step) -> Result<Changed, Stopped> {
        assert!(
            step.effect().is_none() && step.guards.is_empty(),
            "a change allows nothing and asks for no check"
        );
        match self.commit(step).await? {
            Outcome::Applied(operation) => Ok(Changed::Applied(operation)),
            Outcome::Lost(current) => Ok(Changed::Lost(current)),
            Outcome::Refused(refusal) => Err(self.refused_unasked(refusal)),
        }
    }

    fn refused_unasked(&self, refusal: Refusal) -> Stopped {
        let error = StoreError::fatal(RefusedUnasked(refusal));
        self.failure.report(FatalError::Store(error));
        Stopped
    }

    async fn commit(&self, step: Step) -> Result<Outcome, Stopped> {
        let span = tracing::debug_span!("commit", to = ?step.operation.state.name());
        let committed = async {
            let (answer, committed) = oneshot::channel();
            self.queue
                .send(Submission { step, answer })
                .await
                .map_err(|_| Stopped)?;
            committed.await.map_err(|_| Stopped)
        };
        committed.instrument(span).await
    }
}

async fn run(
    log: Arc<dyn Log>,
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
        for Submission { step, answer } in submissions.drain(..) {
            answers.push((Arc::new(step.operation.clone()), answer));
            batch.push(step);
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52")]
        metrics.batch_size.observe(batch.len() as f64);
        let started = Instant::now();
        match log.commit(batch).await {
            Ok(verdicts) => {
                metrics
                    .commit_seconds
                    .observe(started.elapsed().as_secs_f64());
                assert_eq!(verdicts.len(), answers.len(), "one verdict per step");
                for ((operation, answer), verdict) in answers.into_iter().zip(verdicts) {
                    let outcome = match verdict {
                        Verdict::Applied => Outcome::Applied(operation),
                        Verdict::Refused(refusal) => Outcome::Refused(refusal),
                        Verdict::Lost {
                            current: Some(current),
                        } => Outcome::Lost(Arc::new(*current)),
                        Verdict::Lost { current: None } => {
                            let missing = RecordMissing(operation.key.clone());
                            let error = StoreError::fatal(missing);
                            failure.report(FatalError::Store(error));
                            return;
                        }
                    };
                    // Whoever asked may be gone; what is written stays written.
                    let _ = answer.send(outcome);
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

/// Lets tasks that are about to submit do so before the batch closes.
///
/// A commit costs the same for one write as for many, and the callers that the last commit answered are
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
