//! What stands in the trees: keys and values, in bytes.
//!
//! Integers in keys are big-endian, so the trees' order is theirs. Values go through
//! [`crate::codec`]. The names of merchants cannot hold a zero byte, which therefore ends them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chain::Digest;
use crate::codec::{self, DecodeError, EncodeError, Kind};
use crate::ledger::AccountKey;
use crate::payment::{
    AccountId, BankName, Currency, IdempotencyKey, JournalEntry, Merchant, Payment, PaymentId,
    PaymentKey, PaymentRequest, State, Timestamp,
};

/// The version of the whole layout: trees, keys and values.
///
/// Version 2 added balances and the hash chain; a store of version 1 gets both when it is opened. Version 3 added the
/// names of banks, to records, journal and `meta`; what earlier versions wrote stays as it is.
pub const STORE_FORMAT: u32 = 3;

/// Bytes of a segment of the log, in stores made from now on; those made before have 512 KiB.
///
/// sled writes a page that has more than a quarter of it to a file of its own, a blob, that no sync of the log
/// covers. A page holds up to some twenty values; the largest, a payment with all the metadata that it may have,
/// takes 36 KiB.
pub const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// Journal entries of a batch are packed into values of at most this many bytes, unless one alone has more: for
/// pages of them, the same holds as for pages of payments.
pub const JOURNAL_CHUNK_BYTES_MAX: u64 = 16 * 1024;

/// A record as stored in `payments`: all of a payment but its key, under which it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    id: PaymentId,
    request: Arc<PaymentRequest>,
    state: State,
    attempts: u32,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Sequence of the payment's latest journal entry, which leads to the ones before it.
    last_sequence: u64,
    /// The bank that it was admitted for.
    bank: Option<BankName>,
}

/// Version 1 of a record, which knew no banks.
#[derive(Serialize, Deserialize)]
struct RecordV1 {
    id: PaymentId,
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
    /// The record of `payment`.
    pub fn of(payment: &Payment, last_sequence: u64) -> Self {
        Self {
            id: payment.id,
            request: payment.request.clone(),
            state: payment.state.clone(),
            attempts: payment.attempts,
            version: payment.version,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            last_sequence,
            bank: payment.bank.clone(),
        }
    }

    /// The payment it stands for, under `key`.
    pub fn into_payment(self, key: PaymentKey) -> Payment {
        Payment {
            id: self.id,
            key,
            request: self.request,
            bank: self.bank,
            state: self.state,
            attempts: self.attempts,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The payment's id.
    pub const fn id(&self) -> PaymentId {
        self.id
    }

    /// The payment's version.
    pub const fn version(&self) -> u64 {
        self.version
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
        codec::encode(Kind::Payment, storage_key, self)
    }

    /// Reads back what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of another format.
    pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        if codec::version_of(bytes) == Some(1) {
            return codec::decode::<RecordV1>(Kind::Payment, storage_key, bytes).map(Self::from);
        }
        codec::decode(Kind::Payment, storage_key, bytes)
    }
}

/// A journal entry as stored: linked to the payment's entry before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedEntry {
    /// Sequence of the same payment's previous entry.
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

/// Versions 2 and 3 of a chunk. Entries say by themselves what they hold; version 3 tells earlier builds that some of
/// it is beyond them.
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
            Some(previous) => codec::encode(Kind::Journal, &key, &ChunkV2 { previous, entries }),
            None => codec::encode_as(1, Kind::Journal, &key, &ChunkV1 { entries }),
        }
    }

    /// Reads back what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of another format.
    pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        if codec::version_of(bytes) == Some(1) {
            let ChunkV1 { entries } = codec::decode(Kind::Journal, storage_key, bytes)?;
            let previous = None;
            return Ok(Self { previous, entries });
        }
        let ChunkV2 { previous, entries } = codec::decode(Kind::Journal, storage_key, bytes)?;
        let previous = Some(previous);
        Ok(Self { previous, entries })
    }
}

/// The key of a payment in `payments`: `merchant 00 idempotency-key`.
pub fn payment_key(key: &PaymentKey) -> Vec<u8> {
    scoped(&key.merchant, key.idempotency_key.as_str().as_bytes())
}

