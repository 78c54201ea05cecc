//! The log: the only place that decides, and the only way to write.

use async_trait::async_trait;
use holdfast_core::{
    JournalEntry, Operation, OperationId, OperationKey, Refusal, Step, Tenure, Timestamp,
};
use tokio::sync::watch;

use super::error::StoreError;

/// The verdict about one step of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable.
    Applied,
    /// Another writer was first; nothing of it was applied.
    Lost {
        /// The record as it is, if there is one.
        current: Option<Box<Operation>>,
    },
    /// One of its guards does not hold; nothing of it was applied.
    Refused(Refusal),
}

/// The durable times, from which the next life begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotedTime {
    /// The newest time that was stamped or recorded.
    pub newest: Timestamp,
    /// Whether times are ahead of a wall clock that was set back. Compared with a correct clock, times stamped then
    /// look younger than they are.
    pub in_doubt: bool,
}

/// The journal, with the records that it leads to.
///
/// Architecture invariant: everything a log returns is durable. A read never shows a write that a power loss could
/// still
/// undo, and a commit answers only after its batch is synced.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The tenure in which this process writes: higher than that of every earlier life.
    fn tenure(&self) -> Tenure;

    /// Whether a tenure is over. Then nobody can record the end of its attempts any more.
    fn is_over(&self, tenure: Tenure) -> bool;

    /// Applies a batch in order, makes it durable with one sync, and gives a verdict per step.
    ///
    /// Steps of one batch see each other; a lost one does not affect the others.
    ///
    /// # Errors
    /// Any error ends this tenure: it is unknown whether the batch is durable, and every later call fails. The next
    /// tenure
    /// finds out what is durable.
    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError>;

    /// The operation under a key. This read decides whether a request is new. It happens for every request, so it must
    /// not wait, except until the data that it saw is durable.
    async fn get(&self, key: &OperationKey) -> Result<Option<Operation>, StoreError>;

    /// Entries of all merchants after a sequence, in order; at most `limit`, and at least one when there is one.
    async fn entries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError>;

    /// The sequence of the last durable entry, as it grows; 0 when there is none.
    fn head(&self) -> watch::Receiver<u64>;

    /// The keys of operations that need more work, oldest first, after the given id; at most `limit`.
    /// They are unfinished, or were finished by an operator and their bank is still watched.
    async fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError>;

    /// Whether the disk has space for new operations in addition to the open ones. If not, admissions must not
    /// be committed. All other steps may be.
    fn has_room(&self) -> bool;

    /// The durable times: the newest of the last entry and the time that was recorded later.
    fn noted_time(&self) -> NotedTime;

    /// Makes a time durable, so that a later life does not begin before it. Called about every second
    /// while operations are under way.
    ///
    /// Doubt about times is remembered while operations are unfinished, because their times may be wrong.
    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError>;

    /// Checks that this process is still the writer. Called about every second.
    ///
    /// # Errors
    /// When it is not: the log was moved away, replaced, or taken over.
    fn check_tenure(&self) -> Result<(), StoreError>;

    /// Makes everything durable, ends the tenure, and refuses further work.
    async fn close(&self) -> Result<(), StoreError>;
}
