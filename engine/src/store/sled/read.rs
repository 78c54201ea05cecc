//! Reading the trees. Nothing here waits for durability: the callers pass the read barrier after.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::PoisonError;

use super::format::{self, Chunk, LinkedEntry, Record};
use super::{Inner, Page, Query, StoreError};
use crate::codec::{self, DecodeError, Kind};
use crate::ledger::Balance;
use crate::payment::{
    AccountId, Currency, JournalEntry, Merchant, PaymentId, PaymentKey, StateName,
};
use crate::store::LIST_SCAN_MAX;

/// A storage key as text: ASCII as it is, the rest escaped.
pub(super) fn printable(storage_key: &[u8]) -> String {
    storage_key.escape_ascii().to_string()
}

pub(super) fn decode_record(storage_key: &[u8], bytes: &[u8]) -> Result<Record, StoreError> {
    Record::decode(storage_key, bytes).map_err(damaged("payments", storage_key))
}

pub(super) fn decode_chunk(storage_key: &[u8], bytes: &[u8]) -> Result<Chunk, StoreError> {
    Chunk::decode(storage_key, bytes).map_err(damaged("journal", storage_key))
}

/// Names the value that is damaged.
pub(super) fn damaged(
    tree: &'static str,
    storage_key: &[u8],
) -> impl FnOnce(DecodeError) -> StoreError {
    move |source| StoreError::Damaged {
        tree,
        key: printable(storage_key),
        source,
    }
}

pub(super) fn read<T>(result: sled::Result<T>, tree: &'static str) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Read {
        tree,
        source: Box::new(error),
    })
}

pub(super) fn missing(tree: &'static str, key: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Missing {
        tree,
        key: key.to_string(),
    }
}

impl Inner {
    pub(super) fn record(&self, key: &PaymentKey) -> Result<Option<Record>, StoreError> {
        let storage_key = format::payment_key(key);
        read(self.payments.get(&storage_key), "payments")?
            .map(|bytes| decode_record(&storage_key, &bytes))
            .transpose()
    }

    pub(super) fn record_by_id(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<(PaymentKey, Record)>, StoreError> {
        let id_key = format::id_key(merchant, id);
        let Some(bytes) = read(self.ids.get(&id_key), "ids")? else {
            return Ok(None);
        };
        self.record_of_id_entry(merchant, &id_key, &bytes).map(Some)
    }

    fn record_of_id_entry(
        &self,
        merchant: &Merchant,
        id_key: &[u8],
        bytes: &[u8],
    ) -> Result<(PaymentKey, Record), StoreError> {
        let idempotency_key = format::decode_id(id_key, bytes).map_err(damaged("ids", id_key))?;
        let key = PaymentKey {
            merchant: merchant.clone(),
            idempotency_key,
        };
        let record = self
            .record(&key)?
            .ok_or_else(|| missing("payments", &key.idempotency_key))?;
        Ok((key, record))
    }

    /// The merchants that have payments: one look into the index for each.
    pub(super) fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        let mut merchants = BTreeSet::new();
        let mut from = Vec::new();
        while let Some(item) = self.ids.range(from..).next() {
            let (storage_key, _) = read(item, "ids")?;
            let merchant = format::merchant_of(&storage_key)
                .ok_or_else(|| missing("ids", &printable(&storage_key)))?;
            from = format::past_merchant(&merchant);
            merchants.insert(merchant);
        }
        Ok(merchants)
    }

    pub(super) fn list(&self, query: &Query) -> Result<Page, StoreError> {
        if let Some(idempotency_key) = &query.idempotency_key {
            return self.list_one(query, idempotency_key.clone());
        }
        match (query.state, query.phase) {
            (Some(StateName::Persisted | StateName::BankCalled), _) | (None, Some(_)) => {
                self.list_live(query)
            }
            (Some(StateName::Received), _)
            | (Some(StateName::Settled | StateName::Failed), Some(_)) => Ok(Page::default()),
            (None | Some(StateName::Settled | StateName::Failed), None) => self.list_scan(query),
        }
    }

    fn list_one(
        &self,
        query: &Query,
        idempotency_key: crate::payment::IdempotencyKey,
    ) -> Result<Page, StoreError> {
        let key = PaymentKey {
            merchant: query.merchant.clone(),
            idempotency_key,
        };
        let found = self.record(&key)?.map(|record| record.into_payment(key));
        Ok(Page {
            payments: found
                .into_iter()
                .filter(|found| query.wants(found))
                .collect(),
            next_before: None,
        })
    }

