//! The embedded store: sled, with the durability that sled alone does not give.
//!
//! sled's `flush()` hands data to the operating system without an fsync, so this adapter syncs the
//! log file through a handle of its own after every batch, and syncs every file and directory that
//! sled made when it made them. `docs/storage-format.md` has the layout and the reasons.

mod batch;
mod books;
mod database;
mod directory;
pub mod format;
mod journal;
mod migrate;
pub mod offline;
mod read;
mod room;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{NotedTime, Page, Query, Store, StoreError, Verdict, Write};
use crate::chain::Head;
use crate::ledger::Balance;
use crate::payment::{
    AccountId, BankName, Currency, JournalEntry, Merchant, Payment, PaymentId, PaymentKey,
    Timestamp,
};
pub use directory::{OpenError, OpenProblem};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// The data directory; created when it does not exist.
    pub directory: PathBuf,
    /// How much of the store sled keeps in memory, in bytes.
    pub cache_bytes: u64,
    /// Opens a store of which nobody can tell whether it is whole, because someone knows that it is, or put an older one
    /// there on purpose.
    pub accept_older: bool,
}

/// Payments and journal in an embedded sled database. One process at a time.
pub struct SledStore {
    inner: Arc<Inner>,
    /// Takes batches to the committing thread; `None` only while the store is being dropped.
    batches: Option<mpsc::Sender<Batch>>,
    committer: Option<std::thread::JoinHandle<()>>,
    /// Whose turn it is to search.
    searches: Arc<Semaphore>,
    /// Whose turn it is to read on in the journal: no search stands in the way of it.
    pages: Arc<Semaphore>,
}

/// A batch on its way to the committing thread, and where its verdicts go.
struct Batch {
    writes: Vec<Write>,
    verdicts: oneshot::Sender<Result<Vec<Verdict>, StoreError>>,
}

/// Batches that may wait for the committing thread. The pipeline hands over one at a time.
const BATCHES_WAITING_MAX: usize = 4;

struct Inner {
    /// The data directory, as it is called whatever the working directory.
    data: PathBuf,
    database: sled::Db,
    payments: sled::Tree,
    ids: sled::Tree,
    journal: sled::Tree,
    unfinished: sled::Tree,
    accounts: sled::Tree,
    contradictions: sled::Tree,
    meta: sled::Tree,
    /// Our own handle of sled's log: `sync_data` on it is what makes a batch durable.
    log: File,
    /// On the directory's lock, which is held for the life of the store.
    room: room::Room,
    writer: Mutex<Writer>,
    /// Durable unfinished payments; see [`batch`] for how it is kept without an index write each.
    live: Mutex<BTreeMap<PaymentId, Live>>,
    /// Number of the latest batch whose writes sled may show to readers.
    visible: AtomicU64,
    /// Number of the latest batch that is on disk.
    durable: watch::Sender<u64>,
    /// Sequence of the last durable journal entry.
    appended: watch::Sender<u64>,
    /// The newest time that is durable, in milliseconds since 1970.
    newest_ms: AtomicU64,
    /// Whether it is in doubt.
    in_doubt: AtomicBool,
    /// The banks that attempts were sent to, as `meta` has them.
    banks: Mutex<BTreeSet<BankName>>,
    poisoned: AtomicBool,
    closed: AtomicBool,
}

/// What only the writer knows.
struct Writer {
    head: Head,
    next_batch: u64,
    /// Every payment admitted before this sequence is finished or stands in `unfinished`.
    low_water: u64,
    witness: witness::Witness,
    /// How far the note beside the store had got, as `meta` has it.
    reached: u64,
}

/// An unfinished payment.
#[derive(Debug, Clone)]
struct Live {
    key: PaymentKey,
    /// Where the journal must be replayed from to find it: the start of a chunk.
    from: u64,
    /// Whether it stands in the `unfinished` tree.
    indexed: bool,
}

