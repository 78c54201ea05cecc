//! The embedded store as the engine sees it: the log, the views and the cursors.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use holdfast_core::ledger::Balance;
use holdfast_core::record::Stored;
use holdfast_core::{
    AccountId, BankName, Currency, JournalEntry, Merchant, Operation, OperationId, OperationKey,
    Step, Tenure, Timestamp,
};
use holdfast_engine::store::{
    CursorName, Cursors, Log, NotedTime, Page, Query, StoreError, Verdict, Views,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::error::{LocalError, not_synced};
use crate::inner::Inner;
use crate::open;
use crate::options::LocalOptions;
use crate::problem::OpenError;

/// Payments and journal in an embedded sled database. One process at a time.
pub struct LocalStore {
    inner: Arc<Inner>,
    /// Takes batches to the committing thread; `None` only while the store is being dropped.
    batches: Option<mpsc::Sender<Batch>>,
    committer: Option<std::thread::JoinHandle<()>>,
    indexer: Option<std::thread::JoinHandle<()>>,
    turns: Turns,
}

/// The queues of reads outside the worker threads, by the kind of read: a long read does not delay a short one.
struct Turns {
    /// Reads of one record or account, and short pages.
    lookups: Arc<Semaphore>,
    /// Reads of many records.
    searches: Arc<Semaphore>,
    /// Reads of the journal.
    pages: Arc<Semaphore>,
}

/// Concurrent lookups: enough that one that waits for the disk does not delay the others, and few enough that many
/// lookups cannot overload the machine.
const LOOKUPS_MAX: usize = 4;

/// A batch for the committing thread, and the channel for its verdicts.
struct Batch {
    steps: Vec<Step>,
    verdicts: oneshot::Sender<Result<Vec<Verdict>, LocalError>>,
}

/// Batches that may wait for the committing thread. The pipeline hands over one at a time.
const BATCHES_WAITING_MAX: usize = 4;

impl LocalStore {
    /// Opens the store in a directory, or creates it if there is none. Each opening begins a new tenure.
    ///
    /// # Errors
    /// When another process uses it, when the directory holds something else, when the store is of
    /// a newer format or damaged, or when the disk refuses. Each message says what to do.
    pub fn open(options: &LocalOptions) -> Result<Self, OpenError> {
        let (inner, indexer) = open::open(options)?;
        let inner = Arc::new(inner);
        let index = {
            let inner = inner.clone();
            move || indexer.run(&inner)
        };
        let indexer = std::thread::Builder::new().name("holdfast-index".to_owned());
        let indexer = indexer.spawn(index);
        let indexer = indexer.map_err(|error| open::no_thread(options, error))?;
        let (batches, mut waiting) = mpsc::channel::<Batch>(BATCHES_WAITING_MAX);
        // Commits block, for the disk is slow: they have one thread of their own.
        let committer = std::thread::Builder::new().name("holdfast-commit".to_owned());
        let committer = committer.spawn({
            let inner = inner.clone();
            move || {
                while let Some(Batch { steps, verdicts }) = waiting.blocking_recv() {
                    // Whoever asked may be gone; what is written stays written.
                    let _ = verdicts.send(inner.commit(&steps));
                }
            }
        });
        let committer = committer.map_err(|error| {
            inner.memtable.end();
            open::no_thread(options, error)
        })?;
        Ok(Self {
            inner,
            batches: Some(batches),
            committer: Some(committer),
            indexer: Some(indexer),
            turns: Turns {
                lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
                searches: Arc::new(Semaphore::new(1)),
                pages: Arc::new(Semaphore::new(1)),
            },
        })
    }

    /// Reads on a thread that may block, when it is this read's turn.
    async fn look<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        look: impl FnOnce(&Inner) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.ensure_usable()?;
        let turn = turns.clone().acquire_owned().await;
        let turn = turn.expect("turns are never closed");
        let inner = self.inner.clone();
        let seen = off_the_workers(move || {
            // Held also when nobody waits for the result any more.
            let _turn = turn;
            inner.doubting(look(&inner))
        })
        .await?;
        self.inner.ensure_usable()?;
        Ok(seen)
    }
}

/// Runs a blocking function on a thread that may block.
async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LocalError> + Send + 'static,
) -> Result<T, LocalError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(LocalError::Apply(cancelled.to_string().into())),
        },
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        // Ends the committing thread once it has committed what it has; then the directory is free again.
        self.batches = None;
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
        // What it has not written yet is found in the journal.
        self.inner.memtable.end();
        if let Some(indexer) = self.indexer.take() {
            let _ = indexer.join();
        }
    }
}

#[async_trait]
impl Log for LocalStore {
    fn tenure(&self) -> Tenure {
        self.inner.tenure
    }

