//! Committing a batch: one transaction over the trees, one sync, a verdict per write.
//!
//! **Why a large batch is committed in parts.** sled takes for safe what it has handed to the operating system, and reuses
//! the segments of its log by that, while on the disk only a sync makes it so. Pages that outlive a power loss out of
//! order can only mislead it when more than the end of one segment lies between two syncs: the next segment is then
//! found without the one before it, and everything from there on is dropped. So no part writes nearly as much
//! as a segment holds.
//!
//! **How unfinished payments are found after a crash without two index writes a payment.** The set
//! lives in memory. On disk stand a low-water mark and, in `unfinished`, the payments admitted
//! before the mark that were still open when it moved. Opening reads that index and replays the
//! journal from the mark, which is [`LOW_WATER_STRIDE`] entries and a batch away from the end, or further for a
//! while when very many payments are open at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError, TransactionalTree};

use super::books::Books;
use super::format::{self, LinkedEntry, Record};
use super::journal::JournalWriter;
use super::read::{damaged, decode_chunk, decode_record, missing, printable, read};
use super::witness::{Note, REACHED_KEY};
use super::{Inner, Live, Writer, not_synced};
use crate::chain::Head;
use crate::codec::{self, Kind};
use crate::payment::{BankName, PaymentId, PaymentKey, Timestamp};
use crate::store::{StoreError, Verdict, Write};

/// The mark moves once so many entries have been written since it last did.
pub(super) const LOW_WATER_STRIDE: u64 = 4096;

/// A part of a batch ends once it has written records of so many bytes. In the log they take many times the room: the
/// journal has them too, and whole pages are written anew with them.
const PART_BYTES_MAX: usize = 32 * 1024;

/// And after as many writes as payments take so many bytes of the log: a write may have a whole page written anew, so it
/// weighs as much as what is stored already.
const PART_STORED_BYTES_MAX: u64 = 1024 * 1024;

/// But after no fewer writes than this.
const PART_WRITES_MIN: u64 = 16;

/// Journal entries of a payment that goes well.
const ENTRIES_PER_PAYMENT: u64 = 3;

/// Most index entries that are written when the mark moves. It moves less far for it, and again with the next part.
const LINGERING_MAX: usize = 128;

/// Under which key of `meta` the end of the hash chain stands.
pub(super) const CHAIN_HEAD_KEY: &[u8] = b"chain_head";

/// Under which key of `meta` the mark stands.
pub(super) const LOW_WATER_KEY: &[u8] = b"low_water";

/// Under which key of `meta` the banks stand that attempts were sent to.
pub(super) const BANKS_KEY: &[u8] = b"banks";

/// The trees inside the transaction.
struct Trees<'a> {
    payments: &'a TransactionalTree,
    ids: &'a TransactionalTree,
    journal: &'a TransactionalTree,
    unfinished: &'a TransactionalTree,
    accounts: &'a TransactionalTree,
    contradictions: &'a TransactionalTree,
    meta: &'a TransactionalTree,
}

/// What a batch did, to be made known only after its sync.
struct Applied {
    verdicts: Vec<Verdict>,
    /// The end of the journal after the batch.
    head: Head,
    admitted: Vec<(PaymentId, Live)>,
    /// Nothing is left to do about these.
    finished: Vec<PaymentId>,
    /// Banks that nothing was sent to before.
    banks: BTreeSet<BankName>,
    /// The newest time of an entry.
    newest: Timestamp,
    /// Bytes of the values written.
    bytes: usize,
}

/// How far the low-water mark moves with this batch.
struct MarkMove {
    to: u64,
    /// The payments that are still open and so need an index entry.
    lingering: BTreeMap<PaymentId, PaymentKey>,
}

pub(super) type Conflict = ConflictableTransactionError<StoreError>;

