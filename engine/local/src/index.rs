//! The index: what the journal leads to, in sled, so that a key, an id or an account is found at once.
//!
//! Everything in it follows from the journal. It is written behind the journal, many entries in one transaction, with the mark
//! up to where it has got.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Head, operation_after};
use holdfast_core::ledger::{self, AccountKey, Balance, LedgerError, accounts_of};
use holdfast_core::record::{LinkedEntry, Record};
use holdfast_core::{
    BankName, Guard, JournalEntry, OperationId, OperationKey, Refusal, Step, Timestamp,
};
use holdfast_engine::store::Verdict;
use serde::Serialize;
use sled::Transactional;
use sled::transaction::{TransactionError, TransactionalTree};

use crate::conflict::{Conflict, encode};
use crate::error::{LocalError, damaged, missing, read};
use crate::format;
use crate::journal::FrameBuilder;
use crate::meta;
use crate::trees::Trees;
use crate::values::decode_record;

/// What entries change.
#[derive(Default)]
pub(crate) struct Changes {
    /// The end of the journal after them.
    pub(crate) head: Head,
    records: BTreeMap<Vec<u8>, Record>,
    keys: BTreeMap<OperationId, OperationKey>,
    contradictions: Vec<(Vec<u8>, u64)>,
    balances: BTreeMap<AccountKey, Balance>,
    /// Admitted operations, each with the beginning of the chunk with its first entry.
    pub(crate) admitted: Vec<(OperationId, OperationKey, u64)>,
    /// Operations that need no more work.
    pub(crate) finished: Vec<OperationId>,
    /// Banks that an attempt was sent to for the first time.
    pub(crate) banks: BTreeSet<BankName>,
    /// The newest time of an entry.
    pub(crate) newest: Timestamp,
}

/// How far the low-water mark moves.
pub(crate) struct MarkMove {
    pub(crate) to: u64,
    /// The operations that are still open and therefore need an index entry.
    pub(crate) lingering: BTreeMap<OperationId, OperationKey>,
}

/// The balances of two accounts after a movement, if there is one.
type Moved = Option<[(AccountKey, Balance); 2]>;

/// What stands: the trees, and what was changed since and is not in them.
pub(crate) struct Standing<'a> {
    trees: &'a Trees,
    /// The banks that are in the trees.
    banks: &'a BTreeSet<BankName>,
    changes: Changes,
}

impl<'a> Standing<'a> {
    pub(crate) fn new(trees: &'a Trees, banks: &'a BTreeSet<BankName>, head: Head) -> Self {
        let changes = Changes {
            head,
            ..Changes::default()
        };
        Self {
            trees,
            banks,
            changes,
        }
    }

    pub(crate) fn into_changes(self, head: Head) -> Changes {
        Changes {
            head,
            ..self.changes
        }
    }

    fn record(&self, storage_key: &[u8]) -> Result<Option<Record>, LocalError> {
        if let Some(record) = self.changes.records.get(storage_key) {
            return Ok(Some(record.clone()));
        }
        read(self.trees.payments.get(storage_key), "payments")?
            .map(|bytes| decode_record(storage_key, &bytes))
            .transpose()
    }

