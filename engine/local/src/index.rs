//! The index: what the journal leads to, in sled, so that a key, an id or an account is found at once.
//!
//! Everything in it follows from the journal, and is written behind it. The mark, "up to entry n", is written last. So after
//! a kill the index may have more than its mark says, and never less: following the journal from the mark once more leads to
//! the same values, for each of them says up to which entry it goes.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Head, operation_after};
use holdfast_core::ledger::{self, LedgerError, Side, accounts_of};
use holdfast_core::record::{LinkedEntry, Record, Stored};
use holdfast_core::{
    BankName, Guard, JournalEntry, Operation, OperationId, OperationKey, Refusal, Step, Timestamp,
};
use holdfast_engine::store::Verdict;
use serde::Serialize;

use crate::balance_cache::BalanceCache;
use crate::blocks;
use crate::changes::Changes;
use crate::error::{LocalError, damaged, missing, read, written};
use crate::format::{self, BalanceAt};
use crate::history::Histories;
use crate::ids::Ids;
use crate::journal::{FrameBuilder, Journal};
use crate::memtable::Memtable;
use crate::meta;
use crate::tips::Tips;
use crate::trees::Trees;
use crate::values::stored_in;

/// An operation that was admitted.
pub(crate) struct Admitted {
    pub(crate) id: OperationId,
    pub(crate) key: OperationKey,
    /// The first entry of the chunk with its admission.
    pub(crate) from: u64,
}

/// What may be newer than the trees.
#[derive(Clone, Copy)]
pub(crate) struct Newer<'a> {
    pub(crate) memtable: &'a Memtable,
    pub(crate) balances: &'a BalanceCache,
}

impl Newer<'_> {
    fn balance(&self, storage_key: &[u8]) -> Option<BalanceAt> {
        let cached = self.balances.get(storage_key);
        cached.or_else(|| self.memtable.balance(storage_key))
    }
}

/// What stands: the trees, what is newer in memory, and what was changed since.
pub(crate) struct Standing<'a> {
    trees: &'a Trees,
    /// What of it is durable.
    journal: &'a Journal,
    newer: Option<Newer<'a>>,
    /// The banks that are known.
    banks: &'a BTreeSet<BankName>,
    changes: Changes,
    /// Operations that were admitted since.
    pub(crate) admitted: Vec<Admitted>,
    /// The newest time of an entry since.
    pub(crate) newest: Timestamp,
}

/// A balance of an account after a movement.
type Moved = (Vec<u8>, BalanceAt);

impl<'a> Standing<'a> {
    pub(crate) fn new(
        trees: &'a Trees,
        journal: &'a Journal,
        newer: Option<Newer<'a>>,
        banks: &'a BTreeSet<BankName>,
        head: Head,
    ) -> Self {
        Self {
            trees,
            journal,
            newer,
            banks,
            changes: Changes::after(head),
            admitted: Vec::new(),
            newest: Timestamp::default(),
        }
    }

    /// What was changed, now that the journal ends there.
    pub(crate) fn into_changes(self, head: Head) -> Changes {
        Changes {
            head,
            ..self.changes
        }
    }

    fn stored(&self, storage_key: &[u8]) -> Result<Option<Stored>, LocalError> {
        if let Some(record) = self.changes.records.get(storage_key) {
            return Ok(Some(Stored::Record(record.clone())));
        }
        if let Some(record) = self
            .newer
            .and_then(|newer| newer.memtable.record(storage_key))
        {
            return Ok(Some(Stored::Record(record)));
        }
        stored_in(self.trees, storage_key)
    }

    fn operation(&self, key: &OperationKey, stored: Stored) -> Result<Operation, LocalError> {
        let record = Histories::new(self.journal).record(key, stored)?;
        Ok(record.into_operation(key.clone()))
    }

    fn balance(&self, storage_key: &[u8]) -> Result<BalanceAt, LocalError> {
        if let Some(balance) = self.changes.balances.get(storage_key) {
            return Ok(*balance);
        }
        if let Some(balance) = self.newer.and_then(|newer| newer.balance(storage_key)) {
            return Ok(balance);
        }
        match read(self.trees.accounts.get(storage_key), "accounts")? {
            None => Ok(BalanceAt::default()),
            Some(bytes) => format::decode_balance(storage_key, &bytes)
                .map_err(damaged("accounts", storage_key)),
        }
    }

