//! Reads the journal, and what the index has of it: in memory first, and then in the trees. All of them have durable data only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::PoisonError;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::ledger::Balance;
use holdfast_core::record::{Stored, sequence_key};
use holdfast_core::{
    AccountId, Currency, IdempotencyKey, JournalEntry, Merchant, Operation, OperationId,
    OperationKey, StateName,
};
use holdfast_engine::store::{LIST_SCAN_MAX, Page, Query};

use crate::blocks;
use crate::error::{LocalError, damaged, missing, printable, read};
use crate::format::{self, BalanceAt};
use crate::history::Histories;
use crate::ids::Ids;
use crate::inner::Inner;
use crate::values::{decode_chunk, stored_in};

impl Inner {
    /// What is known of a key without the journal.
    pub(crate) fn stored(&self, key: &OperationKey) -> Result<Option<Stored>, LocalError> {
        let storage_key = format::record_key(key);
        if let Some(record) = self.memtable.record(&storage_key) {
            return Ok(Some(Stored::Record(record)));
        }
        stored_in(&self.trees, &storage_key)
    }

    /// The operation of a key, and of what is known of it.
    pub(crate) fn operation(
        &self,
        key: OperationKey,
        stored: Stored,
    ) -> Result<Operation, LocalError> {
        let record = Histories::new(&self.journal).record(&key, stored)?;
        Ok(record.into_operation(key))
    }

    fn find(
        &self,
        histories: &mut Histories<'_>,
        key: OperationKey,
    ) -> Result<Operation, LocalError> {
        let stored = self.stored(&key)?;
        let stored = stored.ok_or_else(|| missing("payments", &key.idempotency_key))?;
        Ok(histories.record(&key, stored)?.into_operation(key))
    }