    /// Unfinished payments are few and known by id, however large the store.
    fn list_live(&self, query: &Query) -> Result<Page, StoreError> {
        let upper = query.before.map_or(Unbounded, Excluded);
        let candidates: Vec<PaymentKey> = {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.range((Unbounded, upper))
                .rev()
                .filter(|(_, live)| live.key.merchant == query.merchant)
                .map(|(_, live)| live.key.clone())
                .take(LIST_SCAN_MAX)
                .collect()
        };
        let mut page = Page::default();
        let full_scan = candidates.len() == LIST_SCAN_MAX;
        for (examined, key) in candidates.into_iter().enumerate() {
            let record = self
                .record(&key)?
                .ok_or_else(|| missing("payments", &key.idempotency_key))?;
            let payment = record.into_payment(key);
            let id = payment.id;
            if query.wants(&payment) {
                if page.payments.len() == query.limit {
                    page.next_before = page.payments.last().map(|payment| payment.id);
                    return Ok(page);
                }
                page.payments.push(payment);
            }
            if full_scan && examined + 1 == LIST_SCAN_MAX {
                page.next_before = Some(id);
            }
        }
        Ok(page)
    }

    fn list_scan(&self, query: &Query) -> Result<Page, StoreError> {
        let lower = Included(format::merchant_prefix(&query.merchant));
        let upper = query.before.map_or_else(
            || format::past_merchant(&query.merchant),
            |id| format::id_key(&query.merchant, id),
        );
        let mut page = Page::default();
        let mut last_examined = None;
        for (examined, item) in self
            .ids
            .range::<Vec<u8>, _>((lower, Excluded(upper)))
            .rev()
            .enumerate()
        {
            if examined == LIST_SCAN_MAX {
                page.next_before = last_examined;
                break;
            }
            let (id_key, bytes) = read(item, "ids")?;
            let (key, record) = self.record_of_id_entry(&query.merchant, &id_key, &bytes)?;
            let payment = record.into_payment(key);
            last_examined = Some(payment.id);
            if !query.wants(&payment) {
                continue;
            }
            if page.payments.len() == query.limit {
                page.next_before = page.payments.last().map(|payment| payment.id);
                break;
            }
            page.payments.push(payment);
        }
        Ok(page)
    }

    pub(super) fn entries(
        &self,
        merchant: &Merchant,
        id: PaymentId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        let Some((_, record)) = self.record_by_id(merchant, id)? else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        let mut next = Some(record.last_sequence());
        while let Some(sequence) = next {
            let LinkedEntry { previous, entry } = self.entry(sequence)?;
            if previous.is_some_and(|previous| previous >= sequence) {
                return Err(missing("journal", &format!("the entry before {sequence}")));
            }
            entries.push((sequence, entry));
            next = previous;
        }
        entries.reverse();
        Ok(Some(entries))
    }

    pub(super) fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        let lower = Excluded(format::contradiction_key(merchant, after));
        let upper = Included(format::contradiction_key(merchant, u64::MAX));
        let marks = self.contradictions.range::<Vec<u8>, _>((lower, upper));
        let found = marks.take(limit).map(|item| {
            let (storage_key, bytes) = read(item, "contradictions")?;
            let sequence: u64 = codec::decode(Kind::Contradiction, &storage_key, &bytes)
                .map_err(damaged("contradictions", &storage_key))?;
            Ok((sequence, self.entry(sequence)?.entry))
        });
        found.collect()
    }

    pub(super) fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        let prefix = format::account_prefix(merchant, account);
        let found = self.accounts.scan_prefix(prefix).map(|item| {
            let (storage_key, bytes) = read(item, "accounts")?;
            let key = format::account_of(&storage_key)
                .ok_or_else(|| missing("accounts", &printable(&storage_key)))?;
            let balance = codec::decode(Kind::Account, &storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key))?;
            Ok((key.currency, balance))
        });
        found.collect()
    }

    pub(super) fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        let from = after.saturating_add(1);
        // The chunk that holds the first entry wanted may begin before it.
        let begin = self
            .journal
            .range(..=format::sequence_key(from))
            .next_back();
        let begin = match begin {
            Some(item) => read(item, "journal")?.0,
            None => sled::IVec::from(&format::sequence_key(from)),
        };
        let mut entries = Vec::new();
        for item in self.journal.range(begin..) {
            let (storage_key, bytes) = read(item, "journal")?;
            let first = format::sequence_of(&storage_key)
                .ok_or_else(|| missing("journal", &printable(&storage_key)))?;
            let chunk = decode_chunk(&storage_key, &bytes)?;
            for (sequence, linked) in (first..).zip(chunk.entries) {
                if sequence < from {
                    continue;
                }
                if entries.len() == limit {
                    return Ok(entries);
                }
                entries.push((sequence, linked.entry));
            }
        }
        Ok(entries)
    }

    fn entry(&self, sequence: u64) -> Result<LinkedEntry, StoreError> {
        let at_or_before = self
            .journal
            .range(..=format::sequence_key(sequence))
            .next_back();
        let Some(item) = at_or_before else {
            return Err(missing("journal", &sequence));
        };
        let (storage_key, bytes) = read(item, "journal")?;
        let chunk = decode_chunk(&storage_key, &bytes)?;
        let first = format::sequence_of(&storage_key)
            .ok_or_else(|| missing("journal", &printable(&storage_key)))?;
        usize::try_from(sequence - first)
            .ok()
            .and_then(|index| chunk.entries.into_iter().nth(index))
            .ok_or_else(|| missing("journal", &sequence))
    }
}