impl Inner {
    pub(super) fn commit(&self, batch: &[Write]) -> Result<Vec<Verdict>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        self.check_place()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        while verdicts.len() < batch.len() {
            verdicts.extend(self.commit_part(&mut writer, &batch[verdicts.len()..])?);
        }
        Ok(verdicts)
    }

    /// Commits the first of these writes, one at least; returns their verdicts.
    fn commit_part(
        &self,
        writer: &mut Writer,
        batch: &[Write],
    ) -> Result<Vec<Verdict>, StoreError> {
        let head = writer.head;
        let first_sequence = head.sequence + 1;
        let mark = self.mark_move(first_sequence, writer.low_water);
        let number = writer.next_batch;
        let noted = writer.witness.noted().head.sequence;
        let reached = (noted > writer.reached).then_some(noted);

        // Before the first byte can be seen by a reader: see `barrier`.
        self.visible.store(number, Ordering::SeqCst);
        let trees = (
            &self.payments,
            &self.ids,
            &self.journal,
            &self.unfinished,
            &self.accounts,
            &self.contradictions,
            &self.meta,
        );
        let applied = trees.transaction(|trees| {
            // sled may run this closure more than once; it changes nothing outside.
            let (payments, ids, journal, unfinished, accounts, contradictions, meta) = trees;
            let trees = Trees {
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
            TransactionError::Storage(error) => StoreError::Apply(Box::new(error)),
        });
        let synced = applied.and_then(|applied| {
            if applied.head != head {
                self.sync()?;
                let note = Note {
                    head: applied.head,
                    at: applied.newest,
                    in_doubt: self.in_doubt.load(Ordering::SeqCst),
                };
                writer.witness.note(note).map_err(not_synced)?;
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
    fn part_writes_max(&self, head: Head) -> usize {
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
        trees: &Trees<'_>,
        batch: &[Write],
        head: Head,
        mark: Option<&MarkMove>,
        reached: Option<u64>,
    ) -> Result<Applied, Conflict> {
        let mut journal = JournalWriter::new(trees.journal, head);
        let mut books = Books::new(trees.accounts);
        let mut applied = Applied {
            verdicts: Vec::with_capacity(batch.len()),
            head,
            admitted: Vec::new(),
            finished: Vec::new(),
            banks: BTreeSet::new(),
            newest: Timestamp::default(),
            bytes: 0,
        };
        let writes_max = self.part_writes_max(head);
        for write in batch {
            if applied.bytes >= PART_BYTES_MAX || applied.verdicts.len() >= writes_max {
                break;
            }
            let verdict = self.apply_write(trees, write, &mut journal, &mut books, &mut applied)?;
            applied.verdicts.push(verdict);
        }
        books.finish()?;
        applied.head = journal.finish()?;
        if applied.head != head {
            let value = encode(codec::encode(Kind::Meta, CHAIN_HEAD_KEY, &applied.head))?;
            trees.meta.insert(CHAIN_HEAD_KEY, value)?;
            if let Some(reached) = reached {
                let value = encode_reached(reached).map_err(ConflictableTransactionError::Abort)?;
                trees.meta.insert(REACHED_KEY, value)?;
            }
        }
        if !applied.banks.is_empty() {
            let known = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
            let banks: BTreeSet<_> = known.union(&applied.banks).collect();
            let value = encode(codec::encode(Kind::Meta, BANKS_KEY, &banks))?;
            trees.meta.insert(BANKS_KEY, value)?;
        }
        if let Some(mark) = mark.filter(|_| applied.head != head) {
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
        books: &mut Books<'_>,
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
        // Before anything of it is written: an account may have no room for it.
        if let Err(full) = books.apply(write)? {
            return Ok(Verdict::Refused(full));
        }
        let mut previous = current.as_ref().map(Record::last_sequence);
        for step in write.steps() {
            applied.newest = applied.newest.max(step.entry.at);
            if let Some(bank) = step.entry.to.sent_to() {
                let known = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
                if !known.contains(bank) {
                    applied.banks.insert(bank.clone());
                }
            }
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
                    from: applied.head.sequence + 1,
                    indexed: false,
                };
                applied.admitted.push((payment.id, live));
            }
            if step.entry.is_contradiction() {
                let mark_key = format::contradiction_key(&payment.key.merchant, sequence);
                let value = encode(codec::encode(Kind::Contradiction, &mark_key, &sequence))?;
                trees.contradictions.insert(mark_key, value)?;
            }
            previous = Some(sequence);
        }
        let last_sequence = previous.unwrap_or_default();
        let value = encode(Record::of(payment, last_sequence).encode(&storage_key))?;
        applied.bytes += value.len();
        trees.payments.insert(storage_key, value)?;
        let last = write.steps().last().map(|step| &step.entry);
        if last.is_some_and(|last| !last.leaves_open()) {
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

pub(super) fn encode<T>(encoded: Result<T, codec::EncodeError>) -> Result<T, Conflict> {
    encoded.map_err(|error| ConflictableTransactionError::Abort(StoreError::Encode(error)))
}

/// How far the note beside the store had got, as `meta` has it.
pub(super) fn encode_reached(reached: u64) -> Result<Vec<u8>, StoreError> {
    Ok(codec::encode(Kind::Meta, REACHED_KEY, &reached)?)
}

/// The same, read; 0 in stores of earlier versions.
pub(super) fn reached(meta: &sled::Tree) -> Result<u64, StoreError> {
    read(meta.get(REACHED_KEY), "meta")?.map_or(Ok(0), |bytes| {
        codec::decode(Kind::Meta, REACHED_KEY, &bytes).map_err(damaged("meta", REACHED_KEY))
    })
}

/// The banks that attempts were sent to.
pub(super) fn banks(meta: &sled::Tree) -> Result<BTreeSet<BankName>, StoreError> {
    read(meta.get(BANKS_KEY), "meta")?.map_or_else(
        || Ok(BTreeSet::new()),
        |bytes| codec::decode(Kind::Meta, BANKS_KEY, &bytes).map_err(damaged("meta", BANKS_KEY)),
    )
}

/// Every unfinished payment must have its record.
pub(super) fn check_records(
    payments: &sled::Tree,
    live: &BTreeMap<PaymentId, Live>,
) -> Result<(), StoreError> {
    for (id, live) in live {
        let storage_key = format::payment_key(&live.key);
        let record = read(payments.get(&storage_key), "payments")?
            .map(|bytes| decode_record(&storage_key, &bytes))
            .transpose()?;
        if record.is_none_or(|record| record.id() != *id) {
            return Err(missing("payments", &printable(&storage_key)));
        }
    }
    Ok(())
}

/// Rebuilds the set of unfinished payments and the next sequence when a store is opened.
pub(super) struct Replay {
    pub(super) live: BTreeMap<PaymentId, Live>,
    pub(super) head: Head,
    pub(super) low_water: u64,
    /// The newest time of an entry among the last ones.
    pub(super) newest: Timestamp,
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
    let head: Head = match read(meta.get(CHAIN_HEAD_KEY), "meta")? {
        None => Head::default(),
        Some(bytes) => codec::decode(Kind::Meta, CHAIN_HEAD_KEY, &bytes)
            .map_err(damaged("meta", CHAIN_HEAD_KEY))?,
    };
    let mut live = BTreeMap::new();
    for item in unfinished {
        let (storage_key, bytes) = read(item, "unfinished")?;
        let key: PaymentKey = codec::decode(Kind::Unfinished, &storage_key, &bytes)
            .map_err(damaged("unfinished", &storage_key))?;
        let id = format::id_of(&storage_key)
            .ok_or_else(|| missing("unfinished", &printable(&storage_key)))?;
        let (from, indexed) = (low_water, true);
        live.insert(id, Live { key, from, indexed });
    }
    let mut next_sequence = low_water;
    for item in journal.range(format::sequence_key(low_water)..) {
        let (storage_key, bytes) = read(item, "journal")?;
        if format::sequence_of(&storage_key) != Some(next_sequence) {
            // The journal is dense: whatever is missing here was lost or taken out.
            return Err(missing("journal", &next_sequence));
        }
        let chunk_first = next_sequence;
        let chunk = decode_chunk(&storage_key, &bytes)?;
        for LinkedEntry { entry, .. } in chunk.entries {
            if let Some(admission) = &entry.admission {
                let key = PaymentKey {
                    merchant: entry.merchant.clone(),
                    idempotency_key: admission.idempotency_key.clone(),
                };
                // It may be in the index already, though the mark did not move past it.
                live.entry(entry.payment_id).or_insert(Live {
                    key,
                    from: chunk_first,
                    indexed: false,
                });
            }
            if !entry.leaves_open() {
                live.remove(&entry.payment_id);
            }
            next_sequence += 1;
        }
    }
    if next_sequence != head.sequence + 1 {
        // The journal's end was cut off, or something was put behind it.
        return Err(missing("journal", &head.sequence.min(next_sequence)));
    }
    let last = journal.last().map_err(|error| StoreError::Read {
        tree: "journal",
        source: Box::new(error),
    })?;
    let last = last.map(|(storage_key, bytes)| decode_chunk(&storage_key, &bytes));
    let entries = last.transpose()?.map(|chunk| chunk.entries);
    let times = entries.iter().flatten().map(|linked| linked.entry.at);
    Ok(Replay {
        live,
        head,
        low_water,
        newest: times.max().unwrap_or_default(),
    })
}
