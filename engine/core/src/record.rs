//! Stored values: the record of an operation or the tip of its history, and journal entries in chunks. Every earlier version can still be read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError, ValueKind};
use crate::ids::{BankName, OperationId};
use crate::journal::{Digest, JournalEntry};
use crate::operation::{Operation, OperationKey, PaymentRequest, Request, State};
use crate::tenure::Tenure;
use crate::time::Timestamp;

/// A record as stored in `payments`: an operation without its key, because the key is the storage key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    id: OperationId,
    request: Arc<PaymentRequest>,
    state: State,
    attempts: u32,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Sequence of the operation's latest journal entry, which points to the earlier ones.
    last_sequence: u64,
    /// The bank that it was admitted for.
    bank: Option<BankName>,
}

/// Version 1 of a record, without a bank.
#[derive(Serialize, Deserialize)]
struct RecordV1 {
    id: OperationId,
    request: Arc<PaymentRequest>,
    state: State,
    attempts: u32,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_sequence: u64,
}

impl From<RecordV1> for Record {
    fn from(record: RecordV1) -> Self {
        Self {
            id: record.id,
            request: record.request,
            state: record.state,
            attempts: record.attempts,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            last_sequence: record.last_sequence,
            bank: None,
        }
    }
}

impl Record {
    /// The record of an operation.
    pub fn of(operation: &Operation, last_sequence: u64) -> Self {
        let Request::Payment(request) = &operation.request;
        Self {
            id: operation.id,
            request: request.clone(),
            state: operation.state.clone(),
            attempts: operation.attempts,
            version: operation.version,
            created_at: operation.created_at,
            updated_at: operation.updated_at,
            last_sequence,
            bank: operation.bank.clone(),
        }
    }

    /// The operation of this record, under `key`.
    pub fn into_operation(self, key: OperationKey) -> Operation {
        Operation {
            id: self.id,
            key,
            request: Request::Payment(self.request),
            bank: self.bank,
            state: self.state,
            attempts: self.attempts,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The tip, if no more than that is stored.
    pub fn tip_alone(&self) -> Option<Tip> {
        let is_short = self.version <= TIP_OF_VERSION_MAX;
        (self.state.name().is_final() && is_short).then(|| self.tip())
    }

    /// Where its history ends.
    pub const fn tip(&self) -> Tip {
        Tip {
            id: self.id,
            version: self.version,
            last_sequence: self.last_sequence,
        }
    }

    /// The tenure that sent its last attempt, if that attempt is its latest state.
    pub fn sent_in(&self) -> Option<Tenure> {
        self.state.sent_in()
    }

    /// Sequence of the latest journal entry.
    pub const fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Bytes to store under `storage_key`.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn encode(&self, storage_key: &[u8]) -> Result<Vec<u8>, EncodeError> {
        codec::encode(ValueKind::Operation, storage_key, self)
    }

    /// Reads the bytes that [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of another format.
    pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        if codec::version_of(bytes) == Some(1) {
            return codec::decode::<RecordV1>(ValueKind::Operation, storage_key, bytes)
                .map(Self::from);
        }
        codec::decode(ValueKind::Operation, storage_key, bytes)
    }
}

/// The largest version of a finished operation of which only the tip is stored: to read the operation is to read so many entries of
/// the journal.
pub const TIP_OF_VERSION_MAX: u64 = 8;

/// Where the history of an operation ends. The journal has everything else about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The operation's id.
    pub id: OperationId,
    /// Its version.
    pub version: u64,
    /// Sequence of its latest journal entry, which points to the earlier ones.
    pub last_sequence: u64,
}

/// What is stored of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// All of an operation: one that is not finished, or that has a long history.
    Record(Record),
    /// Where to read it: one that is finished.
    Tip(Tip),
}

impl Stored {
    /// Where the history ends.
    pub const fn tip(&self) -> Tip {
        match self {
            Self::Record(record) => record.tip(),
            Self::Tip(tip) => *tip,
        }
    }
}

/// A journal entry as stored: linked to the operation's entry before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedEntry {
    /// Sequence of the same operation's previous entry.
    pub previous: Option<u64>,
    /// The entry.
    pub entry: JournalEntry,
}

/// Consecutive journal entries; the storage key is the first one's sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The digest of the entry before the first one; `None` in chunks of version 1, which have none.
    pub previous: Option<Digest>,
    /// The entries; never empty in storage.
    pub entries: Vec<LinkedEntry>,
}

/// Versions 2 and 3 of a chunk. They have the same layout. Version 3 tells earlier builds that some entries have a
/// form they cannot read.
#[derive(Serialize, Deserialize)]
struct ChunkV2<E> {
    previous: Digest,
    entries: E,
}

/// Version 1 of a chunk.
#[derive(Serialize, Deserialize)]
struct ChunkV1<E> {
    entries: E,
}

impl Chunk {
    /// Bytes to store under the sequence of the first entry.
    ///
    /// # Errors
    /// When the chunk is too large.
    pub fn encode(&self, first_sequence: u64) -> Result<Vec<u8>, EncodeError> {
        let key = sequence_key(first_sequence);
        let entries = &self.entries;
        match self.previous {
            Some(previous) => {
                codec::encode(ValueKind::Journal, &key, &ChunkV2 { previous, entries })
            }
            None => codec::encode_as(1, ValueKind::Journal, &key, &ChunkV1 { entries }),
        }
    }

    /// Reads the bytes that [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of another format.
    pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        if codec::version_of(bytes) == Some(1) {
            let ChunkV1 { entries } = codec::decode(ValueKind::Journal, storage_key, bytes)?;
            let previous = None;
            return Ok(Self { previous, entries });
        }
        let ChunkV2 { previous, entries } = codec::decode(ValueKind::Journal, storage_key, bytes)?;
        let previous = Some(previous);
        Ok(Self { previous, entries })
    }
}

/// The key under which a chunk is stored.
pub const fn sequence_key(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}
