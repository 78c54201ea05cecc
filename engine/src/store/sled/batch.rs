//! Committing a batch: one transaction over the trees, one sync, a verdict per write.
//!
//! **How unfinished payments are found after a crash without two index writes a payment.** The set
//! lives in memory. On disk stand a low-water mark and, in `unfinished`, only the payments admitted
//! before the mark that were still open when it moved. Opening reads that index and replays the
//! journal from the mark, which is at most [`LOW_WATER_STRIDE`] entries and a batch away from the
//! end.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError, TransactionalTree};

use super::format::{self, Chunk, JOURNAL_CHUNK_BYTES_MAX, LinkedEntry, Record};
use super::read::{damaged, decode_chunk, decode_record, missing, printable, read};
use super::{Inner, Live};
use crate::codec::{self, Kind};
use crate::payment::{PaymentId, PaymentKey};
use crate::store::{StoreError, Verdict, Write};

/// The mark moves once so many entries have been written since it last did.
pub(super) const LOW_WATER_STRIDE: u64 = 4096;

/// Under which key of `meta` the mark stands.
pub(super) const LOW_WATER_KEY: &[u8] = b"low_water";

/// The trees inside the transaction.
struct Trees<'a> {
    payments: &'a TransactionalTree,
    ids: &'a TransactionalTree,
    journal: &'a TransactionalTree,
    unfinished: &'a TransactionalTree,
    contradictions: &'a TransactionalTree,
    meta: &'a TransactionalTree,
}

/// What a batch did, to be made known only after its sync.
struct Applied {
    verdicts: Vec<Verdict>,
    next_sequence: u64,
    admitted: Vec<(PaymentId, Live)>,
    finished: Vec<PaymentId>,
}

/// How far the low-water mark moves with this batch.
struct MarkMove {
    to: u64,
    /// The payments that are still open and so need an index entry.
    lingering: BTreeMap<PaymentId, PaymentKey>,
}

type Conflict = ConflictableTransactionError<StoreError>;

impl Inner {
    pub(super) fn commit(&self, batch: &[Write]) -> Result<Vec<Verdict>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        let first_sequence = writer.next_sequence;
        let mark = self.mark_move(first_sequence, writer.low_water);
        let number = writer.next_batch;

