//! The ids of payments, with their idempotency keys, in blocks: ids come nearly in order, and a block takes many of them in one
//! value. So a payment costs a fraction of a write and of a page.
//!
//! The key of a block is its first id. It reaches up to the next block of the merchant: what it has beyond that is in the next block
//! too. A block never loses an id, so after a kill any part of what was written is right together with what was there before.

use std::iter;
use std::ops::Bound::{Excluded, Unbounded};

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::{IdempotencyKey, OperationId};
use serde::{Deserialize, Serialize};

use crate::error::{LocalError, damaged, missing, printable, read, written};
use crate::format;

/// A block takes no more ids at its end when it has so many.
const BLOCK: usize = 32;

/// With so many it takes no id in its middle either: the id begins a new block, with all that follow it here.
const BLOCK_MAX: usize = 96;

/// The ids of a block, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block(pub Vec<(OperationId, IdempotencyKey)>);

impl Block {
    fn get(&self, id: OperationId) -> Option<&IdempotencyKey> {
        let found = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.0[found].1)
    }

    fn put(&mut self, id: OperationId, key: &IdempotencyKey) {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(found) => self.0[found].1 = key.clone(),
            Err(place) => self.0.insert(place, (id, key.clone())),
        }
    }

    /// Whether an id that is not in it goes into it; else a new block begins with the id.
    fn takes(&self, id: OperationId) -> bool {
        let is_last = self.0.last().is_none_or(|(last, _)| *last < id);
        self.0.len() < if is_last { BLOCK } else { BLOCK_MAX }
    }
}

/// Bytes of a block.
///
/// # Errors
/// Never in practice: the largest block is below the size limit.
pub fn encode(storage_key: &[u8], block: &Block) -> Result<Vec<u8>, codec::EncodeError> {
    codec::encode(ValueKind::Id, storage_key, block)
}

/// Reads the bytes that [`encode`] wrote.
///
/// # Errors
/// When the bytes are damaged or of another format.
pub fn decode(storage_key: &[u8], bytes: &[u8]) -> Result<Block, codec::DecodeError> {
    codec::decode(ValueKind::Id, storage_key, bytes)
}

fn decoded(item: sled::Result<(sled::IVec, sled::IVec)>) -> Result<(Vec<u8>, Block), LocalError> {
    let (storage_key, bytes) = read(item, "ids")?;
    let block = decode(&storage_key, &bytes).map_err(damaged("ids", &storage_key))?;
    Ok((storage_key.to_vec(), block))
}

/// The block that an id is or would be in: of the same merchant, with the last first id up to this one.
fn block_of(tree: &sled::Tree, id_key: &[u8]) -> Result<Option<(Vec<u8>, Block)>, LocalError> {
    let Some(item) = tree.range(..=id_key).next_back() else {
        return Ok(None);
    };
    let (storage_key, block) = decoded(item)?;
    Ok(same_merchant(&storage_key, id_key).then_some((storage_key, block)))
}

/// A key without the id at its end: what all ids of a merchant begin with.
fn scope(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<16>().map_or(key, |(scope, _)| scope)
}

fn same_merchant(one: &[u8], other: &[u8]) -> bool {
    scope(one) == scope(other)
}

fn key_in(scope: &[u8], id: OperationId) -> Vec<u8> {
    [scope, id.as_uuid().as_bytes()].concat()
}

fn id_of(id_key: &[u8]) -> Result<OperationId, LocalError> {
    format::id_of(id_key).ok_or_else(|| missing("ids", &printable(id_key)))
}

/// The idempotency key of an id.
pub(crate) fn find(tree: &sled::Tree, id_key: &[u8]) -> Result<Option<IdempotencyKey>, LocalError> {
    let id = id_of(id_key)?;
    let block = block_of(tree, id_key)?;
    Ok(block.and_then(|(_, block)| block.get(id).cloned()))
}

