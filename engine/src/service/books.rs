//! Reading the books: balances, and the journal as a feed.

use tokio::sync::watch;

use super::{Service, Unavailable};
use crate::ledger::Balance;
use crate::payment::{AccountId, Currency, JournalEntry, Merchant};

/// A page of the journal, as one merchant sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// The merchant's own entries, in order.
    pub entries: Vec<(u64, JournalEntry)>,
    /// Up to which sequence the journal was read, whosever entries they were.
    pub read_to: u64,
    /// Whether there was more to read when this was read.
    pub more: bool,
}

/// Most entries of the journal that one page reads: a merchant with few entries in a busy store costs
/// pages, not a stalled request.
const FEED_SCAN_MAX: usize = 1_000;

impl Service {
    /// The balances of a merchant's account in each currency it moved in; empty when it never moved.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, Unavailable> {
        self.inner
            .read(self.inner.store.account(merchant, account).await)
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
            let scan = self.inner.store.journal(page.read_to, wanted + 1).await;
            let mut scan = self.inner.read(scan)?;
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
        self.inner.store.appended()
    }

    /// Completes when the service begins to shut down: whoever only listens should end then.
    pub async fn draining(&self) {
        self.inner.parking.cancelled().await;
    }
}
