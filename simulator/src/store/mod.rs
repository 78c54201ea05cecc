//! A simulated store. Its medium forgets unsynced data.
//!
//! A commit is applied in memory, written to the medium as one frame with a checksum, and synced. After a crash the
//! medium decides how much of an unsynced frame is left: nothing, a part, or all of it, and how far the index had got, which is
//! written behind the frames. The next life reads what is left, the checksum reveals a torn frame, and the index is brought up by
//! following the frames, as in the real store.

mod content;
mod frames;
mod medium;
mod recovery;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::ledger::Balance;
use holdfast_core::{
    AccountId, BankName, Currency, JournalEntry, Merchant, Operation, OperationId, OperationKey,
    Step, Tenure,
};
use holdfast_engine::store::{
    CursorName, Cursors, Log, NotedTime, Page, Query, StoreError, Verdict, Views,
};
use tokio::sync::watch;

pub use content::{Content, Tamper};
pub use frames::read_frame;
pub use medium::{Crash, Kept, Leftover, Medium};
pub use recovery::Flaw;

/// The fate of a commit at the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// It is synced.
    Synced,
    /// There is no room: nothing is written.
    NoRoom,
    /// The sync fails; it is unknown what is on the medium then.
    SyncFails,
}

/// A place in a commit at which the process can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrashPoint {
    /// Before anything was written.
    BeforeWrite,
    /// Written, not synced.
    BeforeSync,
    /// Durable, and nobody was told.
    AfterSync,
}

/// Decides the faults of the medium. Without a plan there are none.
pub trait MediumPlan: Send + Sync + std::fmt::Debug {
    /// The time that the sync of the next commit takes, in milliseconds, and the fate of the commit.
    fn commit(&self, writes: usize) -> (u64, CommitFate);

    /// Whether the process crashes here. If so, the plan must end it: the commit never returns.
    fn ends_at(&self, point: CrashPoint) -> bool;

    /// Whether the next read has a flipped bit.
    fn flips(&self) -> bool;

    /// Called first when entries have become durable, with the versions of the records that became durable with them.
    fn durable(
        &self,
        first_sequence: u64,
        entries: &[JournalEntry],
        versions: &[(OperationId, u64)],
    );
}

/// Payments and journal on a simulated medium. A commit takes `sync_ms` of (virtual) time and can be
/// made to fail as a disk would.
#[derive(Debug, Default)]
pub struct SimulatedStore {
    medium: Arc<Medium>,
    plan: Option<Arc<dyn MediumPlan>>,
    tamper: Option<Tamper>,
    /// One commit at a time.
    committing: tokio::sync::Mutex<()>,
    sync_ms: AtomicU64,
    fail_next_sync: AtomicBool,
    full: AtomicBool,
    poisoned: AtomicBool,
    closed: AtomicBool,
    appended: watch::Sender<u64>,
    tenure: Tenure,
}

/// The message of an injected failure.
#[derive(Debug, thiserror::Error)]
enum Injected {
    #[error("the store accepts no more work after an earlier failure")]
    Poisoned,
    #[error("the store is closed")]
    Closed,
    #[error("could not apply a batch of writes: injected: no space left on device")]
    NoRoom,
    #[error("could not sync written data to disk: injected: the disk reported an I/O error")]
    SyncFailed,
}

impl SimulatedStore {
    /// Opens the store of a new process on a medium, in a new tenure.
    pub fn open(medium: Arc<Medium>, plan: Option<Arc<dyn MediumPlan>>) -> Self {
        let appended = watch::Sender::new(medium.read(Content::sequence));
        Self {
            tenure: medium.begin_tenure(),
            medium,
            plan,
            appended,
            ..Self::default()
        }
    }

    /// Makes the store work wrongly from now on.
    pub fn tampered(mut self, tamper: Option<Tamper>) -> Self {
        self.tamper = tamper;
        if tamper.is_some() {
            self.medium.set_tampered();
        }
        self
    }

    /// Sets how long every commit takes, in milliseconds.
    pub fn set_sync_ms(&self, sync_ms: u64) {
        self.sync_ms.store(sync_ms, Ordering::SeqCst);
    }

    /// Makes the next commit fail at its sync. Its data is lost.
    pub fn fail_next_sync(&self) {
        self.fail_next_sync.store(true, Ordering::SeqCst);
    }

    /// Says whether there is room for new payments.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// How many batches were made durable.
    pub fn commits(&self) -> u64 {
        self.medium.commits()
    }

    /// Opens a copy of the durable data, as a new process would find it.
    pub fn reopen(&self) -> Self {
        Self::open(Arc::new(self.medium.copy()), None)
    }

