//! The ids of payments, with their idempotency keys, in blocks: ids come nearly in order, so a block fills up before the next one
//! begins.

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::{IdempotencyKey, OperationId};

use crate::blocks::{self, Entries};
use crate::format;

/// A block of ids.
pub type Block = blocks::Block<OperationId, IdempotencyKey>;

/// Ids as entries of blocks.
pub(crate) enum Ids {}

impl Entries for Ids {
    const TREE: &'static str = "ids";
    const VALUE: ValueKind = ValueKind::Id;
    const FULL: usize = 32;
    const MOST: usize = 96;
    type Key = OperationId;
    type Value = IdempotencyKey;

    fn key(bytes: &[u8]) -> Option<OperationId> {
        format::id_of(bytes)
    }

    fn bytes(id: &OperationId) -> impl AsRef<[u8]> {
        *id.as_uuid().as_bytes()
    }
}

/// Bytes of a block.
///
/// # Errors
/// Never in practice: the largest block is below the size limit.
pub fn encode(storage_key: &[u8], block: &Block) -> Result<Vec<u8>, codec::EncodeError> {
    blocks::encode::<Ids>(storage_key, block)
}

/// Reads the bytes that [`encode`] wrote.
///
/// # Errors
/// When the bytes are damaged or of another format.
pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Block, codec::DecodeError> {
    blocks::decode::<Ids>(storage_key, bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_core::Merchant;
    use proptest::prelude::*;

    use super::*;
    use crate::blocks::tests::{are_found_as_in_a_map, tree};

    fn id_key(merchant: &str, n: u64) -> Vec<u8> {
        let id = OperationId::from_uuid(uuid::Uuid::from_u128(u128::from(n)));
        format::id_key(&Merchant::new(merchant).unwrap(), id)
    }

    fn key(n: u64) -> IdempotencyKey {
        IdempotencyKey::new(&format!("key-{n}")).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Nearly in order.
        #[test]
        fn they_are_found_as_in_a_map(
            tables in prop::collection::vec(prop::collection::vec((0..2_u8, 0..700_u64), 1..300), 1..8),
            again in 0..8_usize,
        ) {
            let tables: Vec<BTreeMap<Vec<u8>, IdempotencyKey>> = tables.iter().enumerate().map(|(round, table)| {
                table.iter().map(|(merchant, n)| {
                    let merchant = ["mall", "shop"][usize::from(*merchant)];
                    (id_key(merchant, *n + 100 * round as u64), key(*n + 100 * round as u64))
                }).collect()
            }).collect();
            let mut others = vec![id_key("nobody", 3)];
            for merchant in ["mall", "shop"] {
                others.extend([0, 2_000, 150, 151, 150, 420, 150, 1_000_000].map(|n| id_key(merchant, n)));
            }
            are_found_as_in_a_map::<Ids>(&tables, again, &others)?;
        }
    }

    #[test]
    fn ids_in_order_fill_blocks_and_the_largest_block_can_be_written() {
        let tree = tree();
        let ids: BTreeMap<_, _> = (0..1_000).map(|n| (id_key("shop", n), key(n))).collect();
        for (id, key) in &ids {
            blocks::write::<Ids>(&tree, [(id, key)]).unwrap();
        }
        assert_eq!(tree.len(), 1_000_usize.div_ceil(Ids::FULL));
        let longest = IdempotencyKey::new(&"k".repeat(255)).unwrap();
        let id = |n: usize| OperationId::from_uuid(uuid::Uuid::from_u128(n as u128));
        let entries = (0..=Ids::MOST).map(|n| (id(n), longest.clone()));
        let largest = blocks::Block(entries.collect());
        let storage_key = id_key("shop", 0);
        let bytes = encode(&storage_key, &largest).unwrap();
        assert_eq!(decode(&storage_key, &bytes).unwrap(), largest);
    }
}
