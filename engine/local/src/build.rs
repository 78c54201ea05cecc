//! Builds the index from the journal: for a new store, an import, and an index that cannot be believed.

use std::collections::{BTreeMap, HashMap};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Head, Replay, ReplayError, Replayed};
use holdfast_core::record::{Record, Stored, Tip, sequence_key};
use holdfast_core::{
    IdempotencyKey, JournalEntry, Operation, OperationId, OperationKey, Tenure, Timestamp,
};

use crate::blocks;
use crate::error::LocalError;
use crate::format::{self, BalanceAt, STORE_FORMAT};
use crate::ids::Ids;
use crate::journal::Journal;
use crate::meta;
use crate::tips::Tips;
use crate::trees::Trees;
use crate::values::{decode_chunk, stored_in};

/// Ids, and tips, that are written at once.
const WRITTEN_AT_ONCE: usize = 4_096;

/// Why no index could be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// An entry cannot be right.
    #[error("entry {sequence}: {source}")]
    Replay { sequence: u64, source: ReplayError },
    /// No opening could follow.
    #[error("the journal has an attempt of tenure {0}, the largest there can be")]
    Tenure(Tenure),
    #[error(transparent)]
    Content(#[from] LocalError),
    #[error("cannot write the index: {0}")]
    Write(#[from] sled::Error),
}

impl From<codec::EncodeError> for BuildError {
    fn from(error: codec::EncodeError) -> Self {
        Self::Content(error.into())
    }
}

/// An index that is being built, entry by entry. It keeps only the open operations and one balance per account in memory.
pub(crate) struct IndexBuilder {
    pub(crate) trees: Trees,
    replay: Replay,
    latest: HashMap<OperationId, u64>,
    /// Ids that are not written yet.
    admitted: BTreeMap<Vec<u8>, IdempotencyKey>,
    /// Tips that are not written yet.
    tips: BTreeMap<Vec<u8>, Tip>,
    /// The newest time of an entry.
    pub(crate) newest: Timestamp,
}

impl IndexBuilder {
    pub(crate) fn new(trees: Trees) -> Self {
        Self {
            trees,
            replay: Replay::default(),
            latest: HashMap::new(),
            admitted: BTreeMap::new(),
            tips: BTreeMap::new(),
            newest: Timestamp::default(),
        }
    }

    /// The end of the journal so far.
    pub(crate) const fn head(&self) -> Head {
        self.replay.head()
    }

    /// Takes the next entry; returns the sequence of the same operation's entry before it.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        entry: &JournalEntry,
    ) -> Result<Option<u64>, BuildError> {
        let replayed = self.replay.apply(sequence, entry);
        let replayed = replayed.map_err(|source| BuildError::Replay { sequence, source })?;
        let id = entry.operation_id;
        self.newest = self.newest.max(entry.at);
        let previous = self.latest.get(&id).copied();
        if let Some(admission) = &entry.admission {
            let id_key = format::id_key(&entry.merchant, id);
            self.admitted
                .insert(id_key, admission.idempotency_key.clone());
            if self.admitted.len() >= WRITTEN_AT_ONCE {
                self.write_ids()?;
            }
        }
        match replayed {
            Replayed::Open(_) => {
                self.latest.insert(id, sequence);
            }
            Replayed::Finished(operation) => {
                self.latest.remove(&id);
                self.record(&operation, sequence)?;
            }
            Replayed::Note(_) => return self.follow_up(sequence, entry),
        }
        Ok(previous)
    }

    fn store(&mut self, storage_key: Vec<u8>, stored: Stored) -> Result<(), BuildError> {
        match stored {
            Stored::Record(record) => {
                let value = record.encode(&storage_key)?;
                self.trees.payments.insert(storage_key, value)?;
            }
            Stored::Tip(tip) => {
                self.tips.insert(storage_key, tip);
                if self.tips.len() >= WRITTEN_AT_ONCE {
                    self.write_tips()?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, operation: &Operation, latest: u64) -> Result<(), BuildError> {
        let storage_key = format::record_key(&operation.key);
        let record = Record::of(operation, latest);
        let tip = record.tip_alone().map(Stored::Tip);
        self.store(storage_key, tip.unwrap_or(Stored::Record(record)))
    }

    /// Adds a note to the end of a finished operation's history; returns the previous end.
    fn follow_up(
        &mut self,
        sequence: u64,
        entry: &JournalEntry,
    ) -> Result<Option<u64>, BuildError> {
        let orphan = || BuildError::Replay {
            sequence,
            source: ReplayError::NotOpen(entry.operation_id),
        };
        let id_key = format::id_key(&entry.merchant, entry.operation_id);
        let idempotency_key = match self.admitted.get(&id_key) {
            Some(idempotency_key) => idempotency_key.clone(),
            None => blocks::find::<Ids>(&self.trees.ids, &id_key)?.ok_or_else(orphan)?,
        };
        let key = OperationKey {
            merchant: entry.merchant.clone(),
            idempotency_key,
        };
        let storage_key = format::record_key(&key);
        let stored = match self.tips.get(&storage_key) {
            Some(tip) => Stored::Tip(*tip),
            None => stored_in(&self.trees, &storage_key)?.ok_or_else(orphan)?,
        };
        let previous = stored.tip().last_sequence;
        let stored = match stored {
            Stored::Tip(tip) => Stored::Tip(Tip {
                last_sequence: sequence,
                ..tip
            }),
            Stored::Record(record) => {
                Stored::Record(Record::of(&record.into_operation(key), sequence))
            }
        };
        self.store(storage_key, stored)?;
        if entry.is_contradiction() {
            let mark = format::contradiction_key(&entry.merchant, sequence);
            let value = codec::encode(ValueKind::Contradiction, &mark, &sequence)?;
            self.trees.contradictions.insert(mark, value)?;
        }
        Ok(Some(previous))
    }

    fn write_ids(&mut self) -> Result<(), LocalError> {
        blocks::write::<Ids>(&self.trees.ids, &std::mem::take(&mut self.admitted))
    }

    fn write_tips(&mut self) -> Result<(), LocalError> {
        blocks::write::<Tips>(&self.trees.tips, &std::mem::take(&mut self.tips))
    }

    /// Takes all of a journal, from where this index has got. `progress` gets how many entries are in it.
    pub(crate) fn take_all(
        &mut self,
        journal: &Journal,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), BuildError> {
        for chunk in journal.chunks(self.head().sequence + 1) {
            let (first, bytes) = chunk?;
            let chunk = decode_chunk(&sequence_key(first), &bytes)?;
            for (sequence, linked) in (first..).zip(&chunk.entries) {
                self.take(sequence, &linked.entry)?;
            }
            progress(self.head().sequence);
        }
        Ok(())
    }

    /// Writes what is known only at the end, and whose index it is.
    pub(crate) fn finish(mut self, log: [u8; 16]) -> Result<Trees, BuildError> {
        self.write_ids()?;
        self.write_tips()?;
        let trees = &self.trees;
        for operation in self.replay.all_open() {
            let latest = self.latest.get(&operation.id).copied().unwrap_or_default();
            let storage_key = format::record_key(&operation.key);
            let value = Record::of(operation, latest).encode(&storage_key)?;
            trees.payments.insert(storage_key, value)?;
        }
        let open = self
            .replay
            .all_open()
            .map(|operation| (operation.id, &operation.key));
        // Everything open is indexed, and the mark stands at the end.
        for (id, key) in open.chain(self.replay.all_watched()) {
            let storage_key = id.as_uuid().into_bytes();
            let value = codec::encode(ValueKind::Unfinished, &storage_key, key)?;
            trees.unfinished.insert(storage_key, value)?;
        }
        let up_to = self.replay.head().sequence;
        for (key, balance) in self.replay.book().iter() {
            let storage_key = format::account_key(key);
            let balance = *balance;
            let value = format::encode_balance(&storage_key, &BalanceAt { balance, up_to })?;
            trees.accounts.insert(storage_key, value)?;
        }
        // Every tenure of the journal is over: the next opening begins a higher one.
        let tenure = self.replay.tenure();
        if tenure.next().is_none() {
            return Err(BuildError::Tenure(tenure));
        }
        let head = self.replay.head();
        let put = |key: &'static [u8], value| -> Result<(), BuildError> {
            trees
                .meta
                .insert(key, Result::<Vec<u8>, _>::map_err(value, BuildError::from)?)?;
            Ok(())
        };
        put(meta::LOG, meta::encode(meta::LOG, &log))?;
        put(meta::CHAIN_HEAD, meta::encode(meta::CHAIN_HEAD, &head))?;
        put(
            meta::LOW_WATER,
            meta::encode(meta::LOW_WATER, &(head.sequence + 1)),
        )?;
        put(meta::TENURE, meta::encode(meta::TENURE, &tenure))?;
        if !self.replay.banks().is_empty() {
            put(meta::BANKS, meta::encode(meta::BANKS, self.replay.banks()))?;
        }
        let mark = format!("{}{STORE_FORMAT}", meta::FORMAT_PREFIX);
        trees.meta.insert(meta::FORMAT, mark.as_bytes())?;
        Ok(self.trees)
    }
}