        // Before the first byte can be seen by a reader: see `barrier`.
        self.visible.store(number, Ordering::SeqCst);
        let trees = (
            &self.payments,
            &self.ids,
            &self.journal,
            &self.unfinished,
            &self.contradictions,
            &self.meta,
        );
        let applied = trees.transaction(|trees| {
            // sled may run this closure more than once; it changes nothing outside.
            let (payments, ids, journal, unfinished, contradictions, meta) = trees;
            let trees = Trees {
                payments,
                ids,
                journal,
                unfinished,
                contradictions,
                meta,
            };
            self.apply(&trees, batch, first_sequence, mark.as_ref())
        });
        let applied = applied.map_err(|error| match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => StoreError::Apply(Box::new(error)),
        });
        let synced = applied.and_then(|applied| {
            if applied.next_sequence > first_sequence {
                self.sync()?;
            }
            Ok(applied)
        });
        let applied = synced.inspect_err(|_| self.poison())?;

        // Durable from here on: now it may be known.
        writer.next_sequence = applied.next_sequence;
        writer.next_batch = number + 1;
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = mark.filter(|_| applied.next_sequence > first_sequence) {
            writer.low_water = mark.to;
            for id in mark.lingering.keys() {
                if let Some(live) = live.get_mut(id) {
                    live.indexed = true;
                }
            }
        }
        live.extend(applied.admitted);
        for id in &applied.finished {
            live.remove(id);
        }
        drop(live);
        self.durable.send_replace(number);
        Ok(applied.verdicts)
    }

    fn mark_move(&self, first_sequence: u64, low_water: u64) -> Option<MarkMove> {
        if first_sequence - low_water < LOW_WATER_STRIDE {
            return None;
        }
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let lingering = live
            .iter()
            .filter(|(_, live)| !live.indexed)
            .map(|(id, live)| (*id, live.key.clone()))
            .collect();
        Some(MarkMove {
            to: first_sequence,
            lingering,
        })
    }

    fn apply(
        &self,
        trees: &Trees<'_>,
        batch: &[Write],
        first_sequence: u64,
        mark: Option<&MarkMove>,
    ) -> Result<Applied, Conflict> {
        let mut journal = JournalWriter::new(trees.journal, first_sequence);
        let mut applied = Applied {
            verdicts: Vec::with_capacity(batch.len()),
            next_sequence: first_sequence,
            admitted: Vec::new(),
            finished: Vec::new(),
        };
        for write in batch {
            let verdict = self.apply_write(trees, write, &mut journal, &mut applied)?;
            applied.verdicts.push(verdict);
        }
        applied.next_sequence = journal.finish()?;
        if let Some(mark) = mark.filter(|_| applied.next_sequence > first_sequence) {
            let value = encode(codec::encode(Kind::Meta, LOW_WATER_KEY, &mark.to))?;
            trees.meta.insert(LOW_WATER_KEY, value)?;
            for (id, key) in &mark.lingering {
                if applied.finished.contains(id) {
                    continue;
                }
                let storage_key = id.as_uuid().into_bytes();
                let value = encode(codec::encode(Kind::Unfinished, &storage_key, key))?;
                trees.unfinished.insert(&storage_key, value)?;
            }
        }
        Ok(applied)
    }

    fn apply_write(
        &self,
        trees: &Trees<'_>,
        write: &Write,
        journal: &mut JournalWriter<'_>,
        applied: &mut Applied,
    ) -> Result<Verdict, Conflict> {
        let storage_key = format::payment_key(write.key());
        let current = match trees.payments.get(&storage_key)? {
            None => None,
            Some(bytes) => Some(
                decode_record(&storage_key, &bytes).map_err(ConflictableTransactionError::Abort)?,
            ),
        };
        let version = current.as_ref().map_or(0, Record::version);
        if version != write.expected_version() {
            let current = current.map(|record| Box::new(record.into_payment(write.key().clone())));
            return Ok(Verdict::Lost { current });
        }

        let payment = write.last();
        let mut previous = current.as_ref().map(Record::last_sequence);
        for step in write.steps() {
            let sequence = journal.push(LinkedEntry {
                previous,
                entry: step.entry.clone(),
            })?;
            if step.entry.from.is_none() {
                let id_key = format::id_key(&payment.key.merchant, payment.id);
                let value = encode(format::encode_id(&id_key, &payment.key.idempotency_key))?;
                trees.ids.insert(id_key, value)?;
                let live = Live {
                    key: payment.key.clone(),
                    indexed: false,
                };
                applied.admitted.push((payment.id, live));
            }
            if step.entry.cause.is_note() {
                let mark_key = format::contradiction_key(&payment.key.merchant, sequence);
                let value = encode(codec::encode(Kind::Contradiction, &mark_key, &sequence))?;
                trees.contradictions.insert(mark_key, value)?;
            }
            previous = Some(sequence);
        }
        let last_sequence = previous.unwrap_or_default();
        let value = encode(Record::of(payment, last_sequence).encode(&storage_key))?;
        trees.payments.insert(storage_key, value)?;
        if payment.is_finished() {
            applied.finished.push(payment.id);
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            let indexed = live.get(&payment.id).is_some_and(|live| live.indexed);
            drop(live);
            if indexed {
                trees.unfinished.remove(payment.id.as_uuid().as_bytes())?;
            }
        }
        Ok(Verdict::Applied)
    }
}

