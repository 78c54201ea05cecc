//! Reads: payments, their histories, balances, and the journal as a feed.

use std::collections::BTreeSet;

use holdfast_core::ledger::Balance;
use holdfast_core::{
    AccountId, Currency, JournalEntry, Merchant, Operation, OperationId, OperationKey,
};
use tokio::sync::watch;

use super::errors::Unavailable;
use super::shared::Service;
use crate::store::{Page, Query};

/// A page of the journal, as one merchant sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// The merchant's own entries, in order.
    pub entries: Vec<(u64, JournalEntry)>,
    /// The sequence up to which the journal was read, including entries of other merchants.
    pub read_to: u64,
    /// Whether there was more to read when this was read.
    pub more: bool,
}

/// Most entries of the journal that one page reads: a merchant with few entries in a busy store costs
/// pages, not a stalled request.
const FEED_SCAN_MAX: usize = 1_000;

impl Service {
    /// A merchant's payment by id.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn find(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, Unavailable> {
        let shared = &self.shared;
        shared.read(shared.views.find(merchant, id).await)
    }

    /// The payment under a key, if there is one, in flight or not.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn find_by_key(&self, key: &OperationKey) -> Result<Option<Operation>, Unavailable> {
        self.shared.read(self.shared.log.get(key).await)
    }

    /// A page of a merchant's payments, newest first.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn list(&self, query: &Query) -> Result<Page, Unavailable> {
        self.shared.read(self.shared.views.list(query).await)
    }

    /// A payment's journal entries, oldest first; `None` when the merchant has no such payment.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn entries(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, Unavailable> {
        let shared = &self.shared;
        shared.read(shared.views.history(merchant, id).await)
    }

    /// A merchant's contradictions after a sequence, oldest first; at most `limit`.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, Unavailable> {
        let views = &self.shared.views;
        let found = views.contradictions(merchant, after, limit).await;
        self.shared.read(found)
    }

    /// The merchants that have payments.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn merchants(&self) -> Result<BTreeSet<Merchant>, Unavailable> {
        self.shared.read(self.shared.views.merchants().await)
    }

    /// The balances of a merchant's account, one for each of its currencies; empty when it never had a movement.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, Unavailable> {
        let shared = &self.shared;
        shared.read(shared.views.account(merchant, account).await)
    }

    /// A merchant's entries after a sequence, at most `limit`, at least 1.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn feed(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<FeedPage, Unavailable> {
        let mut page = FeedPage {
            more: true,
            read_to: after,
            ..FeedPage::default()
        };
        let mut scanned = 0;
        while page.more && page.entries.len() < limit && scanned < FEED_SCAN_MAX {
            // No more than is wanted: what is read in vain is read at the cost of payments.
            let wanted = limit - page.entries.len();
            let scan = self.shared.log.entries(page.read_to, wanted + 1).await;
            let mut scan = self.shared.read(scan)?;
            page.more = scan.len() > wanted;
            scan.truncate(wanted);
            scanned += scan.len();
            for (sequence, entry) in scan {
                page.read_to = sequence;
                if entry.merchant == *merchant {
                    page.entries.push((sequence, entry));
                }
            }
        }
        Ok(page)
    }

    /// The sequence of the last durable journal entry, as it grows.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.shared.log.head()
    }
}
