//! The source of truth, as a trait.
//!
//! Architecture invariant: whatever a [`Store`] returns is durable. A read never shows a write that
//! a power loss could still take back, and a commit answers only after its batch is synced.
//!
//! The trait leaves room for a networked engine shared by several replicas: verdicts carry the
//! record that won, sequences are assigned by the store, and nothing assumes a single writer.

mod sled;

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::codec::{DecodeError, EncodeError};
use crate::ledger::{Balance, LedgerError};
use crate::payment::{
    AccountId, BankName, Currency, IdempotencyKey, JournalEntry, Merchant, Payment, PaymentId,
    PaymentKey, Phase, StateName, Step, Timestamp,
};

pub use self::sled::{OpenError, OpenProblem, SledOptions, SledStore, format, offline};

/// One or more consecutive transitions of one payment, applied together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    steps: Vec<Step>,
}

impl Write {
    /// A write of one transition.
    pub fn new(step: Step) -> Self {
        Self { steps: vec![step] }
    }

    /// Adds the transition that follows.
    ///
    /// # Panics
    /// When `step` does not follow directly on the last one: a bug in the caller.
    pub fn then(mut self, step: Step) -> Self {
        let last = self.last();
        assert_eq!(step.payment.key, last.key, "a write is about one payment");
        assert_eq!(
            step.expected_version(),
            last.version,
            "a write is of consecutive steps"
        );
        self.steps.push(step);
        self
    }

    /// The payment's key.
    pub fn key(&self) -> &PaymentKey {
        &self.last().key
    }

    /// The version the stored record must have for the write to apply; 0 means that there must be
    /// none. This is the compare of the compare-and-swap.
    pub fn expected_version(&self) -> u64 {
        self.steps[0].expected_version()
    }

    /// The transitions, oldest first; never empty.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The payment after the write.
    pub fn last(&self) -> &Payment {
        &self.steps[self.steps.len() - 1].payment
    }
}

/// What became of one write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable.
    Applied,
    /// Another writer was first; nothing of it was applied.
    Lost {
        /// The record that stands, if any.
        current: Option<Box<Payment>>,
    },
    /// An account has no room for the hold; nothing of it was applied. Only an admission can be.
    Refused(LedgerError),
}

/// A page of payments, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The payments.
    pub payments: Vec<Payment>,
    /// Ask for payments before this id to get the next page; `None` at the end.
    pub next_before: Option<PaymentId>,
}

/// Which payments to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of which merchant.
    pub merchant: Merchant,
    /// Only the one with this key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Only those in this state.
    pub state: Option<StateName>,
    /// Only those in this phase.
    pub phase: Option<Phase>,
    /// Only those created before this one.
    pub before: Option<PaymentId>,
    /// At most so many, at least 1.
    pub limit: usize,
}

impl Query {
    /// Whether no more is looked at than is wanted: what is asked for is the newest there is, or one key.
    pub fn is_short(&self) -> bool {
        self.idempotency_key.is_some() || (self.state.is_none() && self.phase.is_none())
    }

    /// Whether a payment is one of those that are wanted.
    pub fn wants(&self, payment: &Payment) -> bool {
        let Self {
            merchant,
            idempotency_key: key,
            state,
            phase,
            before,
            limit: _,
        } = self;
        *merchant == payment.key.merchant
            && key
                .as_ref()
                .is_none_or(|key| *key == payment.key.idempotency_key)
            && state.is_none_or(|state| state == payment.state.name())
            && phase.is_none_or(|phase| Some(phase) == payment.state.phase())
            && before.is_none_or(|before| payment.id < before)
    }
}

/// Most records one [`Store::list`] call reads: a rare state in a large store costs pages, not a
/// stalled request. A page may therefore be short and still have a successor.
pub const LIST_SCAN_MAX: usize = 10_000;

/// What is durable about the time, for the next life to begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotedTime {
    /// The newest time that was stamped or noted.
    pub newest: Timestamp,
    /// Whether times are ahead of a wall clock that was set back: by a right clock, what was stamped then looks younger
    /// than it is.
    pub in_doubt: bool,
}