    /// Judges a step. If it applies, its entries go to the frame.
    pub(crate) fn judge(
        &mut self,
        step: &Step,
        frame: &mut FrameBuilder,
    ) -> Result<Verdict, LocalError> {
        let storage_key = format::record_key(step.key());
        let stored = self.stored(&storage_key)?;
        let current = stored.as_ref().map(Stored::tip);
        if current.map_or(0, |tip| tip.version) != step.expected_version() {
            let current = stored.map(|stored| self.operation(step.key(), stored));
            let current = current.transpose()?.map(Box::new);
            return Ok(Verdict::Lost { current });
        }
        let has_room = step.guards.contains(&Guard::AccountsHaveRoom);
        for (sequence, entry) in (frame.head().sequence + 1..).zip(&step.entries) {
            // A step has one movement at most that can be refused, its first one.
            let is_first = sequence == frame.head().sequence + 1;
            match self.moved(sequence, entry)? {
                // What comes next is in no balance yet.
                Ok(after) if entry.movement.is_some() && after.len() != 2 => {
                    return Err(missing("accounts", &sequence));
                }
                Ok(after) => self.changes.balances.extend(after),
                Err(full @ LedgerError::Full { .. }) if has_room && is_first => {
                    return Ok(Verdict::Refused(Refusal::AccountFull(full)));
                }
                Err(broken) => return Err(LocalError::Ledger(broken)),
            }
        }
        let mut previous = current.map(|tip| tip.last_sequence);
        for entry in &step.entries {
            let sequence = frame.push(LinkedEntry {
                previous,
                entry: entry.clone(),
            })?;
            self.note(sequence, frame.chunk_first(), step.key(), entry);
            previous = Some(sequence);
        }
        let record = Record::of(&step.operation, previous.unwrap_or_default());
        self.changes.records.insert(storage_key, record);
        Ok(Verdict::Applied)
    }

    /// Follows an entry of the journal. Its effects may be in the trees, in part or all of them.
    pub(crate) fn follow(
        &mut self,
        sequence: u64,
        chunk_first: u64,
        entry: &JournalEntry,
    ) -> Result<(), LocalError> {
        let key = self.key_of(entry)?;
        let storage_key = format::record_key(&key);
        let before = self.stored(&storage_key)?;
        let is_there = before
            .as_ref()
            .is_some_and(|stored| stored.tip().last_sequence >= sequence);
        if !is_there {
            let before = before.map(|stored| self.operation(&key, stored));
            let before = before.transpose()?;
            let operation = if entry.cause.is_note() {
                before.ok_or_else(|| missing("payments", &entry.operation_id))?
            } else {
                let after = operation_after(before.as_ref(), entry);
                after.map_err(|error| LocalError::Apply(Box::new(error)))?
            };
            let record = Record::of(&operation, sequence);
            self.changes.records.insert(storage_key, record);
        }
        let after = self.moved(sequence, entry)?.map_err(LocalError::Ledger)?;
        self.changes.balances.extend(after);
        self.note(sequence, chunk_first, &key, entry);
        Ok(())
    }

    fn key_of(&self, entry: &JournalEntry) -> Result<OperationKey, LocalError> {
        let id_key = format::id_key(&entry.merchant, entry.operation_id);
        let idempotency_key = if let Some(admission) = &entry.admission {
            admission.idempotency_key.clone()
        } else if let Some(key) = self.changes.ids.get(&id_key) {
            key.clone()
        } else {
            let found = blocks::find::<Ids>(&self.trees.ids, &id_key)?;
            found.ok_or_else(|| missing("ids", &entry.operation_id))?
        };
        Ok(OperationKey {
            merchant: entry.merchant.clone(),
            idempotency_key,
        })
    }

