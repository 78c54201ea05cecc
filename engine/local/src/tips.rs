//! The tips of finished payments, by idempotency key, in blocks: keys come in no order, so a block that is full is divided.

use holdfast_core::IdempotencyKey;
use holdfast_core::codec::{self, ValueKind};
use holdfast_core::record::Tip;

use crate::blocks::{self, Entries};

/// A block of tips.
pub type Block = blocks::Block<IdempotencyKey, Tip>;

/// Tips as entries of blocks.
pub(crate) enum Tips {}

impl Entries for Tips {
    const TREE: &'static str = "tips";
    const VALUE: ValueKind = ValueKind::Tip;
    /// One behind the last is as likely as one anywhere else.
    const FULL: usize = usize::MAX;
    /// Each payment writes its block again: with more entries that costs more than the pages that it saves.
    const MOST: usize = 16;
    type Key = IdempotencyKey;
    type Value = Tip;

    fn key(bytes: &[u8]) -> Option<IdempotencyKey> {
        IdempotencyKey::new(std::str::from_utf8(bytes).ok()?).ok()
    }

    fn bytes(key: &IdempotencyKey) -> impl AsRef<[u8]> {
        key.as_str()
    }
}

/// Bytes of a block.
///
/// # Errors
/// Never in practice: the largest block is below the size limit.
pub fn encode(storage_key: &[u8], block: &Block) -> Result<Vec<u8>, codec::EncodeError> {
    blocks::encode::<Tips>(storage_key, block)
}

/// Reads the bytes that [`encode`] wrote.
///
/// # Errors
/// When the bytes are damaged or of another format.
pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Block, codec::DecodeError> {
    blocks::decode::<Tips>(storage_key, bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_core::{Merchant, OperationId, OperationKey};
    use proptest::prelude::*;

    use super::*;
    use crate::blocks::tests::are_found_as_in_a_map;
    use crate::format;

    fn storage_key(merchant: &str, n: u16) -> Vec<u8> {
        format::record_key(&OperationKey {
            merchant: Merchant::new(merchant).unwrap(),
            // Some are the beginning of others.
            idempotency_key: IdempotencyKey::new(&format!("{:b}", u32::from(n) + 1)).unwrap(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn they_are_found_as_in_a_map(
            tables in prop::collection::vec(prop::collection::btree_map((0..2_u8, 0..2_000_u16), 1..9_u64, 1..300), 1..8),
            again in 0..8_usize,
        ) {
            let tables: Vec<BTreeMap<Vec<u8>, Tip>> = tables.iter().zip(1_u64..).map(|(table, round)| {
                table.iter().map(|((merchant, n), version)| {
                    let merchant = ["mall", "shop"][usize::from(*merchant)];
                    let tip = Tip {
                        id: OperationId::from_uuid(uuid::Uuid::from_u128(u128::from(*n))),
                        version: *version,
                        last_sequence: round,
                    };
                    (storage_key(merchant, *n), tip)
                }).collect()
            }).collect();
            // Written again as a whole, as after a kill: what is newer comes later.
            let mut others = vec![storage_key("nobody", 3)];
            for merchant in ["mall", "shop"] {
                others.extend([0, 1_999, 150, 151, 150, 420, 60_000].map(|n| storage_key(merchant, n)));
            }
            are_found_as_in_a_map::<Tips>(&tables, again, &others)?;
        }
    }

    #[test]
    fn the_largest_block_can_be_written() {
        let key = |n: usize| IdempotencyKey::new(&format!("{n:0>255}")).unwrap();
        let tip = Tip {
            id: OperationId::from_uuid(uuid::Uuid::max()),
            version: u64::MAX,
            last_sequence: u64::MAX,
        };
        let largest = blocks::Block((0..=Tips::MOST).map(|n| (key(n), tip)).collect());
        let bytes = encode(b"m\0k", &largest).unwrap();
        assert_eq!(decode(b"m\0k", &bytes).unwrap(), largest);
    }
}
