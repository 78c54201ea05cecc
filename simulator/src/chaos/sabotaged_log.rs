//! The planted bugs at the store: at its log, and at its views.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_core::ledger::Balance;
use holdfast_core::{
    AccountId, Amount, BankName, Currency, JournalEntry, Merchant, Operation, OperationId,
    OperationKey, PaymentRequest, Request, Step, Tenure,
};
use holdfast_engine::store::{Log, NotedTime, Page, Query, Store, StoreError, Verdict, Views};
use tokio::sync::watch;

use super::ground::Ground;
use super::sabotage::Sabotage;

/// Wraps the store with the planted bug, if it is one of these.
pub(super) fn store(ground: &Arc<Ground>, store: Store) -> Store {
    match ground.sabotage {
        Some(
            sabotage @ (Sabotage::AcknowledgeEarly
            | Sabotage::RecoverySkips
            | Sabotage::SyncErrorIgnored
            | Sabotage::TimesForgotten
            | Sabotage::TenureKept
            | Sabotage::WatchForgotten),
        ) => {
            let log = store.log;
            Store {
                log: Arc::new(SabotagedLog { log, sabotage }),
                ..store
            }
        }
        Some(Sabotage::BitServed) => Store {
            views: Arc::new(BitServed(store.views)),
            ..store
        },
        _ => store,
    }
}

struct SabotagedLog {
    log: Arc<dyn Log>,
    sabotage: Sabotage,
}

/// The tenure of every life under [`Sabotage::TenureKept`].
const KEPT: Tenure = Tenure::new(1);

#[async_trait]
impl Log for SabotagedLog {
    fn tenure(&self) -> Tenure {
        match self.sabotage {
            Sabotage::TenureKept => KEPT,
            _ => self.log.tenure(),
        }
    }

    fn is_over(&self, tenure: Tenure) -> bool {
        match self.sabotage {
            Sabotage::TenureKept => tenure != KEPT,
            _ => self.log.is_over(tenure),
        }
    }

    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError> {
        let steps = batch.len();
        match self.sabotage {
            Sabotage::AcknowledgeEarly => {
                let log = self.log.clone();
                tokio::spawn(async move { log.commit(batch).await });
                Ok(vec![Verdict::Applied; steps])
            }
            Sabotage::SyncErrorIgnored => match self.log.commit(batch).await {
                Err(StoreError::Ambiguous(_) | StoreError::Fatal(_)) => {
                    Ok(vec![Verdict::Applied; steps])
                }
                answer => answer,
            },
            _ => self.log.commit(batch).await,
        }
    }

    async fn get(&self, key: &OperationKey) -> Result<Option<Operation>, StoreError> {
        self.log.get(key).await
    }

    async fn entries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.log.entries(after, limit).await
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.log.head()
    }

    async fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError> {
        match self.sabotage {
            Sabotage::RecoverySkips => Ok(Vec::new()),
            Sabotage::WatchForgotten => {
                let mut open = Vec::new();
                for (id, key) in self.log.unfinished(after, limit).await? {
                    let operation = self.log.get(&key).await?;
                    if operation.is_some_and(|operation| !operation.is_finished()) {
                        open.push((id, key));
                    }
                }
                Ok(open)
            }
            _ => self.log.unfinished(after, limit).await,
        }
    }

    fn has_room(&self) -> bool {
        self.log.has_room()
    }

    fn noted_time(&self) -> NotedTime {
        match self.sabotage {
            Sabotage::TimesForgotten => NotedTime::default(),
            _ => self.log.noted_time(),
        }
    }

    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        self.log.note_time(noted).await
    }

    fn check_tenure(&self) -> Result<(), StoreError> {
        self.log.check_tenure()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.log.close().await
    }
}

/// Views that serve a flipped bit.
struct BitServed(Arc<dyn Views>);

/// An operation over another amount.
fn bent(mut operation: Operation) -> Operation {
    let Request::Payment(request) = &operation.request;
    let amount = Amount::new(request.amount().minor_units() ^ 16);
    let bent = amount.ok().and_then(|amount| {
        PaymentRequest::new(
            amount,
            request.currency(),
            request.debtor().clone(),
            request.creditor().clone(),
            None,
            request.metadata().clone(),
        )
        .ok()
    });
    if let Some(bent) = bent {
        operation.request = bent.into();
    }
    operation
}

#[async_trait]
impl Views for BitServed {
    async fn find(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        Ok(self.0.find(merchant, id).await?.map(bent))
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.list(query).await
    }

    async fn history(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        self.0.history(merchant, id).await
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.0.contradictions(merchant, after, limit).await
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        self.0.account(merchant, account).await
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        self.0.merchants().await
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        self.0.banks().await
    }
}
