//! Commits a batch: one transaction over the trees, one sync, a verdict per step.
//!
//! **Why a large batch is committed in parts.** sled treats data as safe once the operating system has it, and reuses
//! log segments on that basis. But only a sync makes data safe on disk. After a power loss, pages that survived out of
//! order can mislead sled only if two syncs are more than the end of one segment apart: then the next segment is found
//! without the one before it, and everything from there on is dropped. So no part writes nearly as much as a segment
//! holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::Head;
use holdfast_core::record::{LinkedEntry, Record};
use holdfast_core::{BankName, OperationId, OperationKey, Step, Timestamp};
use holdfast_engine::store::Verdict;
use sled::Transactional;
use sled::transaction::TransactionError;

use crate::balances::Balances;
use crate::conflict::{Conflict, abort, encode};
use crate::error::{LocalError, not_synced};
use crate::format;
use crate::head_file::Note;
use crate::inner::{Inner, Live, Writer};
use crate::journal_writer::JournalWriter;
use crate::meta;
use crate::trees::CommitTrees;
use crate::values::decode_record;

/// The mark moves after this many entries.
const LOW_WATER_STRIDE: u64 = 4096;

/// A part of a batch ends when its records have this many bytes. In the log they take many times that space: the
/// journal contains them too, and sled rewrites whole pages with them.
const PART_BYTES_MAX: usize = 32 * 1024;

/// A part also ends after a number of writes: that of payments which take this many bytes of the log. A write may
/// rewrite a whole page, so it costs as much as the data that is already stored there.
const PART_STORED_BYTES_MAX: u64 = 512 * 1024;

/// Fewest writes of a part.
const PART_WRITES_MIN: u64 = 16;

/// Journal entries of a payment without problems.
const ENTRIES_PER_PAYMENT: u64 = 3;

/// Most index entries written when the mark moves. If there are more, the mark moves less far, and again with the next
/// part.
const LINGERING_MAX: usize = 128;

/// The effects of a batch. They are published only after its sync.
struct Applied {
    verdicts: Vec<Verdict>,
    /// The end of the journal after the batch.
    head: Head,
    admitted: Vec<(OperationId, Live)>,
    /// Operations that need no more work.
    finished: Vec<OperationId>,
    /// Banks that an attempt was sent to for the first time.
    banks: BTreeSet<BankName>,
    /// The newest time of an entry.
    newest: Timestamp,
    /// Bytes of the values written.
    bytes: usize,
}

/// How far the low-water mark moves with this batch.
struct MarkMove {
    to: u64,
    /// The payments that are still open and therefore need an index entry.
    lingering: BTreeMap<OperationId, OperationKey>,
}

impl Inner {
    pub(crate) fn commit(&self, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        self.check_place()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        while verdicts.len() < batch.len() {
            verdicts.extend(self.commit_part(&mut writer, &batch[verdicts.len()..])?);
        }
        Ok(verdicts)
    }

    /// Commits the first of these writes, at least one, and returns their verdicts.
    fn commit_part(&self, writer: &mut Writer, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let head = writer.head;
        let first_sequence = head.sequence + 1;
        let mark = self.mark_move(first_sequence, writer.low_water);
        let number = writer.next_batch;
        let noted = writer.head_file.noted().head.sequence;
        let reached = (noted > writer.reached).then_some(noted);

        // Before the first byte can be seen by a reader: see `barrier`.
        self.visible.store(number, Ordering::SeqCst);
        let trees = (
            &self.trees.payments,
            &self.trees.ids,
            &self.trees.journal,
            &self.trees.unfinished,
            &self.trees.accounts,
            &self.trees.contradictions,
            &self.trees.meta,
        );
        let applied = trees.transaction(|trees| {
            // sled may run this closure more than once; it changes nothing outside.
            let (payments, ids, journal, unfinished, accounts, contradictions, meta) = trees;
            let trees = CommitTrees {
                payments,
                ids,
                journal,
                unfinished,
                accounts,
                contradictions,
                meta,
            };
            self.apply(&trees, batch, head, mark.as_ref(), reached)
        });
        let applied = applied.map_err(|error| match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => LocalError::Apply(Box::new(error)),
        });
        let synced = applied.and_then(|applied| {
            if applied.head != head {
                self.sync()?;
                let note = Note {
                    head: applied.head,
                    at: applied.newest,
                    in_doubt: self.in_doubt.load(Ordering::SeqCst),
                };
                writer.head_file.note(note).map_err(not_synced)?;
            }
            Ok(applied)
        });
        let applied = synced.inspect_err(|_| self.poison())?;