impl SledStore {
    /// Runs a read that looks at many values where it holds up no payment: on a thread that may block, and one of a kind at a
    /// time, so that they take no more of the machine however many ask.
    async fn scan<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        read: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = turns.clone().acquire_owned().await;
        let turn = turn.expect("turns are never closed");
        let inner = self.inner.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            // Held also when nobody waits for the result any more.
            let _turn = turn;
            read(&inner)
        });
        match scanned.await {
            Ok(scanned) => scanned,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(StoreError::Apply(cancelled.to_string().into())),
            },
        }
    }

    /// Opens the store in a directory, creating it when there is none.
    ///
    /// # Errors
    /// When another process uses it, when the directory holds something else, when the store is of
    /// a newer format or damaged, or when the disk refuses. Each message says what to do.
    pub fn open(options: &SledOptions) -> Result<Self, OpenError> {
        let inner = Arc::new(directory::open(options)?);
        let (batches, mut waiting) = mpsc::channel::<Batch>(BATCHES_WAITING_MAX);
        // Commits block, for the disk is slow: they have one thread of their own.
        let committer = std::thread::Builder::new().name("holdfast-commit".to_owned());
        let committer = committer.spawn({
            let inner = inner.clone();
            move || {
                while let Some(Batch { writes, verdicts }) = waiting.blocking_recv() {
                    // Whoever asked may be gone; what is written stays written.
                    let _ = verdicts.send(inner.commit(&writes));
                }
            }
        });
        let committer = committer.map_err(|error| directory::no_thread(options, error))?;
        Ok(Self {
            inner,
            batches: Some(batches),
            committer: Some(committer),
            searches: Arc::new(Semaphore::new(1)),
            pages: Arc::new(Semaphore::new(1)),
        })
    }

    async fn barrier(&self) -> Result<(), StoreError> {
        self.inner.barrier().await
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // Ends the thread once it has committed what it has; then the directory is free again.
        self.batches = None;
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
    }
}

impl Inner {
    fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
        // Wakes every reader that waits for a sync which will never come.
        self.durable.send_modify(|_| {});
    }

    fn ensure_usable(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) {
            return Err(StoreError::Poisoned);
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        Ok(())
    }

    /// The read barrier: returns once everything sled may have shown so far is durable.
    ///
    /// Call it after reading. sled shows a batch before it is synced; the writer publishes the
    /// batch's number in `visible` before it applies it, so whatever a reader saw is covered by the
    /// number it loads here.
    async fn barrier(&self) -> Result<(), StoreError> {
        let seen = self.visible.load(Ordering::SeqCst);
        if *self.durable.borrow() < seen {
            let mut durable = self.durable.subscribe();
            durable
                .wait_for(|durable| *durable >= seen || self.poisoned.load(Ordering::SeqCst))
                .await
                .map_err(|_| StoreError::Closed)?;
        }
        self.ensure_usable()
    }

    /// A store that was moved away goes on writing where nobody looks, and another one may serve in its place.
    fn check_place(&self) -> Result<(), StoreError> {
        let there = witness::is_same(&self.log, &self.data.join(directory::STORE).join("db"));
        if there {
            return Ok(());
        }
        self.poison();
        Err(StoreError::Moved(self.data.display().to_string()))
    }

    /// Notes the time, with the end of the journal as it is.
    fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        let NotedTime { newest, in_doubt } = noted;
        let in_doubt = self.in_doubt.fetch_or(in_doubt, Ordering::SeqCst) || in_doubt;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        let head = writer.head;
        let note = witness::Note {
            head,
            at: newest,
            in_doubt,
        };
        writer.witness.note_now(note).map_err(|error| {
            self.poison();
            not_synced(error)
        })?;
        self.newest_ms
            .fetch_max(newest.as_unix_ms(), Ordering::SeqCst);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        // Persist, then speak: sled's buffers to the file, then the file to the disk.
        self.database.flush().map_err(not_synced)?;
        self.log.sync_data().map_err(not_synced)
    }
}

fn not_synced(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Sync(Box::new(error))
}

