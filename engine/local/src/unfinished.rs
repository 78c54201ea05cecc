//! Finds the unfinished operations when a store is opened, without two index writes for each operation.
//!
//! The set is in memory. The disk has a low-water mark and, in the tree `unfinished`, the operations admitted
//! before the mark that were still open when it moved. Opening reads that index and replays the
//! journal from the mark. The mark is a stride of entries and a batch away from the end, or further for a
//! while when very many payments are open at once.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::Head;
use holdfast_core::record::{LinkedEntry, Stored, sequence_key};
use holdfast_core::{OperationId, OperationKey, Tenure, Timestamp};

use crate::error::{LocalError, damaged, missing, printable, read};
use crate::format;
use crate::journal::Journal;
use crate::meta;
use crate::trees::Trees;
use crate::values::{decode_chunk, stored_in};

/// An unfinished operation.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) key: OperationKey,
    /// Where the journal must be replayed from to find it: the start of a chunk.
    pub(crate) from: u64,
}

/// Every unfinished payment must have its record. Returns the highest tenure that one of them was sent in.
pub(crate) fn check_records(
    trees: &Trees,
    live: &BTreeMap<OperationId, Live>,
) -> Result<Tenure, LocalError> {
    let mut sent_in = Tenure::NONE;
    for (id, live) in live {
        let storage_key = format::record_key(&live.key);
        let stored = stored_in(trees, &storage_key)?;
        let stored = stored.filter(|stored| stored.tip().id == *id);
        match stored.ok_or_else(|| missing("payments", &printable(&storage_key)))? {
            Stored::Record(record) => sent_in = sent_in.max(record.sent_in().unwrap_or_default()),
            // It is finished, and its bank is watched.
            Stored::Tip(_) => {}
        }
    }
    Ok(sent_in)
}

/// Rebuilds the set of unfinished payments and the next sequence when a store is opened.
pub(crate) struct Unfinished {
    pub(crate) live: BTreeMap<OperationId, Live>,
    /// Those of them that are in the tree `unfinished`.
    pub(crate) lingering: BTreeSet<OperationId>,
    pub(crate) head: Head,
    pub(crate) low_water: u64,
    /// The newest time of an entry among the last ones.
    pub(crate) newest: Timestamp,
}

/// The operations that have been unfinished for long.
fn lingering_in(
    unfinished: &sled::Tree,
    low_water: u64,
) -> Result<BTreeMap<OperationId, Live>, LocalError> {
    let mut live = BTreeMap::new();
    for item in unfinished {
        let (storage_key, bytes) = read(item, "unfinished")?;
        let key: OperationKey = codec::decode(ValueKind::Unfinished, &storage_key, &bytes)
            .map_err(damaged("unfinished", &storage_key))?;
        let id = format::id_of(&storage_key)
            .ok_or_else(|| missing("unfinished", &printable(&storage_key)))?;
        let from = low_water;
        live.insert(id, Live { key, from });
    }
    Ok(live)
}

pub(crate) fn find(trees: &Trees, journal: &Journal) -> Result<Unfinished, LocalError> {
    let Trees {
        unfinished, meta, ..
    } = trees;
    // A store without a mark is read from its first entry on.
    let low_water = meta::load::<u64>(meta, meta::LOW_WATER)?.max(1);
    let head: Head = meta::load(meta, meta::CHAIN_HEAD)?;
    if low_water > head.sequence + 1 {
        return Err(missing("meta", &low_water));
    }
    let mut live = lingering_in(unfinished, low_water)?;
    let lingering = live.keys().copied().collect();
    let mut next_sequence = low_water;
    let mut newest = Timestamp::default();
    for chunk in journal.chunks(low_water) {
        let (first, bytes) = chunk?;
        if first < low_water {
            // The mark is always where a chunk begins.
            return Err(missing("meta", &low_water));
        }
        if first != next_sequence {
            // The journal has no gaps: a missing entry was lost or removed.
            return Err(missing("journal", &next_sequence));
        }
        let chunk = decode_chunk(&sequence_key(first), &bytes)?;
        for LinkedEntry { entry, .. } in chunk.entries {
            newest = newest.max(entry.at);
            if let Some(admission) = &entry.admission {
                let key = OperationKey {
                    merchant: entry.merchant.clone(),
                    idempotency_key: admission.idempotency_key.clone(),
                };
                // It may be in the index already, though the mark did not move past it.
                let from = first;
                live.entry(entry.operation_id).or_insert(Live { key, from });
            }
            if !entry.leaves_open() {
                live.remove(&entry.operation_id);
            }
            next_sequence += 1;
        }
    }
    if next_sequence != head.sequence + 1 {
        // The journal's end was cut off, or something was put behind it.
        return Err(missing("journal", &head.sequence.min(next_sequence)));
    }
    if low_water > head.sequence && head.sequence > 0 {
        let (_, chunk) = journal.chunk_with(head.sequence)?;
        newest = chunk
            .entries
            .iter()
            .map(|linked| linked.entry.at)
            .max()
            .unwrap_or_default();
    }
    Ok(Unfinished {
        live,
        lingering,
        head,
        low_water,
        newest,
    })
}