    /// The directory's lock keeps every other process out, so every other tenure is over.
    fn is_over(&self, tenure: Tenure) -> bool {
        tenure != self.inner.tenure
    }

    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError> {
        let (verdicts, committed) = oneshot::channel();
        let batch = Batch {
            steps: batch,
            verdicts,
        };
        let handed_over = match &self.batches {
            Some(batches) => batches.send(batch).await.is_ok(),
            None => false,
        };
        match committed.await {
            Ok(committed) if handed_over => Ok(committed?),
            // The committing thread is gone: it panicked, and what it left is unknown.
            Ok(_) | Err(_) => {
                self.inner.poison();
                Err(LocalError::Apply("the committing thread has stopped".into()).into())
            }
        }
    }

    async fn get(&self, key: &OperationKey) -> Result<Option<Operation>, StoreError> {
        self.inner.ensure_usable()?;
        let stored = self.inner.doubting(self.inner.stored(key))?;
        self.inner.ensure_usable()?;
        match stored {
            None => Ok(None),
            Some(Stored::Record(record)) => Ok(Some(record.into_operation(key.clone()))),
            // The journal is read elsewhere: nobody waits for the disk here.
            Some(stored) => {
                let key = key.clone();
                let read = move |inner: &Inner| inner.operation(key, stored);
                self.look(&self.turns.lookups, read).await.map(Some)
            }
        }
    }

    async fn entries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.look(&self.turns.pages, move |inner| inner.journal(after, limit))
            .await
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.inner.appended.subscribe()
    }

    async fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError> {
        self.inner.ensure_usable()?;
        let live = self.inner.live.lock();
        let live = live.unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Unbounded, Excluded);
        Ok(live
            .range((from, Unbounded))
            .take(limit)
            .map(|(id, live)| (*id, live.key.clone()))
            .collect())
    }

    fn has_room(&self) -> bool {
        self.inner.space.is_left()
    }

    fn noted_time(&self) -> NotedTime {
        let newest_ms = self.inner.newest_ms.load(Ordering::SeqCst);
        NotedTime {
            newest: Timestamp::from_unix_ms(newest_ms),
            in_doubt: self.inner.in_doubt.load(Ordering::SeqCst),
        }
    }

    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        let noted = tokio::task::spawn_blocking(move || inner.note_time(noted));
        Ok(noted
            .await
            .unwrap_or_else(|panicked| Err(not_synced(panicked)))?)
    }

    fn check_tenure(&self) -> Result<(), StoreError> {
        self.inner.ensure_usable()?;
        Ok(self.inner.check_place()?)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        let closed = tokio::task::spawn_blocking(move || inner.close());
        Ok(closed
            .await
            .unwrap_or_else(|panicked| Err(not_synced(panicked)))?)
    }
}

#[async_trait]
impl Views for LocalStore {
    async fn find(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        let merchant = merchant.clone();
        self.look(&self.turns.lookups, move |inner| {
            inner.operation_by_id(&merchant, id)
        })
        .await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let turns = if query.is_short() {
            &self.turns.lookups
        } else {
            &self.turns.searches
        };
        let query = query.clone();
        self.look(turns, move |inner| inner.list(&query)).await
    }

    async fn history(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        let merchant = merchant.clone();
        self.look(&self.turns.lookups, move |inner| {
            inner.entries(&merchant, id)
        })
        .await
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        let merchant = merchant.clone();
        self.look(&self.turns.pages, move |inner| {
            inner.contradictions(&merchant, after, limit)
        })
        .await
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        let (merchant, account) = (merchant.clone(), account.clone());
        self.look(&self.turns.lookups, move |inner| {
            inner.account(&merchant, &account)
        })
        .await
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        self.look(&self.turns.lookups, Inner::merchants).await
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        self.inner.ensure_usable()?;
        let banks = self.inner.banks.lock();
        Ok(banks.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[async_trait]
impl Cursors for LocalStore {
    async fn load(&self, name: &CursorName) -> Result<u64, StoreError> {
        let name = name.clone();
        self.look(&self.turns.lookups, move |inner| {
            Ok(inner.cursors.load(name.as_str()))
        })
        .await
    }

    async fn save(&self, name: &CursorName, sequence: u64) -> Result<(), StoreError> {
        let (inner, name) = (self.inner.clone(), name.clone());
        let save = {
            let inner = inner.clone();
            move || inner.save_cursor(&name, sequence)
        };
        let saved = tokio::task::spawn_blocking(save).await;
        Ok(saved.unwrap_or_else(|panicked| {
            // Nobody knows what of it was written.
            inner.poison();
            Err(not_synced(panicked))
        })?)
    }
}

impl Inner {
    fn save_cursor(&self, name: &CursorName, sequence: u64) -> Result<(), LocalError> {
        self.ensure_usable()?;
        self.check_place()?;
        let saved = self.cursors.save(name.as_str(), sequence);
        saved.inspect_err(|_| self.poison())
    }
}
