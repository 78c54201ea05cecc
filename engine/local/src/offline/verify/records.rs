//! Checks the records and the index of their ids, one by one.

use holdfast_core::record::Stored;
use holdfast_core::{IdempotencyKey, Merchant, OperationId, OperationKey};

use super::journal::causes;
use super::verifier::{DAMAGED, INDEX_WRONG, Phase, RECORD_EXTRA, SetDigest, UNKNOWN, Verifier};
use crate::error::printable;
use crate::format;
use crate::ids;

impl Verifier<'_> {
    /// Every record must have a history and be found by its id.
    pub(super) fn records(&mut self) {
        let (trees, total) = (self.trees, self.report.payments);
        let mut count = 0;
        let mut stored = SetDigest::default();
        for item in &trees.payments {
            let Ok((storage_key, bytes)) = item else {
                self.find("payments", "?", "cannot be read", DAMAGED);
                break;
            };
            count += 1;
            self.tell(Phase::Records, count, total);
            let shown = printable(&storage_key);
            // What cannot be decoded was named when the journal led to it, unless nothing does.
            let tip = match Stored::decode(&storage_key, &bytes) {
                Ok(value) => value.tip(),
                Err(error) => {
                    self.find("payments", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            let Some(key) = format::key_of(&storage_key) else {
                self.find(
                    "payments",
                    shown,
                    "is not a valid merchant and key",
                    UNKNOWN,
                );
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

    /// Reports the records that the journal does not have.
    fn extra_records(&mut self) {
        let trees = self.trees;
        let mut named = false;
        // Ends at what cannot be read: sled would give the same error for ever.
        for (storage_key, bytes) in trees.payments.iter().map_while(Result::ok) {
            let decoded = Stored::decode(&storage_key, &bytes).ok();
            let Some((stored, key)) = decoded.zip(format::key_of(&storage_key)) else {
                continue;
            };
            let tip = stored.tip();
            let (id, sequence) = (tip.id, tip.last_sequence);
            if self.entry_at(sequence) != Some(id)
                || self.key_of(&key.merchant, id).as_ref() != Some(&key.idempotency_key)
            {
                let problem = format!("payment {id} has no entry {sequence} under this key");
                self.find("payments", printable(&storage_key), problem, RECORD_EXTRA);
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
        ids::find(&self.trees.ids, &id_key).ok()?
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
        for item in ids::all(&trees.ids) {
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
            let record = trees.payments.get(&record_key).ok().flatten();
            let stored = record.and_then(|bytes| Stored::decode(&record_key, &bytes).ok());
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