/// Packs consecutive entries into as few values as the size limit allows.
struct JournalWriter<'a> {
    tree: &'a TransactionalTree,
    chunk: Chunk,
    chunk_bytes: u64,
    chunk_first: u64,
    next: u64,
}

impl<'a> JournalWriter<'a> {
    fn new(tree: &'a TransactionalTree, first_sequence: u64) -> Self {
        Self {
            tree,
            chunk: Chunk::default(),
            chunk_bytes: 0,
            chunk_first: first_sequence,
            next: first_sequence,
        }
    }

    fn push(&mut self, entry: LinkedEntry) -> Result<u64, Conflict> {
        let bytes = encode(codec::body_bytes(&entry))?;
        if !self.chunk.entries.is_empty() && self.chunk_bytes + bytes > JOURNAL_CHUNK_BYTES_MAX {
            self.write_chunk()?;
        }
        self.chunk.entries.push(entry);
        self.chunk_bytes += bytes;
        self.next += 1;
        Ok(self.next - 1)
    }

    fn write_chunk(&mut self) -> Result<(), Conflict> {
        let value = encode(self.chunk.encode(self.chunk_first))?;
        self.tree
            .insert(&format::sequence_key(self.chunk_first), value)?;
        self.chunk.entries.clear();
        self.chunk_bytes = 0;
        self.chunk_first = self.next;
        Ok(())
    }

    /// Writes what is left and returns the next free sequence.
    fn finish(mut self) -> Result<u64, Conflict> {
        if !self.chunk.entries.is_empty() {
            self.write_chunk()?;
        }
        Ok(self.next)
    }
}

fn encode<T>(encoded: Result<T, codec::EncodeError>) -> Result<T, Conflict> {
    encoded.map_err(|error| ConflictableTransactionError::Abort(StoreError::Encode(error)))
}

/// Rebuilds the set of unfinished payments and the next sequence when a store is opened.
pub(super) struct Replay {
    pub(super) live: BTreeMap<PaymentId, Live>,
    pub(super) next_sequence: u64,
    pub(super) low_water: u64,
}

pub(super) fn replay(
    journal: &sled::Tree,
    unfinished: &sled::Tree,
    meta: &sled::Tree,
) -> Result<Replay, StoreError> {
    let low_water = match read(meta.get(LOW_WATER_KEY), "meta")? {
        None => 1,
        Some(bytes) => codec::decode(Kind::Meta, LOW_WATER_KEY, &bytes)
            .map_err(damaged("meta", LOW_WATER_KEY))?,
    };
    let mut live = BTreeMap::new();
    for item in unfinished {
        let (storage_key, bytes) = read(item, "unfinished")?;
        let key: PaymentKey = codec::decode(Kind::Unfinished, &storage_key, &bytes)
            .map_err(damaged("unfinished", &storage_key))?;
        let id = format::id_of(&storage_key)
            .ok_or_else(|| missing("unfinished", &printable(&storage_key)))?;
        live.insert(id, Live { key, indexed: true });
    }
    let mut next_sequence = low_water;
    for item in journal.range(format::sequence_key(low_water)..) {
        let (storage_key, bytes) = read(item, "journal")?;
        if format::sequence_of(&storage_key) != Some(next_sequence) {
            // The journal is dense: whatever is missing here was lost or taken out.
            return Err(missing("journal", &next_sequence));
        }
        let chunk = decode_chunk(&storage_key, &bytes)?;
        for LinkedEntry { entry, .. } in chunk.entries {
            if let Some(admission) = &entry.admission {
                let key = PaymentKey {
                    merchant: entry.merchant.clone(),
                    idempotency_key: admission.idempotency_key.clone(),
                };
                live.insert(
                    entry.payment_id,
                    Live {
                        key,
                        indexed: false,
                    },
                );
            }
            if entry.to.name().is_final() {
                live.remove(&entry.payment_id);
            }
            next_sequence += 1;
        }
    }
    Ok(Replay {
        live,
        next_sequence,
        low_water,
    })
}
