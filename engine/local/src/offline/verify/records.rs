//! Checks the records and the index of their ids, one by one.

use holdfast_core::record::{Record, Tip};
use holdfast_core::{IdempotencyKey, Merchant, OperationId, OperationKey};

use super::journal::causes;
use super::verifier::{DAMAGED, INDEX_WRONG, Phase, RECORD_EXTRA, SetDigest, UNKNOWN, Verifier};
use crate::blocks;
use crate::error::{LocalError, damaged, printable, read};
use crate::format;
use crate::ids::Ids;
use crate::tips::Tips;
use crate::trees::Trees;
use crate::values::stored_in;

impl Verifier<'_> {
    /// Every record and every tip must have a history and be found by its id.
    pub(super) fn records(&mut self) {
        let total = self.report.payments;
        let mut count = 0;
        let mut stored = SetDigest::default();
        for item in tips_in(self.trees) {
            count += 1;
            self.tell(Phase::Records, count, total);
            let (tree, storage_key, tip) = match item {
                Ok(found) => found,
                // What cannot be decoded was named when the journal led to it, unless nothing does.
                Err(error) => {
                    self.find("payments", "?", causes(&error), DAMAGED);
                    continue;
                }
            };
            let Some(key) = format::key_of(&storage_key) else {
                let shown = printable(&storage_key);
                self.find(tree, shown, "is not a valid merchant and key", UNKNOWN);
                continue;
            };
            stored.add(&storage_key, tip.id);
            if self.key_of(&key.merchant, tip.id).as_ref() != Some(&key.idempotency_key) {
                let id_key = format::id_key(&key.merchant, tip.id);
                let problem = format!("payment {} is not found under its id", tip.id);
                self.find("ids", printable(&id_key), problem, INDEX_WRONG);
            }
        }
        if stored != self.admitted {
            self.extra_records();
        }
    }

    /// Reports the records and tips that the journal does not have.
    fn extra_records(&mut self) {
        let mut named = false;
        for (tree, storage_key, tip) in tips_in(self.trees).filter_map(Result::ok) {
            let Some(key) = format::key_of(&storage_key) else {
                continue;
            };
            let (id, sequence) = (tip.id, tip.last_sequence);
            if self.entry_at(sequence) != Some(id)
                || self.key_of(&key.merchant, id).as_ref() != Some(&key.idempotency_key)
            {
                let problem = format!("payment {id} has no entry {sequence} under this key");
                self.find(tree, printable(&storage_key), problem, RECORD_EXTRA);
                named = true;
            }
        }
        if !named && self.report.findings == 0 {
            let problem = "do not match the admissions in the journal";
            self.find("payments", "all", problem, RECORD_EXTRA);
        }
    }

    /// The key that the index has for a payment's id.
    fn key_of(&self, merchant: &Merchant, id: OperationId) -> Option<IdempotencyKey> {
        let id_key = format::id_key(merchant, id);
        blocks::find::<Ids>(&self.trees.ids, &id_key).ok()?
    }

    /// Which payment an entry is about.
    fn entry_at(&self, sequence: u64) -> Option<OperationId> {
        let (first, chunk) = self.journal.chunk_with(sequence).ok()?;
        let at = usize::try_from(sequence.checked_sub(first)?).ok()?;
        chunk
            .entries
            .get(at)
            .map(|linked| linked.entry.operation_id)
    }

    pub(super) fn ids(&mut self) {
        let (trees, total) = (self.trees, self.report.payments);
        let mut count = 0;
        for item in blocks::all::<Ids>(&trees.ids) {
            let (storage_key, key) = match item {
                Ok(item) => item,
                Err(error) => {
                    self.find("ids", "?", causes(&error), DAMAGED);
                    break;
                }
            };
            count += 1;
            self.tell(Phase::Ids, count, total);
            let shown = printable(&storage_key);
            let merchant = format::merchant_of(&storage_key);
            let (Some(merchant), Some(id)) = (merchant, format::id_of(&storage_key)) else {
                self.find("ids", shown, "is not a valid merchant and id", UNKNOWN);
                continue;
            };
            let key = OperationKey {
                merchant,
                idempotency_key: key,
            };
            let record_key = format::record_key(&key);
            let stored = stored_in(trees, &record_key).ok().flatten();
            if stored.map(|stored| stored.tip().id) != Some(id) {
                self.find(
                    "ids",
                    shown,
                    "leads to no payment with this id",
                    INDEX_WRONG,
                );
            }
        }
    }
}

/// Every record and every tip, with its tree and storage key. Ends at what sled cannot read: it would give the same error for ever.
fn tips_in(
    trees: &Trees,
) -> impl Iterator<Item = Result<(&'static str, Vec<u8>, Tip), LocalError>> {
    let mut is_over = false;
    let records = trees.payments.iter().map_while(move |item| {
        if is_over {
            return None;
        }
        is_over = item.is_err();
        Some(read(item, "payments").and_then(|(storage_key, bytes)| {
            let record = Record::decode(&storage_key, &bytes);
            let record = record.map_err(damaged("payments", &storage_key))?;
            Ok(("payments", storage_key.to_vec(), record.tip()))
        }))
    });
    let tips = blocks::all::<Tips>(&trees.tips)
        .map(|item| item.map(|(storage_key, tip)| ("tips", storage_key, tip)));
    records.chain(tips)
}