    /// The key of an id.
    pub(crate) fn key_by_id(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<OperationKey>, LocalError> {
        let id_key = format::id_key(merchant, id);
        let idempotency_key = match self.memtable.idempotency_key(&id_key) {
            Some(idempotency_key) => Some(idempotency_key),
            None => blocks::find::<Ids>(&self.trees.ids, &id_key)?,
        };
        Ok(idempotency_key.map(|idempotency_key| OperationKey {
            merchant: merchant.clone(),
            idempotency_key,
        }))
    }

    pub(crate) fn operation_by_id(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, LocalError> {
        let Some(key) = self.key_by_id(merchant, id)? else {
            return Ok(None);
        };
        let found = self.find(&mut Histories::new(&self.journal), key)?;
        if found.id != id {
            return Err(missing("ids", &id));
        }
        Ok(Some(found))
    }

    /// The merchants that have payments: one index lookup for each.
    pub(crate) fn merchants(&self) -> Result<BTreeSet<Merchant>, LocalError> {
        let merchant_of = |storage_key: &[u8]| {
            format::merchant_of(storage_key).ok_or_else(|| missing("ids", &printable(storage_key)))
        };
        let mut merchants = BTreeSet::new();
        for (storage_key, _) in self.memtable.ids((Unbounded, Unbounded)) {
            merchants.insert(merchant_of(&storage_key)?);
        }
        let mut from = Vec::new();
        while let Some(item) = self.trees.ids.range(from..).next() {
            let (storage_key, _) = read(item, "ids")?;
            let merchant = merchant_of(&storage_key)?;
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
        let stored = self.stored(&key)?;
        let found = stored.map(|stored| self.operation(key, stored));
        let found = found.transpose()?;
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
        let mut histories = Histories::newest_first(&self.journal);
        for (examined, key) in candidates.into_iter().enumerate() {
            let payment = self.find(&mut histories, key)?;
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
        let lower = query.filter.created_after.map_or_else(
            || format::merchant_prefix(&query.merchant),
            |after| format::id_key(&query.merchant, OperationId::first_after(after)),
        );
        let upper = query.before.map_or_else(
            || format::past_merchant(&query.merchant),
            |id| format::id_key(&query.merchant, id),
        );
        let mut page = Page::default();
        let mut last_examined = None;
        let mut histories = Histories::newest_first(&self.journal);
        for (examined, item) in self.newest_first(&lower, &upper).enumerate() {
            if examined == LIST_SCAN_MAX {
                page.next_before = last_examined;
                break;
            }
            let key = OperationKey {
                merchant: query.merchant.clone(),
                idempotency_key: item?,
            };
            let payment = self.find(&mut histories, key)?;
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

    /// The keys of the payments with these ids, the newest one first: those in memory and those in the tree.
    fn newest_first(
        &self,
        lower: &[u8],
        upper: &[u8],
    ) -> impl Iterator<Item = Result<IdempotencyKey, LocalError>> {
        // Before the tree is looked at: what leaves the memory meanwhile is in the tree.
        let mut newer = if lower < upper {
            self.memtable.ids((Included(lower), Excluded(upper)))
        } else {
            Vec::new()
        };
        let stored = blocks::last_first::<Ids>(&self.trees.ids, lower.to_vec(), upper.to_vec());
        let mut stored = stored.peekable();
        std::iter::from_fn(move || {
            let in_memory = newer.last().map(|(id_key, _)| id_key);
            let in_tree = match stored.peek() {
                Some(Ok((id_key, _))) => Some(id_key),
                Some(Err(_)) | None => None,
            };
            let key_of = |item: Result<(_, IdempotencyKey), _>| item.map(|(_, key)| key);
            if in_memory.is_some() && in_memory == in_tree {
                stored.next();
            } else if in_memory < in_tree {
                return stored.next().map(key_of);
            }
            match newer.pop() {
                Some((_, key)) => Some(Ok(key)),
                None => stored.next().map(key_of),
            }
        })
    }

    pub(crate) fn entries(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, LocalError> {
        let Some(key) = self.key_by_id(merchant, id)? else {
            return Ok(None);
        };
        let stored = self.stored(&key)?;
        let stored = stored.ok_or_else(|| missing("payments", &key.idempotency_key))?;
        let tip = stored.tip();
        if tip.id != id {
            return Err(missing("ids", &id));
        }
        let mut histories = Histories::new(&self.journal);
        histories.up_to(id, tip.last_sequence).map(Some)
    }

    pub(crate) fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, LocalError> {
        let lower = format::contradiction_key(merchant, after);
        let upper = format::contradiction_key(merchant, u64::MAX);
        let bounds = (Excluded(&lower[..]), Included(&upper[..]));
        if lower >= upper {
            return Ok(Vec::new());
        }
        let in_memory = self.memtable.look(|changes| {
            let within = changes.contradictions.range::<[u8], _>(bounds);
            within.map(|(_, sequence)| *sequence).collect::<Vec<_>>()
        });
        let mut sequences: BTreeSet<u64> = in_memory.flatten().collect();
        for item in self
            .trees
            .contradictions
            .range::<&[u8], _>(bounds)
            .take(limit)
        {
            let (storage_key, bytes) = read(item, "contradictions")?;
            let sequence: u64 = codec::decode(ValueKind::Contradiction, &storage_key, &bytes)
                .map_err(damaged("contradictions", &storage_key))?;
            sequences.insert(sequence);
        }
        let mut histories = Histories::new(&self.journal);
        let found = sequences.into_iter().take(limit);
        found
            .map(|sequence| Ok((sequence, histories.entry(sequence)?.entry)))
            .collect()
    }

    pub(crate) fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, LocalError> {
        let prefix = format::account_prefix(merchant, account);
        let in_memory = self.memtable.look(|changes| {
            let from = changes
                .balances
                .range::<[u8], _>((Included(&prefix[..]), Unbounded));
            from.take_while(|(key, _)| key.starts_with(&prefix))
                .map(|(key, at)| (key.clone(), *at))
                .collect::<Vec<_>>()
        });
        // The newer ones come later, and take the place of those before.
        let in_memory: BTreeMap<Vec<u8>, BalanceAt> = in_memory.flatten().collect();
        let mut balances = BTreeMap::new();
        for item in self.trees.accounts.scan_prefix(&prefix) {
            let (storage_key, bytes) = read(item, "accounts")?;
            let at = format::decode_balance(&storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key))?;
            balances.insert(storage_key.to_vec(), at);
        }
        for (storage_key, at) in in_memory {
            let newest = balances.entry(storage_key).or_default();
            if at.up_to > newest.up_to {
                *newest = at;
            }
        }
        let found = balances.into_iter().map(|(storage_key, at)| {
            let key = format::account_of(&storage_key)
                .ok_or_else(|| missing("accounts", &printable(&storage_key)))?;
            Ok((key.currency, at.balance))
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
}