/// The key of a payment in `ids`: `merchant 00 payment-id (16 bytes)`. Ids are UUIDv7, so a
/// merchant's part of the tree is the creation-ordered list of its payments.
pub fn id_key(merchant: &Merchant, id: PaymentId) -> Vec<u8> {
    scoped(merchant, id.as_uuid().as_bytes())
}

/// What all keys of a merchant begin with.
pub fn merchant_prefix(merchant: &Merchant) -> Vec<u8> {
    scoped(merchant, &[])
}

/// What is greater than all keys of a merchant, and than no key of another one that follows it.
pub fn past_merchant(merchant: &Merchant) -> Vec<u8> {
    let mut past = merchant_prefix(merchant);
    if let Some(last) = past.last_mut() {
        // The prefix ends in a zero byte; one is the first byte past it.
        *last = 1;
    }
    past
}

/// The key of a chunk in `journal`.
pub const fn sequence_key(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}

/// The key of a mark in `contradictions`: `merchant 00 sequence`.
pub fn contradiction_key(merchant: &Merchant, sequence: u64) -> Vec<u8> {
    scoped(merchant, &sequence_key(sequence))
}

/// The key of a balance in `accounts`: `merchant 00 account 00 currency (3 letters)`.
pub fn account_key(key: &AccountKey) -> Vec<u8> {
    let mut storage_key = account_prefix(&key.merchant, &key.account);
    storage_key.extend_from_slice(key.currency.code().as_bytes());
    storage_key
}

/// What all keys of an account begin with.
pub fn account_prefix(merchant: &Merchant, account: &AccountId) -> Vec<u8> {
    let mut prefix = scoped(merchant, account.as_str().as_bytes());
    prefix.push(0);
    prefix
}

/// The account an `accounts` key stands for; `None` when it is no such key.
pub fn account_of(storage_key: &[u8]) -> Option<AccountKey> {
    let text = std::str::from_utf8(storage_key).ok()?;
    let mut parts = text.split('\0');
    let key = AccountKey {
        merchant: Merchant::new(parts.next()?).ok()?,
        account: AccountId::new(parts.next()?).ok()?,
        currency: Currency::from_code(parts.next()?).ok()?,
    };
    parts.next().is_none().then_some(key)
}

/// The sequence a `journal` key stands for; `None` when it is no such key.
pub fn sequence_of(storage_key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(storage_key.try_into().ok()?))
}

/// The merchant a `payments` or `ids` key begins with; `None` when it is no such key.
pub fn merchant_of(storage_key: &[u8]) -> Option<Merchant> {
    let end = storage_key.iter().position(|byte| *byte == 0)?;
    Merchant::new(std::str::from_utf8(&storage_key[..end]).ok()?).ok()
}

/// The payment key a `payments` key stands for; `None` when it is no such key.
pub fn key_of(storage_key: &[u8]) -> Option<PaymentKey> {
    let merchant = merchant_of(storage_key)?;
    let rest = &storage_key[merchant.as_str().len() + 1..];
    let idempotency_key = IdempotencyKey::new(std::str::from_utf8(rest).ok()?).ok()?;
    Some(PaymentKey {
        merchant,
        idempotency_key,
    })
}

/// The payment id at the end of an `ids` key; `None` when it is no such key.
pub fn id_of(storage_key: &[u8]) -> Option<PaymentId> {
    let (_, id) = storage_key.split_last_chunk::<16>()?;
    Some(PaymentId::from_uuid(uuid::Uuid::from_bytes(*id)))
}

/// Bytes of an `ids` value.
///
/// # Errors
/// Never in practice: a key is far below the size limit.
pub fn encode_id(storage_key: &[u8], key: &IdempotencyKey) -> Result<Vec<u8>, EncodeError> {
    codec::encode(Kind::Id, storage_key, key)
}

/// Reads back what [`encode_id`] wrote.
///
/// # Errors
/// When the bytes are damaged or of another format.
pub fn decode_id(storage_key: &[u8], bytes: &[u8]) -> Result<IdempotencyKey, DecodeError> {
    codec::decode(Kind::Id, storage_key, bytes)
}

fn scoped(merchant: &Merchant, rest: &[u8]) -> Vec<u8> {
    let merchant = merchant.as_str().as_bytes();
    let mut key = Vec::with_capacity(merchant.len() + 1 + rest.len());
    key.extend_from_slice(merchant);
    key.push(0);
    key.extend_from_slice(rest);
    key
}