    /// The whole journal; the first entry has sequence 1.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.medium.read(|content| content.journal().to_vec())
    }

    fn ensure_usable(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) {
            return Err(StoreError::fatal(Injected::Poisoned));
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Transient(Box::new(Injected::Closed)));
        }
        Ok(())
    }

    fn poison(&self, error: StoreError) -> StoreError {
        self.poisoned.store(true, Ordering::SeqCst);
        error
    }

    fn fate(&self, writes: usize) -> (u64, CommitFate) {
        if self.fail_next_sync.swap(false, Ordering::SeqCst) {
            return (self.sync_ms.load(Ordering::SeqCst), CommitFate::SyncFails);
        }
        match &self.plan {
            Some(plan) => plan.commit(writes),
            None => (self.sync_ms.load(Ordering::SeqCst), CommitFate::Synced),
        }
    }

    /// The process may crash here. Nothing runs after that.
    async fn may_end(&self, point: CrashPoint) {
        if self.plan.as_ref().is_some_and(|plan| plan.ends_at(point)) {
            std::future::pending::<()>().await;
        }
    }

    fn dirty(&self, wanted: impl Fn(&Operation) -> bool) -> Option<Operation> {
        let dirty = self.tamper == Some(Tamper::DirtyReads);
        dirty.then(|| self.medium.unsynced(wanted)).flatten()
    }

    /// A payment as a read returns it, perhaps with a flipped bit.
    fn seen(&self, payment: Option<Operation>) -> Result<Option<Operation>, StoreError> {
        match (&self.plan, payment) {
            (Some(plan), Some(payment)) if plan.flips() => {
                medium::flipped(&payment).map_err(|error| self.poison(error))
            }
            (_, payment) => Ok(payment),
        }
    }
}

#[async_trait]
impl Log for SimulatedStore {
    fn tenure(&self) -> Tenure {
        self.tenure
    }

    fn is_over(&self, tenure: Tenure) -> bool {
        tenure != self.tenure
    }

    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError> {
        let _committing = self.committing.lock().await;
        self.ensure_usable()?;
        let (sync_ms, fate) = self.fate(batch.len());
        self.may_end(CrashPoint::BeforeWrite).await;
        if fate == CommitFate::NoRoom {
            let error = StoreError::Ambiguous(Box::new(Injected::NoRoom));
            return Err(self.poison(error));
        }
        // Readers see what is durable until the sync is over.
        let (verdicts, change) = self
            .medium
            .read(|content| content.judge(&batch, self.tamper));
        let versions: Vec<_> = change.versions().collect();
        let written = self.medium.write(change)?;
        self.may_end(CrashPoint::BeforeSync).await;
        if sync_ms > 0 {
            tokio::time::sleep(Duration::from_millis(sync_ms)).await;
        }
        if fate == CommitFate::SyncFails {
            let error = StoreError::Ambiguous(Box::new(Injected::SyncFailed));
            return Err(self.poison(error));
        }
        let sequence = self.medium.sync();
        if let (Some(plan), true) = (&self.plan, written > 0) {
            self.medium.read(|content| {
                let first = sequence - written as u64;
                let entries = &content.journal()[content.journal().len() - written..];
                plan.durable(first + 1, entries, &versions);
            });
        }
        self.may_end(CrashPoint::AfterSync).await;
        self.appended.send_replace(sequence);
        Ok(verdicts)
    }

    async fn get(&self, key: &OperationKey) -> Result<Option<Operation>, StoreError> {
        self.ensure_usable()?;
        let dirty = self.dirty(|payment| payment.key == *key);
        self.seen(dirty.or_else(|| self.medium.read(|content| content.get(key).cloned())))
    }

    async fn entries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.ensure_usable()?;
        Ok(self
            .medium
            .read(|content| content.journal_after(after, limit)))
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    async fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.read(|content| content.unfinished(after, limit)))
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }

    fn noted_time(&self) -> NotedTime {
        self.medium.noted_time()
    }

    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        self.ensure_usable()?;
        self.medium.note_time(noted);
        Ok(())
    }

    fn check_tenure(&self) -> Result<(), StoreError> {
        self.ensure_usable()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.ensure_usable()?;
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Views for SimulatedStore {
    async fn find(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        self.ensure_usable()?;
        let dirty = self.dirty(|payment| payment.id == id);
        self.seen(dirty.or_else(|| {
            self.medium
                .read(|content| content.find(merchant, id).cloned())
        }))
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.read(|content| content.list(query)))
    }

    async fn history(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.read(|content| content.entries(merchant, id)))
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.ensure_usable()?;
        Ok(self
            .medium
            .read(|content| content.contradictions(merchant, after, limit)))
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        self.ensure_usable()?;
        Ok(self
            .medium
            .read(|content| content.book().account(merchant, account)))
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.read(Content::merchants))
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.read(|content| content.banks().clone()))
    }
}

#[async_trait]
impl Cursors for SimulatedStore {
    async fn load(&self, name: &CursorName) -> Result<u64, StoreError> {
        self.ensure_usable()?;
        Ok(self.medium.cursor(name))
    }

    async fn save(&self, name: &CursorName, sequence: u64) -> Result<(), StoreError> {
        self.ensure_usable()?;
        self.medium.save_cursor(name, sequence);
        Ok(())
    }
}