/// Where payments and their journal are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies a batch in order, makes it durable with one sync, and gives a verdict per write.
    ///
    /// Writes of one batch see each other; a lost one does not affect the others.
    ///
    /// # Errors
    /// Any error poisons the store: nothing of the batch may be believed, and every later call
    /// fails with [`StoreError::Poisoned`]. A restart finds out what is durable.
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Verdict>, StoreError>;

    /// The payment under a key.
    async fn get(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError>;

    /// A merchant's payment by id.
    async fn find(&self, merchant: &Merchant, id: PaymentId)
    -> Result<Option<Payment>, StoreError>;

    /// A page of a merchant's payments, newest first.
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// A payment's journal entries with their sequences, oldest first; `None` when the merchant
    /// has no such payment.
    async fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError>;

    /// A merchant's journal entries in which the bank contradicted a finished payment, with their
    /// sequences, oldest first, after the given sequence; at most `limit`.
    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError>;

    /// The balances of a merchant's account in each currency it moved in; empty when it never moved.
    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError>;

    /// Journal entries of all merchants after a sequence, in order; at most `limit`, and at least one
    /// when there is one.
    async fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError>;

    /// Whether there is room for new payments beside what those under way may still write. While there is
    /// not, admissions are not to be committed; everything else is.
    fn has_room(&self) -> bool;

    /// The sequence of the last durable journal entry, as it grows; 0 when there is none.
    fn appended(&self) -> watch::Receiver<u64>;

    /// The keys of payments about which something is left to do, oldest first, after the given id; at most `limit`. They
    /// are unfinished, or were finished by an operator and the bank is still watched.
    async fn unfinished(
        &self,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<(PaymentId, PaymentKey)>, StoreError>;

    /// The merchants that have payments.
    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError>;

    /// The banks that attempts were sent to, by name; those of earlier versions, which kept no names, are not among
    /// them.
    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError>;

    /// What is durable about the time: the newest of the journal's last entry and what was noted later.
    fn noted_time(&self) -> NotedTime;

    /// Makes it durable that it was this time, so that a later life does not begin before it. Called about every second
    /// while payments are under way.
    ///
    /// That times are in doubt is remembered for as long as payments are unfinished: those stem from the doubtful time.
    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError>;

    /// Whether the store still is where it was opened.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it was moved away or replaced.
    fn check_place(&self) -> Result<(), StoreError>;

    /// Makes everything durable and refuses further work.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Why the store could not do its work. Each of them stops the service: a store that cannot be
/// trusted is not asked again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An earlier failure made the store refuse all further work.
    #[error("the store refuses work since an earlier failure")]
    Poisoned,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A batch could not be applied.
    #[error("could not apply a batch of writes")]
    Apply(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A batch could not be made durable. What the disk holds of it is unknown until a restart.
    #[error("could not sync written data to disk")]
    Sync(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A read failed.
    #[error("could not read from {tree}")]
    Read {
        /// From which tree.
        tree: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored value is damaged.
    #[error("a value in {tree} under key {key} is damaged")]
    Damaged {
        /// In which tree.
        tree: &'static str,
        /// Under which key, in printable form.
        key: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Two trees disagree.
    #[error("{tree} has no entry for {key}, which another tree refers to")]
    Missing {
        /// The tree that lacks it.
        tree: &'static str,
        /// The key, in printable form.
        key: String,
    },
    /// The store is no longer where it was opened.
    #[error(
        "the data directory {0} was moved away or replaced while the service ran on it. Put it back, or start the service \
         on it where it is now"
    )]
    Moved(String),
    /// The balances do not fit the payments.
    #[error("the ledger's balances do not fit its payments")]
    Ledger(#[source] LedgerError),
    /// A value is too large to be stored; the API's limits should have refused it.
    #[error("a value cannot be encoded")]
    Encode(#[from] EncodeError),
}
