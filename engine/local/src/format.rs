//! The layout of the trees: the bytes of keys, and of values that are not records.
//!
//! Integers in keys are big-endian, so the trees' order is theirs. Values go through
//! [`holdfast_core::codec`]. Names of merchants cannot contain a zero byte, so a zero byte ends them.

use holdfast_core::codec::{self, DecodeError, EncodeError, ValueKind};
use holdfast_core::ledger::{AccountKey, Balance};
use holdfast_core::record::sequence_key;
use holdfast_core::{AccountId, Currency, IdempotencyKey, Merchant, OperationId, OperationKey};

/// The version of the whole layout: trees, keys and values.
///
/// Version 2 added balances and the hash chain; a store of version 1 gets both when it is opened. Version 3 added the
/// names of banks, to records, journal and `meta`; version 4 added tenures and the tree of cursors. Version 5 has the journal in
/// a log of its own, and the trees are an index over it; version 6 has tips of finished payments in that index, in blocks. Values of
/// earlier versions stay as they are.
pub const STORE_FORMAT: u32 = 6;

/// The last version with the journal in a tree.
pub const TREES_ALONE: u32 = 4;

/// Bytes of a segment of sled's own log in a new index. Stores of format 2 to 4 had 8 MiB, for sled then held the truth.
///
/// sled keeps several buffers of this size in memory, and writes a page larger than a quarter of it to a separate file.
pub const SEGMENT_BYTES: usize = 512 * 1024;

/// Journal entries of a batch are packed into chunks of at most this many bytes, unless one alone is larger: a read of one entry
/// decodes its whole chunk.
pub const JOURNAL_CHUNK_BYTES_MAX: u64 = 16 * 1024;

/// The key of a payment in `payments`: `merchant 00 idempotency-key`.
pub fn record_key(key: &OperationKey) -> Vec<u8> {
    scoped(&key.merchant, key.idempotency_key.as_str().as_bytes())
}

/// The key of a payment's id: `merchant 00 payment-id (16 bytes)`. Ids are UUIDv7, so a merchant's part of the tree `ids` is the
/// creation-ordered list of its payments, in blocks.
pub fn id_key(merchant: &Merchant, id: OperationId) -> Vec<u8> {
    scoped(merchant, id.as_uuid().as_bytes())
}

/// The prefix of all keys of a merchant.
pub fn merchant_prefix(merchant: &Merchant) -> Vec<u8> {
    scoped(merchant, &[])
}

/// A bound that is greater than all keys of a merchant, and not greater than any key of the next merchant.
pub fn past_merchant(merchant: &Merchant) -> Vec<u8> {
    let mut past = merchant_prefix(merchant);
    if let Some(last) = past.last_mut() {
        // The prefix ends in a zero byte; one is the first byte past it.
        *last = 1;
    }
    past
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

/// The prefix of all keys of an account.
pub fn account_prefix(merchant: &Merchant, account: &AccountId) -> Vec<u8> {
    let mut prefix = scoped(merchant, account.as_str().as_bytes());
    prefix.push(0);
    prefix
}

/// The account of an `accounts` key; `None` when it is not such a key.
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

/// The sequence of a `journal` key; `None` when it is not such a key.
pub fn sequence_of(storage_key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(storage_key.try_into().ok()?))
}

/// The merchant of a `payments` or `ids` key; `None` when it is not such a key.
pub fn merchant_of(storage_key: &[u8]) -> Option<Merchant> {
    let end = storage_key.iter().position(|byte| *byte == 0)?;
    Merchant::new(std::str::from_utf8(&storage_key[..end]).ok()?).ok()
}

/// The payment key of a `payments` key; `None` when it is not such a key.
pub fn key_of(storage_key: &[u8]) -> Option<OperationKey> {
    let merchant = merchant_of(storage_key)?;
    let rest = &storage_key[merchant.as_str().len() + 1..];
    let idempotency_key = IdempotencyKey::new(std::str::from_utf8(rest).ok()?).ok()?;
    Some(OperationKey {
        merchant,
        idempotency_key,
    })
}

/// The payment id at the end of an `ids` key; `None` when it is not such a key.
pub fn id_of(storage_key: &[u8]) -> Option<OperationId> {
    let (_, id) = storage_key.split_last_chunk::<16>()?;
    Some(OperationId::from_uuid(uuid::Uuid::from_bytes(*id)))
}

/// A balance, and the last entry that it includes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BalanceAt {
    /// The balance.
    pub balance: Balance,
    /// The sequence of the entry; 0 for none.
    pub up_to: u64,
}

/// Bytes of an `accounts` value: the sequence of the last entry that it includes, and the balance, checksummed with both the key
/// and that sequence.
///
/// # Errors
/// Never in practice: a balance is far below the size limit.
pub fn encode_balance(storage_key: &[u8], at: &BalanceAt) -> Result<Vec<u8>, EncodeError> {
    let up_to = at.up_to.to_be_bytes();
    let key = [storage_key, &up_to].concat();
    let balance = codec::encode(ValueKind::Account, &key, &at.balance)?;
    Ok([&up_to[..], &balance].concat())
}

/// Reads the bytes that [`encode_balance`] wrote.
///
/// # Errors
/// When the bytes are damaged or of another format.
pub fn decode_balance(storage_key: &[u8], bytes: &[u8]) -> Result<BalanceAt, DecodeError> {
    let Some((up_to, balance)) = bytes.split_first_chunk::<8>() else {
        return Err(DecodeError::Truncated { len: bytes.len() });
    };
    let key = [storage_key, up_to].concat();
    Ok(BalanceAt {
        balance: codec::decode(ValueKind::Account, &key, balance)?,
        up_to: u64::from_be_bytes(*up_to),
    })
}

fn scoped(merchant: &Merchant, rest: &[u8]) -> Vec<u8> {
    let merchant = merchant.as_str().as_bytes();
    let mut key = Vec::with_capacity(merchant.len() + 1 + rest.len());
    key.extend_from_slice(merchant);
    key.push(0);
    key.extend_from_slice(rest);
    key
}
