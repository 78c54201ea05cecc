//! Where the planted bugs at the store and at the front door sit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_engine::ledger::Balance;
use holdfast_engine::payment::{
    AccountId, Amount, BankName, Currency, JournalEntry, Merchant, Payment, PaymentId, PaymentKey,
    PaymentRequest,
};
use holdfast_engine::store::{NotedTime, Page, Query, Store, StoreError, Verdict, Write};
use http::{Request, Response};
use tokio::sync::watch;

use super::ground::Ground;
use super::life::{Door, Reply};
use super::sabotage::Sabotage;

/// The store, with what is planted at it.
pub(super) fn store(ground: &Arc<Ground>, store: Arc<dyn Store>) -> Arc<dyn Store> {
    match ground.sabotage {
        Some(
            sabotage @ (Sabotage::AcknowledgeEarly
            | Sabotage::RecoverySkips
            | Sabotage::SyncErrorIgnored
            | Sabotage::TimesForgotten
            | Sabotage::WatchForgotten
            | Sabotage::BitServed),
        ) => Arc::new(SabotagedStore { store, sabotage }),
        _ => store,
    }
}

/// The front door, with what is planted at it.
pub(super) fn door(ground: &Arc<Ground>, door: Arc<dyn Door>) -> Arc<dyn Door> {
    match ground.sabotage {
        Some(
            sabotage @ (Sabotage::UnfinishedCached
            | Sabotage::FingerprintIgnored
            | Sabotage::LostWakeUp
            | Sabotage::ReplayDiffers),
        ) => Arc::new(SabotagedDoor {
            door,
            sabotage,
            memory: Arc::default(),
        }),
        _ => door,
    }
}

struct SabotagedStore {
    store: Arc<dyn Store>,
    sabotage: Sabotage,
}

/// A payment over another amount.
fn bent(mut payment: Payment) -> Payment {
    let request = &payment.request;
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
        payment.request = Arc::new(bent);
    }
    payment
}

#[async_trait]
impl Store for SabotagedStore {
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Verdict>, StoreError> {
        let writes = batch.len();
        match self.sabotage {
            Sabotage::AcknowledgeEarly => {
                let store = self.store.clone();
                tokio::spawn(async move { store.commit(batch).await });
                Ok(vec![Verdict::Applied; writes])
            }
            Sabotage::SyncErrorIgnored => match self.store.commit(batch).await {
                Err(StoreError::Sync(_) | StoreError::Poisoned) => {
                    Ok(vec![Verdict::Applied; writes])
                }
                answer => answer,
            },
            _ => self.store.commit(batch).await,
        }
    }

    async fn get(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        self.store.get(key).await
    }

    async fn find(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Payment>, StoreError> {
        let found = self.store.find(merchant, id).await?;
        Ok(match self.sabotage {
            Sabotage::BitServed => found.map(bent),
            _ => found,
        })
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.store.list(query).await
    }

    async fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        self.store.entries(merchant, id).await
    }

    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.store.contradictions(merchant, after, limit).await
    }

    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        self.store.account(merchant, account).await
    }

    async fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.store.journal(after, limit).await
    }

    fn has_room(&self) -> bool {
        self.store.has_room()
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.store.appended()
    }

    async fn unfinished(
        &self,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<(PaymentId, PaymentKey)>, StoreError> {
        match self.sabotage {
            Sabotage::RecoverySkips => Ok(Vec::new()),
            Sabotage::WatchForgotten => {
                let mut open = Vec::new();
                for (id, key) in self.store.unfinished(after, limit).await? {
                    let payment = self.store.get(&key).await?;
                    if payment.is_some_and(|payment| !payment.is_finished()) {
                        open.push((id, key));
                    }
                }
                Ok(open)
            }
            _ => self.store.unfinished(after, limit).await,
        }
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        self.store.merchants().await
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        self.store.banks().await
    }

    fn noted_time(&self) -> NotedTime {
        match self.sabotage {
            Sabotage::TimesForgotten => NotedTime::default(),
            _ => self.store.noted_time(),
        }
    }

    async fn note_time(&self, noted: NotedTime) -> Result<(), StoreError> {
        self.store.note_time(noted).await
    }

    fn check_place(&self) -> Result<(), StoreError> {
        self.store.check_place()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}

/// What a sabotaged door remembers of each key.
#[derive(Debug, Default)]
struct Memory {
    bodies: BTreeMap<Vec<u8>, Bytes>,
    answers: BTreeMap<Vec<u8>, (http::StatusCode, http::HeaderMap, Bytes)>,
    in_flight: BTreeSet<Vec<u8>>,
    replays: u32,
}

struct SabotagedDoor {
    door: Arc<dyn Door>,
    sabotage: Sabotage,
    memory: Arc<Mutex<Memory>>,
}

impl Door for SabotagedDoor {
    fn call(&self, request: Request<Bytes>) -> Reply {
        let header = request.headers().get("idempotency-key");
        let Some(key) = header.map(|value| value.as_bytes().to_vec()) else {
            return self.door.call(request);
        };
        match self.sabotage {
            Sabotage::FingerprintIgnored => {
                let mut request = request;
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                let first = memory
                    .bodies
                    .entry(key)
                    .or_insert_with(|| request.body().clone());
                *request.body_mut() = first.clone();
                drop(memory);
                self.door.call(request)
            }
            Sabotage::LostWakeUp => self.join_for_ever(key, request),
            Sabotage::UnfinishedCached => self.cache_whatever(key, request),
            _ => self.differ(request),
        }
    }
}

impl SabotagedDoor {
    fn join_for_ever(&self, key: Vec<u8>, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let joined = {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            !memory.in_flight.insert(key.clone())
        };
        if joined {
            return Box::pin(std::future::pending());
        }
        let reply = self.door.call(request);
        Box::pin(async move {
            let response = reply.await;
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.in_flight.remove(&key);
            response
        })
    }

    fn cache_whatever(&self, key: Vec<u8>, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let cached = {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.answers.get(&key).cloned()
        };
        if let Some((status, headers, body)) = cached {
            return Box::pin(async move { whole(status, headers, body) });
        }
        let reply = self.door.call(request);
        Box::pin(async move {
            let response = reply.await;
            if response.status().is_success() {
                let (parts, body) = response.into_parts();
                let answer = (parts.status, parts.headers, body);
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.answers.insert(key, answer.clone());
                return whole(answer.0, answer.1, answer.2);
            }
            response
        })
    }

    fn differ(&self, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let reply = self.door.call(request);
        Box::pin(async move {
            let mut response = reply.await;
            let replayed = response.headers().get("idempotent-replayed");
            if replayed.is_some_and(|value| value == "true") {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.replays += 1;
                let mut body = response.body().to_vec();
                body.extend(std::iter::repeat_n(b' ', memory.replays as usize));
                *response.body_mut() = Bytes::from(body);
            }
            response
        })
    }
}

fn whole(status: http::StatusCode, headers: http::HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
