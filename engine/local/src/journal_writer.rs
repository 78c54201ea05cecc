//! Writes the journal: entries packed into chunks, each chunk chained to the one before.

use holdfast_core::codec;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::record::{Chunk, LinkedEntry, sequence_key};
use sled::transaction::TransactionalTree;

use crate::conflict::{Conflict, encode};
use crate::format::JOURNAL_CHUNK_BYTES_MAX;

/// Packs consecutive entries into as few values as the size limit allows.
pub(crate) struct JournalWriter<'a> {
    tree: &'a TransactionalTree,
    chunk: Chunk,
    chunk_bytes: u64,
    chunk_first: u64,
    head: Head,
}

impl<'a> JournalWriter<'a> {
    /// A writer that continues after `head`.
    pub(crate) fn new(tree: &'a TransactionalTree, head: Head) -> Self {
        Self {
            tree,
            chunk: empty(head.digest),
            chunk_bytes: 0,
            chunk_first: head.sequence + 1,
            head,
        }
    }

    /// Adds an entry; returns its sequence.
    pub(crate) fn push(&mut self, linked: LinkedEntry) -> Result<u64, Conflict> {
        let body = encode(codec::body(&linked.entry))?;
        let bytes = body.len() as u64;
        if !self.chunk.entries.is_empty() && self.chunk_bytes + bytes > JOURNAL_CHUNK_BYTES_MAX {
            self.write_chunk()?;
        }
        let sequence = self.head.sequence + 1;
        let digest = self.head.digest.after_body(sequence, &body);
        self.head = Head { sequence, digest };
        self.chunk.entries.push(linked);
        self.chunk_bytes += bytes;
        Ok(sequence)
    }

    fn write_chunk(&mut self) -> Result<(), Conflict> {
        let value = encode(self.chunk.encode(self.chunk_first))?;
        self.tree.insert(&sequence_key(self.chunk_first), value)?;
        self.chunk = empty(self.head.digest);
        self.chunk_bytes = 0;
        self.chunk_first = self.head.sequence + 1;
        Ok(())
    }

    /// Writes the remaining entries and returns the end of the journal.
    pub(crate) fn finish(mut self) -> Result<Head, Conflict> {
        if !self.chunk.entries.is_empty() {
            self.write_chunk()?;
        }
        Ok(self.head)
    }
}

fn empty(previous: Digest) -> Chunk {
    Chunk {
        previous: Some(previous),
        entries: Vec::new(),
    }
}
