//! A store in memory, with the same promises as the real one and a switch that makes it fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_engine::ledger::{Balance, Book, LedgerError};
use holdfast_engine::payment::{
    AccountId, Cause, Currency, JournalEntry, Merchant, Payment, PaymentId, PaymentKey,
};
use holdfast_engine::store::{Page, Query, Store, StoreError, Verdict, Write};
use tokio::sync::watch;

/// Payments and journal in memory. A commit takes `sync_ms` of (virtual) time and can be made to
/// fail as a disk would.
#[derive(Debug, Default)]
pub struct SimulatedStore {
    content: Mutex<Content>,
    /// One commit at a time.
    committing: tokio::sync::Mutex<()>,
    sync_ms: AtomicU64,
    fail_next_sync: AtomicBool,
    poisoned: AtomicBool,
    closed: AtomicBool,
    appended: watch::Sender<u64>,
}

#[derive(Debug, Default, Clone)]
struct Content {
    payments: BTreeMap<PaymentKey, Payment>,
    ids: BTreeMap<(Merchant, PaymentId), PaymentKey>,
    journal: Vec<JournalEntry>,
    book: Book,
    commits: u64,
}

impl SimulatedStore {
    /// Makes every commit take so long, in milliseconds.
    pub fn set_sync_ms(&self, sync_ms: u64) {
        self.sync_ms.store(sync_ms, Ordering::SeqCst);
    }

    /// Makes the next commit fail at its sync; what it wrote is lost.
    pub fn fail_next_sync(&self) {
        self.fail_next_sync.store(true, Ordering::SeqCst);
    }

    /// How many batches were made durable.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// What a new process would find: the durable content, in a store that has not failed.
    pub fn reopen(&self) -> Self {
        let content = self.lock().clone();
        let appended = watch::Sender::new(content.journal.len() as u64);
        Self {
            content: Mutex::new(content),
            appended,
            ..Self::default()
        }
    }

    /// The whole journal; the first entry has sequence 1.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.lock().journal.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl Content {
    fn apply(&mut self, write: &Write) -> Verdict {
        let current = self.payments.get(write.key());
        if current.map_or(0, |payment| payment.version) != write.expected_version() {
            return Verdict::Lost {
                current: current.cloned().map(Box::new),
            };
        }
        // On a copy, so that a write that is refused half-way leaves nothing.
        let mut book = self.book.clone();
        for step in write.steps() {
            if let Some(movement) = &step.entry.movement
                && let Err(full) = book.apply(&write.key().merchant, movement)
            {
                assert!(
                    matches!(full, LedgerError::Full { .. }),
                    "the books do not fit the payments: {full}"
                );
                return Verdict::Refused(full);
            }
        }
        self.book = book;
        let payment = write.last().clone();
        self.journal
            .extend(write.steps().iter().map(|step| step.entry.clone()));
        self.ids.insert(
            (payment.key.merchant.clone(), payment.id),
            payment.key.clone(),
        );
        self.payments.insert(payment.key.clone(), payment);
        Verdict::Applied
    }
}

#[async_trait]
impl Store for SimulatedStore {
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Verdict>, StoreError> {
        let _committing = self.committing.lock().await;
        self.ensure_usable()?;
        let mut next = self.lock().clone();
        let verdicts = batch.iter().map(|write| next.apply(write)).collect();
        // Readers see the old content until the sync is over.
        tokio::time::sleep(Duration::from_millis(self.sync_ms.load(Ordering::SeqCst))).await;
        if self.fail_next_sync.swap(false, Ordering::SeqCst) {
            self.poisoned.store(true, Ordering::SeqCst);
            return Err(StoreError::Sync(
                "injected: the disk reported an I/O error".into(),
            ));
        }
        next.commits += 1;
        let sequence = next.journal.len() as u64;
        *self.lock() = next;
        self.appended.send_replace(sequence);
        Ok(verdicts)
    }

    async fn get(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        self.ensure_usable()?;
        Ok(self.lock().payments.get(key).cloned())
    }

    async fn find(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Payment>, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        let key = content.ids.get(&(merchant.clone(), id));
        Ok(key.and_then(|key| content.payments.get(key)).cloned())
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        let matching = |payment: &&Payment| {
            payment.key.merchant == query.merchant
                && query
                    .idempotency_key
                    .as_ref()
                    .is_none_or(|k| *k == payment.key.idempotency_key)
                && query
                    .state
                    .is_none_or(|state| state == payment.state.name())
                && query.before.is_none_or(|before| payment.id < before)
        };
        let mut payments: Vec<Payment> = content
            .payments
            .values()
            .filter(matching)
            .cloned()
            .collect();
        payments.sort_by_key(|payment| std::cmp::Reverse(payment.id));
        let more = payments.len() > query.limit;
        payments.truncate(query.limit);
        let next_before = payments.last().filter(|_| more).map(|payment| payment.id);
        Ok(Page {
            payments,
            next_before,
        })
    }

    async fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        if !content.ids.contains_key(&(merchant.clone(), id)) {
            return Ok(None);
        }
        let sequenced = (1..).zip(&content.journal);
        let of_payment = sequenced.filter(|(_, entry)| entry.payment_id == id);
        Ok(Some(
            of_payment
                .map(|(sequence, entry)| (sequence, entry.clone()))
                .collect(),
        ))
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        let entries = (1..).zip(&content.journal).filter(|(sequence, entry)| {
            let contradicts = matches!(entry.cause, Cause::Contradiction(_));
            contradicts && *sequence > after && entry.merchant == *merchant
        });
        Ok(entries
            .take(limit)
            .map(|(sequence, entry)| (sequence, entry.clone()))
            .collect())
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        self.ensure_usable()?;
        Ok(self.lock().book.account(merchant, account))
    }

    async fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        let entries = (1..).zip(&content.journal);
        let following = entries
            .filter(|(sequence, _)| *sequence > after)
            .take(limit);
        Ok(following
            .map(|(sequence, entry)| (sequence, entry.clone()))
            .collect())
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    async fn unfinished(
        &self,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<(PaymentId, PaymentKey)>, StoreError> {
        self.ensure_usable()?;
        let content = self.lock();
        let mut unfinished: Vec<_> = content
            .payments
            .values()
            .filter(|payment| !payment.is_finished() && after.is_none_or(|id| payment.id > id))
            .map(|payment| (payment.id, payment.key.clone()))
            .collect();
        unfinished.sort();
        unfinished.truncate(limit);
        Ok(unfinished)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.ensure_usable()?;
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