/// Writes ids, given in order.
pub(crate) fn write<'a>(
    tree: &sled::Tree,
    ids: impl IntoIterator<Item = (&'a Vec<u8>, &'a IdempotencyKey)>,
) -> Result<(), LocalError> {
    let mut open: Option<OpenBlock> = None;
    for (id_key, key) in ids {
        let id = id_of(id_key)?;
        if open.as_ref().is_none_or(|block| !block.reaches(id_key)) {
            if let Some(block) = open.take() {
                block.write(tree)?;
            }
            open = Some(OpenBlock::at(tree, id_key)?);
        }
        let block = open.as_mut().expect("it was just opened");
        if block.content.get(id).is_none() && !block.content.takes(id) {
            let next = block.next.clone();
            let follow = block.content.0.iter().filter(|(other, _)| *other > id);
            let content = Block(follow.cloned().collect());
            let full = open.replace(OpenBlock {
                storage_key: id_key.clone(),
                content,
                next,
            });
            full.expect("it was open").write(tree)?;
        }
        let block = open.as_mut().expect("there is always one");
        block.content.put(id, key);
    }
    match open {
        Some(block) => block.write(tree),
        None => Ok(()),
    }
}

/// A block that ids are put into.
struct OpenBlock {
    storage_key: Vec<u8>,
    content: Block,
    /// Where the next block of the tree begins.
    next: Option<Vec<u8>>,
}

impl OpenBlock {
    /// The block for an id: the one that it belongs to, or a new one.
    fn at(tree: &sled::Tree, id_key: &[u8]) -> Result<Self, LocalError> {
        let (storage_key, content) =
            block_of(tree, id_key)?.unwrap_or_else(|| (id_key.to_vec(), Block::default()));
        let next = tree
            .range::<&[u8], _>((Excluded(&storage_key[..]), Unbounded))
            .next();
        let next = next.map(|item| read(item, "ids")).transpose()?;
        Ok(Self {
            storage_key,
            content,
            next: next.map(|(key, _)| key.to_vec()),
        })
    }

    /// Whether an id that comes after its first one belongs to it.
    fn reaches(&self, id_key: &[u8]) -> bool {
        same_merchant(&self.storage_key, id_key)
            && self.next.as_ref().is_none_or(|next| id_key < &next[..])
    }

    fn write(self, tree: &sled::Tree) -> Result<(), LocalError> {
        let bytes = encode(&self.storage_key, &self.content)?;
        written(tree.insert(self.storage_key, bytes))
    }
}

/// The ids from `lower` up to `upper`, without it, the newest one first. Both are of one merchant.
pub(crate) fn newest_first(
    tree: &sled::Tree,
    lower: Vec<u8>,
    upper: Vec<u8>,
) -> impl Iterator<Item = Result<(Vec<u8>, IdempotencyKey), LocalError>> + use<> {
    let mut blocks = tree.range(..&upper[..]).rev();
    let merchant = lower.split_inclusive(|byte| *byte == 0).next();
    let merchant = merchant.unwrap_or_default().to_vec();
    let mut before = upper;
    let mut at_hand: Vec<(Vec<u8>, IdempotencyKey)> = Vec::new();
    let mut is_over = false;
    iter::from_fn(move || {
        loop {
            if let Some((id_key, key)) = at_hand.pop() {
                return (id_key >= lower).then_some(Ok((id_key, key)));
            }
            if is_over {
                return None;
            }
            let item = blocks.next()?;
            // The blocks of other merchants come before.
            let is_other = |key: &[u8]| !key.starts_with(&merchant);
            if item.as_ref().is_ok_and(|(key, _)| is_other(key)) {
                return None;
            }
            let (storage_key, block) = match decoded(item) {
                Ok(block) => block,
                Err(error) => {
                    is_over = true;
                    return Some(Err(error));
                }
            };
            is_over = storage_key < lower;
            at_hand.extend(block.0.into_iter().filter_map(|(id, key)| {
                let id_key = key_in(scope(&storage_key), id);
                (id_key < before).then_some((id_key, key))
            }));
            if storage_key < before {
                before = storage_key;
            }
        }
    })
}

