//! Reads an operation's history from the journal, from its last entry back to its admission, and what it leads to.

use std::collections::VecDeque;

use holdfast_core::journal::operation_after;
use holdfast_core::record::{LinkedEntry, Record, Stored, Tip, sequence_key};
use holdfast_core::{JournalEntry, OperationId, OperationKey};

use crate::error::{LocalError, missing};
use crate::journal::{Block, Journal};
use crate::values::decode_chunk;

/// Entries before one that is looked for that are read with it, where many histories are read, the newest one first.
const READ_AHEAD: u64 = 512;

/// Parts of the journal that are kept. Histories that follow each other have their beginnings in one place, and their ends in
/// another.
const BLOCKS: usize = 4;

/// Decoded chunks that are kept.
const CHUNKS: usize = 64;

/// A reader of histories. What it has read it keeps for a while, so one is made for one request.
pub(crate) struct Histories<'a> {
    journal: &'a Journal,
    read_ahead: u64,
    /// What was read last, the newest one first.
    blocks: VecDeque<Block>,
    chunks: VecDeque<(u64, Vec<LinkedEntry>)>,
}

impl<'a> Histories<'a> {
    /// Reads a few histories.
    pub(crate) const fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            read_ahead: 0,
            blocks: VecDeque::new(),
            chunks: VecDeque::new(),
        }
    }

    /// Reads many histories, the newest one first.
    pub(crate) fn newest_first(journal: &'a Journal) -> Self {
        Self {
            read_ahead: READ_AHEAD,
            ..Self::new(journal)
        }
    }

    /// The entries of an operation's history that ends with this one, in order.
    pub(crate) fn up_to(
        &mut self,
        id: OperationId,
        last: u64,
    ) -> Result<Vec<(u64, JournalEntry)>, LocalError> {
        let mut entries = Vec::new();
        let mut next = Some(last);
        while let Some(sequence) = next {
            let LinkedEntry { previous, entry } = self.entry(sequence)?;
            if entry.operation_id != id {
                // The first step is the index's, the others are the journal's.
                let tree = if sequence == last { "tips" } else { "journal" };
                return Err(missing(tree, &format!("entry {sequence} of {id}")));
            }
            if previous.is_some_and(|previous| previous >= sequence) {
                return Err(missing("journal", &format!("the entry before {sequence}")));
            }
            entries.push((sequence, entry));
            next = previous;
        }
        entries.reverse();
        Ok(entries)
    }

    /// The record of a stored value.
    pub(crate) fn record(
        &mut self,
        key: &OperationKey,
        stored: Stored,
    ) -> Result<Record, LocalError> {
        match stored {
            Stored::Record(record) => Ok(record),
            Stored::Tip(tip) => self.record_at(key, tip),
        }
    }

    fn record_at(&mut self, key: &OperationKey, tip: Tip) -> Result<Record, LocalError> {
        let mut operation = None;
        for (sequence, entry) in self.up_to(tip.id, tip.last_sequence)? {
            if !entry.cause.is_note() {
                let after = operation_after(operation.as_ref(), &entry).map_err(|error| {
                    missing(
                        "journal",
                        &format!("what leads to entry {sequence}: {error}"),
                    )
                });
                operation = Some(after?);
            }
        }
        operation
            .filter(|operation| operation.key == *key && operation.version == tip.version)
            .map(|operation| Record::of(&operation, tip.last_sequence))
            .ok_or_else(|| missing("tips", &format!("the history of {}", tip.id)))
    }

    pub(crate) fn entry(&mut self, sequence: u64) -> Result<LinkedEntry, LocalError> {
        let is_here = |(first, entries): &(u64, Vec<LinkedEntry>)| {
            index_in(*first, sequence).is_some_and(|index| index < entries.len())
        };
        match self.chunks.iter().position(is_here) {
            // The one that was used last comes first.
            Some(at) => {
                if let Some(chunk) = self.chunks.remove(at) {
                    self.chunks.push_front(chunk);
                }
            }
            None => self.decode(sequence)?,
        }
        let found = self
            .chunks
            .front()
            .and_then(|(first, entries)| entries.get(index_in(*first, sequence)?).cloned());
        found.ok_or_else(|| missing("journal", &sequence))
    }

    /// Decodes the chunk with an entry, and puts it first.
    fn decode(&mut self, sequence: u64) -> Result<(), LocalError> {
        let held = self.blocks.iter().position(|block| block.has(sequence));
        let block = if let Some(block) = held.and_then(|at| self.blocks.remove(at)) {
            block
        } else {
            let from = sequence.saturating_sub(self.read_ahead);
            let block = self.journal.block(from, sequence);
            block.map_err(|error| LocalError::History(Box::new(error)))?
        };
        self.blocks.truncate(BLOCKS - 1);
        self.blocks.push_front(block);
        // An entry behind the end of the journal is one that the index made up.
        let found = self.blocks[0].chunk_with(sequence);
        let (first, bytes) = found.ok_or_else(|| missing("tips", &sequence))?;
        let chunk = decode_chunk(&sequence_key(first), bytes);
        let chunk = chunk.map_err(|error| LocalError::History(Box::new(error)))?;
        self.chunks.truncate(CHUNKS - 1);
        self.chunks.push_front((first, chunk.entries));
        Ok(())
    }
}

fn index_in(first: u64, sequence: u64) -> Option<usize> {
    usize::try_from(sequence.checked_sub(first)?).ok()
}