    fn balance(&self, key: &AccountKey) -> Result<Balance, LocalError> {
        if let Some(balance) = self.changes.balances.get(key) {
            return Ok(*balance);
        }
        let storage_key = format::account_key(key);
        match read(self.trees.accounts.get(&storage_key), "accounts")? {
            None => Ok(Balance::default()),
            Some(bytes) => codec::decode(ValueKind::Account, &storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key)),
        }
    }

    /// Judges a step. If it applies, its entries go to the frame.
    pub(crate) fn judge(
        &mut self,
        step: &Step,
        frame: &mut FrameBuilder,
    ) -> Result<Verdict, LocalError> {
        let storage_key = format::record_key(step.key());
        let current = self.record(&storage_key)?;
        let version = current.as_ref().map_or(0, Record::version);
        if version != step.expected_version() {
            let current = current.map(|record| Box::new(record.into_operation(step.key().clone())));
            return Ok(Verdict::Lost { current });
        }
        let has_room = step.guards.contains(&Guard::AccountsHaveRoom);
        let mut moved = Vec::new();
        for entry in &step.entries {
            match self.moved(entry)? {
                Ok(after) => {
                    // A step has one movement at most that can be refused, its first one.
                    self.changes
                        .balances
                        .extend(after.iter().flatten().cloned());
                    moved.push(());
                }
                Err(full @ LedgerError::Full { .. }) if has_room && moved.is_empty() => {
                    return Ok(Verdict::Refused(Refusal::AccountFull(full)));
                }
                Err(broken) => return Err(LocalError::Ledger(broken)),
            }
        }
        let mut previous = current.as_ref().map(Record::last_sequence);
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

    /// Follows an entry of the journal.
    pub(crate) fn follow(
        &mut self,
        sequence: u64,
        chunk_first: u64,
        entry: &JournalEntry,
    ) -> Result<(), LocalError> {
        let key = self.key_of(entry)?;
        let storage_key = format::record_key(&key);
        let before = self.record(&storage_key)?;
        let before = before.map(|record| record.into_operation(key.clone()));
        let operation = if entry.cause.is_note() {
            before.ok_or_else(|| missing("payments", &entry.operation_id))?
        } else {
            let after = operation_after(before.as_ref(), entry);
            after.map_err(|error| LocalError::Apply(Box::new(error)))?
        };
        let after = self.moved(entry)?.map_err(LocalError::Ledger)?;
        self.changes.balances.extend(after.into_iter().flatten());
        self.note(sequence, chunk_first, &key, entry);
        let record = Record::of(&operation, sequence);
        self.changes.records.insert(storage_key, record);
        Ok(())
    }

    fn key_of(&self, entry: &JournalEntry) -> Result<OperationKey, LocalError> {
        let idempotency_key = if let Some(admission) = &entry.admission {
            admission.idempotency_key.clone()
        } else if let Some(key) = self.changes.keys.get(&entry.operation_id) {
            return Ok(key.clone());
        } else {
            let id_key = format::id_key(&entry.merchant, entry.operation_id);
            let bytes = read(self.trees.ids.get(&id_key), "ids")?;
            let bytes = bytes.ok_or_else(|| missing("ids", &entry.operation_id))?;
            format::decode_id(&id_key, &bytes).map_err(damaged("ids", &id_key))?
        };
        Ok(OperationKey {
            merchant: entry.merchant.clone(),
            idempotency_key,
        })
    }

    /// The balances after an entry's movement.
    fn moved(&self, entry: &JournalEntry) -> Result<Result<Moved, LedgerError>, LocalError> {
        let Some(movement) = &entry.movement else {
            return Ok(Ok(None));
        };
        let keys = accounts_of(&entry.merchant, movement);
        let before = [self.balance(&keys[0])?, self.balance(&keys[1])?];
        Ok(ledger::apply(movement, before).map(|[debit, credit]| {
            let [debtor, creditor] = keys;
            Some([(debtor, debit), (creditor, credit)])
        }))
    }

    /// Notes what an entry changes besides its record and balances.
    fn note(&mut self, sequence: u64, chunk_first: u64, key: &OperationKey, entry: &JournalEntry) {
        let changes = &mut self.changes;
        changes.newest = changes.newest.max(entry.at);
        if let Some(bank) = entry.to.sent_to()
            && !self.banks.contains(bank)
        {
            changes.banks.insert(bank.clone());
        }
        if entry.from.is_none() {
            changes.keys.insert(entry.operation_id, key.clone());
            let admitted = (entry.operation_id, key.clone(), chunk_first);
            changes.admitted.push(admitted);
        }
        if entry.is_contradiction() {
            let mark_key = format::contradiction_key(&entry.merchant, sequence);
            changes.contradictions.push((mark_key, sequence));
        }
        if !entry.leaves_open() {
            changes.finished.push(entry.operation_id);
        }
    }
}

/// Writes changes to the trees, in one transaction with the mark up to where they go.
///
/// `indexed` tells which operations the tree of the unfinished has.
pub(crate) fn write(
    trees: &Trees,
    known_banks: &BTreeSet<BankName>,
    changes: &Changes,
    mark: Option<&MarkMove>,
    reached: Option<u64>,
    indexed: impl Fn(OperationId) -> bool,
) -> Result<(), LocalError> {
    let written = (
        &trees.payments,
        &trees.ids,
        &trees.unfinished,
        &trees.accounts,
        &trees.contradictions,
        &trees.meta,
    )
        .transaction(
            |(payments, ids, unfinished, accounts, contradictions, meta)| {
                // sled may run this more than once; it changes nothing outside.
                for (storage_key, record) in &changes.records {
                    let value = encode(record.encode(storage_key))?;
                    payments.insert(&storage_key[..], value)?;
                }
                for (id, key) in &changes.keys {
                    let id_key = format::id_key(&key.merchant, *id);
                    let value = encode(format::encode_id(&id_key, &key.idempotency_key))?;
                    ids.insert(id_key, value)?;
                }
                for (key, balance) in &changes.balances {
                    let storage_key = format::account_key(key);
                    let value = encode(codec::encode(ValueKind::Account, &storage_key, balance))?;
                    accounts.insert(storage_key, value)?;
                }
                for (mark_key, sequence) in &changes.contradictions {
                    let value = codec::encode(ValueKind::Contradiction, mark_key, sequence);
                    contradictions.insert(&mark_key[..], encode(value)?)?;
                }
                for id in changes.finished.iter().filter(|id| indexed(**id)) {
                    unfinished.remove(id.as_uuid().as_bytes())?;
                }
                put(meta, meta::CHAIN_HEAD, &changes.head)?;
                if let Some(reached) = reached {
                    put(meta, meta::HEAD_NOTED, &reached)?;
                }
                if !changes.banks.is_empty() {
                    let banks: BTreeSet<_> = known_banks.union(&changes.banks).collect();
                    put(meta, meta::BANKS, &banks)?;
                }
                if let Some(mark) = mark {
                    put(meta, meta::LOW_WATER, &mark.to)?;
                    for (id, key) in &mark.lingering {
                        if changes.finished.contains(id) {
                            continue;
                        }
                        let storage_key = id.as_uuid().into_bytes();
                        let value =
                            encode(codec::encode(ValueKind::Unfinished, &storage_key, key))?;
                        unfinished.insert(&storage_key, value)?;
                    }
                }
                Ok(())
            },
        );
    written.map_err(|error| match error {
        TransactionError::Abort(error) => error,
        TransactionError::Storage(error) => LocalError::Apply(Box::new(error)),
    })
}

fn put<T: Serialize>(
    tree: &TransactionalTree,
    key: &'static [u8],
    value: &T,
) -> Result<(), Conflict> {
    tree.insert(key, encode(meta::encode(key, value))?)?;
    Ok(())
}