/// All ids, merchant by merchant, the oldest one first. A block that is damaged is one error.
pub(crate) fn all(
    tree: &sled::Tree,
) -> impl Iterator<Item = Result<(Vec<u8>, IdempotencyKey), LocalError>> {
    let mut blocks = tree.iter().map(decoded).peekable();
    let each = iter::from_fn(move || {
        let (storage_key, block) = match blocks.next()? {
            Ok(block) => block,
            Err(error) => return Some(vec![Err(error)]),
        };
        let next = match blocks.peek() {
            Some(Ok((next, _))) => Some(next.clone()),
            Some(Err(_)) | None => None,
        };
        let ids = block.0.into_iter().filter_map(|(id, key)| {
            let id_key = key_in(scope(&storage_key), id);
            let is_here = next.as_ref().is_none_or(|next| id_key < *next);
            is_here.then_some(Ok((id_key, key)))
        });
        Some(ids.collect())
    });
    each.flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_core::Merchant;
    use proptest::prelude::*;

    use super::*;

    fn id_key(merchant: &str, n: u64) -> Vec<u8> {
        let id = OperationId::from_uuid(uuid::Uuid::from_u128(u128::from(n)));
        format::id_key(&Merchant::new(merchant).unwrap(), id)
    }

    fn key(n: u64, round: usize) -> IdempotencyKey {
        IdempotencyKey::new(&format!("key-{n}-{round}")).unwrap()
    }

    fn tree() -> sled::Tree {
        let database = sled::Config::new().temporary(true).open().unwrap();
        database.open_tree("ids").unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Tables of ids, nearly in order, against a map; and the oldest tables written again, as after a kill.
        #[test]
        fn they_are_found_as_in_a_map(
            tables in prop::collection::vec(prop::collection::vec((0..2_u8, 0..700_u64), 1..300), 1..8),
            again in 0..8_usize,
        ) {
            let tree = tree();
            let mut expected: BTreeMap<Vec<u8>, IdempotencyKey> = BTreeMap::new();
            let tables: Vec<BTreeMap<Vec<u8>, IdempotencyKey>> = tables.iter().enumerate().map(|(round, table)| {
                table.iter().map(|(merchant, n)| {
                    let merchant = ["mall", "shop"][usize::from(*merchant)];
                    // The same id always has the same key.
                    (id_key(merchant, *n + 100 * round as u64), key(*n + 100 * round as u64, 0))
                }).collect()
            }).collect();
            for table in tables.iter().chain(tables.iter().skip(again)) {
                write(&tree, table).unwrap();
                expected.extend(table.clone());
                let found: BTreeMap<_, _> = all(&tree).map(Result::unwrap).collect();
                prop_assert_eq!(&found, &expected);
            }
            for (id, key) in &expected {
                let found = find(&tree, id).unwrap();
                prop_assert_eq!(found.as_ref(), Some(key));
            }
            prop_assert_eq!(find(&tree, &id_key("nobody", 3)).unwrap(), None);
            prop_assert_eq!(find(&tree, &id_key("shop", 1_000_000)).unwrap(), None);
            for merchant in ["mall", "shop"] {
                for (lower, upper) in [(0, 2_000), (150, 151), (150, 420), (420, 150)] {
                    let (lower, upper) = (id_key(merchant, lower), id_key(merchant, upper));
                    let found = newest_first(&tree, lower.clone(), upper.clone());
                    let found: Vec<_> = found.map(|found| found.unwrap().0).collect();
                    let within = expected.keys().filter(|id| **id >= lower && **id < upper);
                    prop_assert_eq!(found, within.rev().cloned().collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn ids_in_order_fill_blocks_and_the_largest_block_can_be_written() {
        let tree = tree();
        let ids: BTreeMap<_, _> = (0..1_000).map(|n| (id_key("shop", n), key(n, 0))).collect();
        for (id, key) in &ids {
            write(&tree, [(id, key)]).unwrap();
        }
        assert_eq!(tree.len(), 1_000_usize.div_ceil(BLOCK));
        let longest = IdempotencyKey::new(&"k".repeat(255)).unwrap();
        let id = |n: usize| OperationId::from_uuid(uuid::Uuid::from_u128(n as u128));
        let largest = Block((0..=BLOCK_MAX).map(|n| (id(n), longest.clone())).collect());
        let storage_key = id_key("shop", 0);
        let bytes = encode(&storage_key, &largest).unwrap();
        assert_eq!(decode(&storage_key, &bytes).unwrap(), largest);
    }
}
