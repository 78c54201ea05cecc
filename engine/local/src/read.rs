//! Reads the index and the journal. Both have durable data only.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::PoisonError;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::ledger::Balance;
use holdfast_core::record::{LinkedEntry, Record, sequence_key};
use holdfast_core::{
    AccountId, Currency, IdempotencyKey, JournalEntry, Merchant, OperationId, OperationKey,
    StateName,
};
use holdfast_engine::store::{LIST_SCAN_MAX, Page, Query};

use crate::error::{LocalError, damaged, missing, printable, read};
use crate::format;
use crate::inner::Inner;
use crate::values::{decode_chunk, decode_record};

impl Inner {
    pub(crate) fn record(&self, key: &OperationKey) -> Result<Option<Record>, LocalError> {
        let storage_key = format::record_key(key);
        read(self.trees.payments.get(&storage_key), "payments")?
            .map(|bytes| decode_record(&storage_key, &bytes))
            .transpose()
    }

    pub(crate) fn record_by_id(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<(OperationKey, Record)>, LocalError> {
        let id_key = format::id_key(merchant, id);
        let Some(bytes) = read(self.trees.ids.get(&id_key), "ids")? else {
            return Ok(None);
        };
        self.record_of_id_entry(merchant, &id_key, &bytes).map(Some)
    }

    fn record_of_id_entry(
        &self,
        merchant: &Merchant,
        id_key: &[u8],
        bytes: &[u8],
    ) -> Result<(OperationKey, Record), LocalError> {
        let idempotency_key = format::decode_id(id_key, bytes).map_err(damaged("ids", id_key))?;
        let key = OperationKey {
            merchant: merchant.clone(),
            idempotency_key,
        };
        let record = self
            .record(&key)?
            .ok_or_else(|| missing("payments", &key.idempotency_key))?;
        Ok((key, record))
    }

    /// The merchants that have payments: one index lookup for each.
    pub(crate) fn merchants(&self) -> Result<BTreeSet<Merchant>, LocalError> {
        let mut merchants = BTreeSet::new();
        let mut from = Vec::new();
        while let Some(item) = self.trees.ids.range(from..).next() {
            let (storage_key, _) = read(item, "ids")?;
            let merchant = format::merchant_of(&storage_key)
                .ok_or_else(|| missing("ids", &printable(&storage_key)))?;
            from = format::past_merchant(&merchant);
            merchants.insert(merchant);
        }
        Ok(merchants)
    }

    pub(crate) fn list(&self, query: &Query) -> Result<Page, LocalError> {
        if let Some(idempotency_key) = &query.filter.idempotency_key {
            return self.list_one(query, idempotency_key.clone());
        }
        match (query.filter.state, query.filter.phase) {
            (Some(StateName::Persisted | StateName::BankCalled), _) | (None, Some(_)) => {
                self.list_live(query)
            }
            (Some(StateName::Received), _)
            | (Some(StateName::Settled | StateName::Failed), Some(_)) => Ok(Page::default()),
            (None | Some(StateName::Settled | StateName::Failed), None) => self.list_scan(query),
        }
    }

    fn list_one(&self, query: &Query, idempotency_key: IdempotencyKey) -> Result<Page, LocalError> {
        let key = OperationKey {
            merchant: query.merchant.clone(),
            idempotency_key,
        };
        let found = self.record(&key)?.map(|record| record.into_operation(key));
        Ok(Page {
            operations: found
                .into_iter()
                .filter(|found| query.wants(found))
                .collect(),
            next_before: None,
        })
    }

    /// Unfinished payments are few and known by id, even in a large store.
    fn list_live(&self, query: &Query) -> Result<Page, LocalError> {
        let upper = query.before.map_or(Unbounded, Excluded);
        let candidates: Vec<OperationKey> = {
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
            let payment = record.into_operation(key);
            let id = payment.id;
            if query.wants(&payment) {
                if page.operations.len() == query.limit {
                    page.next_before = page.operations.last().map(|payment| payment.id);
                    return Ok(page);
                }
                page.operations.push(payment);
            }
            if full_scan && examined + 1 == LIST_SCAN_MAX {
                page.next_before = Some(id);
            }
        }
        Ok(page)
    }

    fn list_scan(&self, query: &Query) -> Result<Page, LocalError> {
        // No id is older than its payment, so what is before this was not created after it.
        let lower = Included(query.filter.created_after.map_or_else(
            || format::merchant_prefix(&query.merchant),
            |after| format::id_key(&query.merchant, OperationId::first_after(after)),
        ));
        let upper = query.before.map_or_else(
            || format::past_merchant(&query.merchant),
            |id| format::id_key(&query.merchant, id),
        );
        let mut page = Page::default();
        let mut last_examined = None;
        for (examined, item) in self
            .trees
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
            let payment = record.into_operation(key);
            last_examined = Some(payment.id);
            if !query.wants(&payment) {
                continue;
            }
            if page.operations.len() == query.limit {
                page.next_before = page.operations.last().map(|payment| payment.id);
                break;
            }
            page.operations.push(payment);
        }
        Ok(page)
    }

    pub(crate) fn entries(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, LocalError> {
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

    pub(crate) fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, LocalError> {
        let lower = Excluded(format::contradiction_key(merchant, after));
        let upper = Included(format::contradiction_key(merchant, u64::MAX));
        let marks = self
            .trees
            .contradictions
            .range::<Vec<u8>, _>((lower, upper));
        let found = marks.take(limit).map(|item| {
            let (storage_key, bytes) = read(item, "contradictions")?;
            let sequence: u64 = codec::decode(ValueKind::Contradiction, &storage_key, &bytes)
                .map_err(damaged("contradictions", &storage_key))?;
            Ok((sequence, self.entry(sequence)?.entry))
        });
        found.collect()
    }

    pub(crate) fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, LocalError> {
        let prefix = format::account_prefix(merchant, account);
        let found = self.trees.accounts.scan_prefix(prefix).map(|item| {
            let (storage_key, bytes) = read(item, "accounts")?;
            let key = format::account_of(&storage_key)
                .ok_or_else(|| missing("accounts", &printable(&storage_key)))?;
            let balance = codec::decode(ValueKind::Account, &storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key))?;
            Ok((key.currency, balance))
        });
        found.collect()
    }

    pub(crate) fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, LocalError> {
        let from = after.saturating_add(1);
        let mut entries = Vec::new();
        for chunk in self.journal.chunks(from) {
            let (first, bytes) = chunk?;
            let chunk = decode_chunk(&sequence_key(first), &bytes)?;
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

    fn entry(&self, sequence: u64) -> Result<LinkedEntry, LocalError> {
        let (first, chunk) = self.journal.chunk_with(sequence)?;
        usize::try_from(sequence - first)
            .ok()
            .and_then(|index| chunk.entries.into_iter().nth(index))
            .ok_or_else(|| missing("journal", &sequence))
    }
}