#[async_trait]
impl Store for SledStore {
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Verdict>, StoreError> {
        let (verdicts, committed) = oneshot::channel();
        let batch = Batch {
            writes: batch,
            verdicts,
        };
        let handed_over = match &self.batches {
            Some(batches) => batches.send(batch).await.is_ok(),
            None => false,
        };
        match committed.await {
            Ok(committed) if handed_over => committed,
            // The committing thread is gone: it panicked, and what it left is unknown.
            Ok(_) | Err(_) => {
                self.inner.poison();
                Err(StoreError::Apply(
                    "the committing thread has stopped".into(),
                ))
            }
        }
    }

    async fn get(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        self.inner.ensure_usable()?;
        let Some(record) = self.inner.record(key)? else {
            // Nothing was seen, so nothing can be shown too early.
            return Ok(None);
        };
        self.barrier().await?;
        Ok(Some(record.into_payment(key.clone())))
    }

    async fn find(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Payment>, StoreError> {
        self.inner.ensure_usable()?;
        let found = self.inner.record_by_id(merchant, id)?;
        self.barrier().await?;
        Ok(found.map(|(key, record)| record.into_payment(key)))
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.ensure_usable()?;
        let page = if query.is_short() {
            self.inner.list(query)?
        } else {
            let query = query.clone();
            self.scan(&self.searches, move |inner| inner.list(&query))
                .await?
        };
        self.barrier().await?;
        Ok(page)
    }

    async fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        self.inner.ensure_usable()?;
        let entries = self.inner.entries(merchant, id)?;
        self.barrier().await?;
        Ok(entries)
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.inner.ensure_usable()?;
        let merchant = merchant.clone();
        let found = self
            .scan(&self.pages, move |inner| {
                inner.contradictions(&merchant, after, limit)
            })
            .await?;
        self.barrier().await?;
        Ok(found)
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        self.inner.ensure_usable()?;
        let balances = self.inner.account(merchant, account)?;
        self.barrier().await?;
        Ok(balances)
    }

    async fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.inner.ensure_usable()?;
        let entries = self
            .scan(&self.pages, move |inner| inner.journal(after, limit))
            .await?;
        self.barrier().await?;
        Ok(entries)
    }

    fn has_room(&self) -> bool {
        self.inner.room.is_left()
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.inner.appended.subscribe()
    }

    async fn unfinished(
        &self,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<(PaymentId, PaymentKey)>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.inner.ensure_usable()?;
        let live = self
            .inner
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Unbounded, Excluded);
        Ok(live
            .range((from, Unbounded))
            .take(limit)
            .map(|(id, live)| (*id, live.key.clone()))
            .collect())
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        self.inner.ensure_usable()?;
        let merchants = self.inner.merchants()?;
        self.barrier().await?;
        Ok(merchants)
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        self.inner.ensure_usable()?;
        let banks = self.inner.banks.lock();
        Ok(banks.unwrap_or_else(PoisonError::into_inner).clone())
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
        noted
            .await
            .unwrap_or_else(|panicked| Err(not_synced(panicked)))
    }

    fn check_place(&self) -> Result<(), StoreError> {
        self.inner.ensure_usable()?;
        self.inner.check_place()
    }

    async fn close(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        let closed = tokio::task::spawn_blocking(move || {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            inner.ensure_usable()?;
            inner.closed.store(true, Ordering::SeqCst);
            inner.sync()?;
            let head = writer.head;
            let at = Timestamp::from_unix_ms(inner.newest_ms.load(Ordering::SeqCst));
            let in_doubt = inner.in_doubt.load(Ordering::SeqCst);
            let note = witness::Note { head, at, in_doubt };
            writer.witness.note_now(note).map_err(not_synced)?;
            // From now on an older note is known for what it is.
            let value = batch::encode_reached(head.sequence)?;
            inner
                .meta
                .insert(witness::REACHED_KEY, value)
                .map_err(|error| StoreError::Apply(Box::new(error)))?;
            inner.sync()
        });
        closed
            .await
            .unwrap_or_else(|panicked| Err(not_synced(panicked)))
    }
}