        // Durable from here on: now it may be known.
        writer.head = applied.head;
        writer.next_batch = number + 1;
        if let Some(reached) = reached.filter(|_| applied.head != head) {
            writer.reached = reached;
        }
        self.newest_ms
            .fetch_max(applied.newest.as_unix_ms(), Ordering::SeqCst);
        if !applied.banks.is_empty() {
            let mut banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
            banks.extend(applied.banks);
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = mark.filter(|_| applied.head != head) {
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
        // The journal's end before the batch: whoever was shown an entry may ask for what comes after it. A listener that
        // wakes too early waits for the batch.
        if applied.head != head {
            self.appended.send_replace(applied.head.sequence);
        }
        self.durable.send_replace(number);
        Ok(applied.verdicts)
    }

    /// How many writes a part may have.
    fn part_steps_max(&self, head: Head) -> usize {
        let log_bytes = self.log.metadata().map_or(u64::MAX, |log| log.len());
        let payments = head.sequence / ENTRIES_PER_PAYMENT + 1;
        let writes = PART_STORED_BYTES_MAX * payments / log_bytes.max(1);
        usize::try_from(writes.max(PART_WRITES_MIN)).unwrap_or(usize::MAX)
    }

    fn mark_move(&self, first_sequence: u64, low_water: u64) -> Option<MarkMove> {
        if first_sequence - low_water < LOW_WATER_STRIDE {
            return None;
        }
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lingering: Vec<_> = live.iter().filter(|(_, live)| !live.indexed).collect();
        lingering.sort_by_key(|(_, live)| live.from);
        let to = lingering
            .get(LINGERING_MAX)
            .map_or(first_sequence, |(_, live)| live.from);
        lingering.truncate(LINGERING_MAX);
        let lingering = lingering
            .into_iter()
            .map(|(id, live)| (*id, live.key.clone()))
            .collect();
        Some(MarkMove { to, lingering })
    }

    fn apply(
        &self,
        trees: &CommitTrees<'_>,
        batch: &[Step],
        head: Head,
        mark: Option<&MarkMove>,
        reached: Option<u64>,
    ) -> Result<Applied, Conflict> {
        let mut journal = JournalWriter::new(trees.journal, head);
        let mut balances = Balances::new(trees.accounts);
        let mut applied = Applied {
            verdicts: Vec::with_capacity(batch.len()),
            head,
            admitted: Vec::new(),
            finished: Vec::new(),
            banks: BTreeSet::new(),
            newest: Timestamp::default(),
            bytes: 0,
        };
        let steps_max = self.part_steps_max(head);
        for step in batch {
            if applied.bytes >= PART_BYTES_MAX || applied.verdicts.len() >= steps_max {
                break;
            }
            let verdict =
                self.apply_step(trees, step, &mut journal, &mut balances, &mut applied)?;
            applied.verdicts.push(verdict);
        }
        balances.finish()?;
        applied.head = journal.finish()?;
        if applied.head != head {
            let value = encode(meta::encode(meta::CHAIN_HEAD, &applied.head))?;
            trees.meta.insert(meta::CHAIN_HEAD, value)?;
            if let Some(reached) = reached {
                let value = encode(meta::encode(meta::HEAD_NOTED, &reached))?;
                trees.meta.insert(meta::HEAD_NOTED, value)?;
            }
        }
        if !applied.banks.is_empty() {
            let known = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
            let banks: BTreeSet<_> = known.union(&applied.banks).collect();
            let value = encode(meta::encode(meta::BANKS, &banks))?;
            trees.meta.insert(meta::BANKS, value)?;
        }
        if let Some(mark) = mark.filter(|_| applied.head != head) {
            let value = encode(meta::encode(meta::LOW_WATER, &mark.to))?;
            trees.meta.insert(meta::LOW_WATER, value)?;
            for (id, key) in &mark.lingering {
                if applied.finished.contains(id) {
                    continue;
                }
                let storage_key = id.as_uuid().into_bytes();
                let value = encode(codec::encode(ValueKind::Unfinished, &storage_key, key))?;
                trees.unfinished.insert(&storage_key, value)?;
            }
        }
        Ok(applied)
    }

    fn apply_step(
        &self,
        trees: &CommitTrees<'_>,
        step: &Step,
        journal: &mut JournalWriter<'_>,
        balances: &mut Balances<'_>,
        applied: &mut Applied,
    ) -> Result<Verdict, Conflict> {
        let storage_key = format::record_key(step.key());
        let current = match trees.payments.get(&storage_key)? {
            None => None,
            Some(bytes) => Some(decode_record(&storage_key, &bytes).map_err(abort)?),
        };
        let version = current.as_ref().map_or(0, Record::version);
        if version != step.expected_version() {
            let current = current.map(|record| Box::new(record.into_operation(step.key().clone())));
            return Ok(Verdict::Lost { current });
        }

        let operation = &step.operation;
        // Before anything of it is written: an account may have no room for it.
        if let Err(full) = balances.apply(step)? {
            return Ok(Verdict::Refused(full));
        }
        let mut previous = current.as_ref().map(Record::last_sequence);
        for entry in &step.entries {
            applied.newest = applied.newest.max(entry.at);
            if let Some(bank) = entry.to.sent_to() {
                let known = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
                if !known.contains(bank) {
                    applied.banks.insert(bank.clone());
                }
            }
            let sequence = journal.push(LinkedEntry {
                previous,
                entry: entry.clone(),
            })?;
            if entry.from.is_none() {
                let id_key = format::id_key(&operation.key.merchant, operation.id);
                let value = encode(format::encode_id(&id_key, &operation.key.idempotency_key))?;
                trees.ids.insert(id_key, value)?;
                let live = Live {
                    key: operation.key.clone(),
                    from: applied.head.sequence + 1,
                    indexed: false,
                };
                applied.admitted.push((operation.id, live));
            }
            if entry.is_contradiction() {
                let mark_key = format::contradiction_key(&operation.key.merchant, sequence);
                let value = encode(codec::encode(
                    ValueKind::Contradiction,
                    &mark_key,
                    &sequence,
                ))?;
                trees.contradictions.insert(mark_key, value)?;
            }
            previous = Some(sequence);
        }
        let last_sequence = previous.unwrap_or_default();
        let value = encode(Record::of(operation, last_sequence).encode(&storage_key))?;
        applied.bytes += value.len();
        trees.payments.insert(storage_key, value)?;
        let last = step.entries.last();
        if last.is_some_and(|last| !last.leaves_open()) {
            applied.finished.push(operation.id);
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            let indexed = live.get(&operation.id).is_some_and(|live| live.indexed);
            drop(live);
            if indexed {
                trees.unfinished.remove(operation.id.as_uuid().as_bytes())?;
            }
        }
        Ok(Verdict::Applied)
    }
}