    /// The balances after an entry's movement, without those that have it already.
    fn moved(
        &self,
        sequence: u64,
        entry: &JournalEntry,
    ) -> Result<Result<Vec<Moved>, LedgerError>, LocalError> {
        let Some(movement) = &entry.movement else {
            return Ok(Ok(Vec::new()));
        };
        let mut moved = Vec::with_capacity(2);
        let accounts = accounts_of(&entry.merchant, movement);
        for (key, side) in accounts.iter().zip([Side::Debit, Side::Credit]) {
            let storage_key = format::account_key(key);
            let before = self.balance(&storage_key)?;
            if before.up_to >= sequence {
                continue;
            }
            match ledger::apply_to(movement, side, before.balance) {
                Ok(balance) => {
                    let up_to = sequence;
                    moved.push((storage_key, BalanceAt { balance, up_to }));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(moved))
    }

    /// Notes what an entry changes besides its record and balances.
    fn note(&mut self, sequence: u64, chunk_first: u64, key: &OperationKey, entry: &JournalEntry) {
        let changes = &mut self.changes;
        self.newest = self.newest.max(entry.at);
        if let Some(bank) = entry.to.sent_to()
            && !self.banks.contains(bank)
        {
            changes.banks.insert(bank.clone());
        }
        if entry.from.is_none() {
            let id_key = format::id_key(&key.merchant, entry.operation_id);
            changes.ids.insert(id_key, key.idempotency_key.clone());
            self.admitted.push(Admitted {
                id: entry.operation_id,
                key: key.clone(),
                from: chunk_first,
            });
        }
        if entry.is_contradiction() {
            let mark_key = format::contradiction_key(&entry.merchant, sequence);
            changes.contradictions.insert(mark_key, sequence);
        }
        if !entry.leaves_open() {
            changes.finished.push(entry.operation_id);
        }
    }
}

/// Writes changes to the trees, all but the mark.
///
/// `was_lingering` tells which of the finished operations the tree of the unfinished has.
pub(crate) fn write(
    trees: &Trees,
    changes: &Changes,
    mut was_lingering: impl FnMut(OperationId) -> bool,
) -> Result<(), LocalError> {
    for (mark_key, sequence) in &changes.contradictions {
        let value = codec::encode(ValueKind::Contradiction, mark_key, sequence)?;
        insert(&trees.contradictions, mark_key, value)?;
    }
    blocks::write::<Ids>(&trees.ids, &changes.ids)?;
    write_records(trees, &changes.records)?;
    for (storage_key, balance) in &changes.balances {
        let value = format::encode_balance(storage_key, balance)?;
        insert(&trees.accounts, storage_key, value)?;
    }
    for id in &changes.finished {
        if was_lingering(*id) {
            written(trees.unfinished.remove(id.as_uuid().as_bytes()))?;
        }
    }
    if !changes.banks.is_empty() {
        let mut banks: BTreeSet<BankName> = meta::load(&trees.meta, meta::BANKS)?;
        banks.extend(changes.banks.iter().cloned());
        put(trees, meta::BANKS, &banks)?;
    }
    Ok(())
}

fn write_records(trees: &Trees, records: &BTreeMap<Vec<u8>, Record>) -> Result<(), LocalError> {
    let mut tips = BTreeMap::new();
    for (storage_key, record) in records {
        if let Some(tip) = record.tip_alone() {
            tips.insert(storage_key, tip);
        } else {
            insert(&trees.payments, storage_key, record.encode(storage_key)?)?;
        }
    }
    blocks::write::<Tips>(&trees.tips, tips.iter().map(|(key, tip)| (*key, tip)))?;
    for storage_key in tips.into_keys() {
        // Most of them ended before a table was written, and never were there.
        if read(trees.payments.contains_key(storage_key), "payments")? {
            written(trees.payments.remove(storage_key))?;
        }
    }
    Ok(())
}

/// Puts an operation into the tree of those that have been unfinished for long.
pub(crate) fn write_lingering(
    trees: &Trees,
    id: OperationId,
    key: &OperationKey,
) -> Result<(), LocalError> {
    let storage_key = id.as_uuid().into_bytes();
    let value = codec::encode(ValueKind::Unfinished, &storage_key, key)?;
    insert(&trees.unfinished, &storage_key, value)
}

/// Writes a single value about the store.
pub(crate) fn put<T: Serialize>(
    trees: &Trees,
    key: &'static [u8],
    value: &T,
) -> Result<(), LocalError> {
    insert(&trees.meta, key, meta::encode(key, value)?)
}

fn insert(tree: &sled::Tree, key: &[u8], value: Vec<u8>) -> Result<(), LocalError> {
    written(tree.insert(key, value))
}
