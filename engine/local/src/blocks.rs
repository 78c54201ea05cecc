//! Blocks: many entries of a tree in one value, so that an entry costs a fraction of a page. sled puts at most 16 values into a
//! page, and keeps something in memory for each page, however small they are.
//!
//! The key of a block is that of an entry, in general its first one. It reaches from there up to the next block of the merchant.
//! What it has beyond that does not count: a block that is divided is written after its second half, so after a kill the half is there
//! twice or once, and never missing.

use std::iter;
use std::ops::Bound::{Excluded, Unbounded};

use holdfast_core::codec::{self, DecodeError, EncodeError, ValueKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{LocalError, damaged, missing, printable, read, written};

/// What a tree of blocks holds.
pub(crate) trait Entries {
    /// The name of the tree.
    const TREE: &'static str;
    /// The kind of its values.
    const VALUE: ValueKind;
    /// A block with so many entries takes none behind its last one: that begins a new block.
    const FULL: usize;
    /// A block with more entries is divided.
    const MOST: usize;
    /// The key of an entry within its merchant.
    type Key: Clone + Ord + Serialize + DeserializeOwned;
    /// What it leads to.
    type Value: Clone + Serialize + DeserializeOwned;

    /// Reads the bytes of a key; `None` if they are none.
    fn key(bytes: &[u8]) -> Option<Self::Key>;
    /// The bytes of a key. They have the order of the keys.
    fn bytes(key: &Self::Key) -> impl AsRef<[u8]>;
}

/// The entries of a block, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block<K, V>(pub Vec<(K, V)>);

type BlockOf<E> = Block<<E as Entries>::Key, <E as Entries>::Value>;

/// A block by its storage key.
type Found<E> = (Vec<u8>, BlockOf<E>);

/// An entry by its storage key.
type Entry<E> = (Vec<u8>, <E as Entries>::Value);

pub(crate) fn encode<E: Entries>(
    storage_key: &[u8],
    block: &BlockOf<E>,
) -> Result<Vec<u8>, EncodeError> {
    codec::encode(E::VALUE, storage_key, block)
}

pub(crate) fn decode<E: Entries>(
    storage_key: &[u8],
    bytes: &[u8],
) -> Result<BlockOf<E>, DecodeError> {
    codec::decode(E::VALUE, storage_key, bytes)
}

fn decoded<E: Entries>(
    item: sled::Result<(sled::IVec, sled::IVec)>,
) -> Result<Found<E>, LocalError> {
    let (storage_key, bytes) = read(item, E::TREE)?;
    let block = decode::<E>(&storage_key, &bytes).map_err(damaged(E::TREE, &storage_key))?;
    Ok((storage_key.to_vec(), block))
}

/// What all storage keys of a merchant begin with: its name and a zero byte. Behind that is the key.
fn split(storage_key: &[u8]) -> (&[u8], &[u8]) {
    let zero = storage_key.iter().position(|byte| *byte == 0);
    storage_key.split_at(zero.map_or(0, |zero| zero + 1))
}

fn key_of<E: Entries>(storage_key: &[u8]) -> Result<E::Key, LocalError> {
    E::key(split(storage_key).1).ok_or_else(|| missing(E::TREE, &printable(storage_key)))
}

fn storage_key_of<E: Entries>(like: &[u8], key: &E::Key) -> Vec<u8> {
    [split(like).0, E::bytes(key).as_ref()].concat()
}

fn is_of_same_merchant(one: &[u8], other: &[u8]) -> bool {
    split(one).0 == split(other).0
}

/// The block that an entry is or would be in.
fn block_of<E: Entries>(
    tree: &sled::Tree,
    storage_key: &[u8],
) -> Result<Option<Found<E>>, LocalError> {
    let Some(item) = tree.range(..=storage_key).next_back() else {
        return Ok(None);
    };
    let (first, bytes) = read(item, E::TREE)?;
    if !is_of_same_merchant(&first, storage_key) {
        return Ok(None);
    }
    decoded::<E>(Ok((first, bytes))).map(Some)
}

/// What an entry leads to.
pub(crate) fn find<E: Entries>(
    tree: &sled::Tree,
    storage_key: &[u8],
) -> Result<Option<E::Value>, LocalError> {
    let key = key_of::<E>(storage_key)?;
    let Some((_, Block(mut entries))) = block_of::<E>(tree, storage_key)? else {
        return Ok(None);
    };
    let found = entries.binary_search_by(|(other, _)| other.cmp(&key));
    Ok(found.ok().map(|at| entries.swap_remove(at).1))
}

/// Writes entries, given in order.
pub(crate) fn write<'a, E: Entries>(
    tree: &sled::Tree,
    entries: impl IntoIterator<Item = (&'a Vec<u8>, &'a E::Value)>,
) -> Result<(), LocalError>
where
    E::Value: 'a,
{
    let mut open: Option<OpenBlock<E>> = None;
    for (storage_key, value) in entries {
        let mut block = match open.take() {
            Some(block) if block.reaches(storage_key) => block,
            before => {
                if let Some(block) = before {
                    block.write(tree)?;
                }
                OpenBlock::at(tree, storage_key)?
            }
        };
        block.put(tree, storage_key, value)?;
        open = Some(block);
    }
    open.map_or(Ok(()), |block| block.write(tree))
}

/// A block that entries are put into.
struct OpenBlock<E: Entries> {
    storage_key: Vec<u8>,
    entries: Vec<(E::Key, E::Value)>,
    /// Where the next block of the tree begins.
    next: Option<Vec<u8>>,
}

impl<E: Entries> OpenBlock<E> {
    /// The block for an entry: the one that it belongs to, or a new one.
    fn at(tree: &sled::Tree, storage_key: &[u8]) -> Result<Self, LocalError> {
        let found = block_of::<E>(tree, storage_key)?;
        let (first, Block(mut entries)) =
            found.unwrap_or_else(|| (storage_key.to_vec(), Block(Vec::new())));
        let behind = (Excluded(&first[..]), Unbounded);
        let next = tree.range::<&[u8], _>(behind).next();
        let next = next.map(|item| read(item, E::TREE)).transpose()?;
        let next = next.map(|(key, _)| key.to_vec());
        if let Some(next) = &next
            && is_of_same_merchant(next, &first)
        {
            let beyond = key_of::<E>(next)?;
            entries.retain(|(key, _)| *key < beyond);
        }
        Ok(Self {
            storage_key: first,
            entries,
            next,
        })
    }

    /// Whether an entry that is not before its first one belongs to it.
    fn reaches(&self, storage_key: &[u8]) -> bool {
        is_of_same_merchant(&self.storage_key, storage_key)
            && self
                .next
                .as_ref()
                .is_none_or(|next| storage_key < &next[..])
    }

    /// Puts an entry into it. It may become another block, and others may be written.
    fn put(
        &mut self,
        tree: &sled::Tree,
        storage_key: &[u8],
        value: &E::Value,
    ) -> Result<(), LocalError> {
        let key = key_of::<E>(storage_key)?;
        let at = match self.entries.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => {
                self.entries[at].1 = value.clone();
                return Ok(());
            }
            Err(at) => at,
        };
        if at == self.entries.len() && at >= E::FULL {
            let new = Self {
                storage_key: storage_key.to_vec(),
                entries: vec![(key, value.clone())],
                next: self.next.clone(),
            };
            return std::mem::replace(self, new).write(tree);
        }
        self.entries.insert(at, (key, value.clone()));
        if self.entries.len() > E::MOST {
            let half = self.entries.split_off(self.entries.len() / 2);
            let first = storage_key_of::<E>(&self.storage_key, &half[0].0);
            let second = Self {
                storage_key: first.clone(),
                entries: half,
                next: None,
            };
            // Before this one is written without them.
            second.write(tree)?;
            self.next = Some(first);
        }
        Ok(())
    }

    fn write(self, tree: &sled::Tree) -> Result<(), LocalError> {
        let bytes = encode::<E>(&self.storage_key, &Block(self.entries))?;
        written(tree.insert(self.storage_key, bytes))
    }
}

/// The entries from `lower` up to `upper`, without it, the last one first. Both are of one merchant.
pub(crate) fn last_first<E: Entries>(
    tree: &sled::Tree,
    lower: Vec<u8>,
    upper: Vec<u8>,
) -> impl Iterator<Item = Result<Entry<E>, LocalError>> + use<E> {
    let mut blocks = tree.range(..&upper[..]).rev();
    let mut before = upper;
    let mut at_hand: Vec<Entry<E>> = Vec::new();
    let mut is_over = false;
    iter::from_fn(move || {
        loop {
            if let Some((storage_key, value)) = at_hand.pop() {
                return (storage_key >= lower).then_some(Ok((storage_key, value)));
            }
            if is_over {
                return None;
            }
            let item = blocks.next()?;
            // The blocks of other merchants come before.
            if let Ok((key, _)) = &item
                && !is_of_same_merchant(key, &lower)
            {
                return None;
            }
            let (first, block) = match decoded::<E>(item) {
                Ok(block) => block,
                Err(error) => {
                    is_over = true;
                    return Some(Err(error));
                }
            };
            is_over = first < lower;
            at_hand.extend(block.0.into_iter().filter_map(|(key, value)| {
                let storage_key = storage_key_of::<E>(&first, &key);
                (storage_key < before).then_some((storage_key, value))
            }));
            if first < before {
                before = first;
            }
        }
    })
}

/// All entries, in order. A block that is damaged is one error; after one that cannot be read there are no more.
pub(crate) fn all<E: Entries>(
    tree: &sled::Tree,
) -> impl Iterator<Item = Result<Entry<E>, LocalError>> {
    let mut is_over = false;
    let blocks = tree.iter().map(decoded::<E>).map_while(move |block| {
        let was_over = is_over;
        is_over = matches!(block, Err(LocalError::Read { .. }));
        (!was_over).then_some(block)
    });
    let mut blocks = blocks.peekable();
    let each = iter::from_fn(move || {
        let (first, block) = match blocks.next()? {
            Ok(block) => block,
            Err(error) => return Some(vec![Err(error)]),
        };
        let next = match blocks.peek() {
            Some(Ok((next, _))) => Some(next.clone()),
            Some(Err(_)) | None => None,
        };
        let entries = block.0.into_iter().filter_map(|(key, value)| {
            let storage_key = storage_key_of::<E>(&first, &key);
            let is_here = next.as_ref().is_none_or(|next| storage_key < *next);
            is_here.then_some(Ok((storage_key, value)))
        });
        Some(entries.collect())
    });
    each.flatten()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn tree() -> sled::Tree {
        let database = sled::Config::new().temporary(true).open().unwrap();
        database.open_tree("blocks").unwrap()
    }

    /// Tables of entries against a map; and the last tables written again, as after a kill.
    pub(crate) fn are_found_as_in_a_map<E: Entries>(
        tables: &[BTreeMap<Vec<u8>, E::Value>],
        again: usize,
        others: &[Vec<u8>],
    ) -> Result<(), TestCaseError>
    where
        E::Value: Debug + PartialEq,
    {
        let tree = tree();
        let mut expected: BTreeMap<Vec<u8>, E::Value> = BTreeMap::new();
        for table in tables.iter().chain(tables.iter().skip(again)) {
            write::<E>(&tree, table).unwrap();
            expected.extend(table.clone());
            let found: BTreeMap<_, _> = all::<E>(&tree).map(Result::unwrap).collect();
            prop_assert_eq!(&found, &expected);
        }
        for (storage_key, value) in &expected {
            let found = find::<E>(&tree, storage_key).unwrap();
            prop_assert_eq!(found.as_ref(), Some(value));
        }
        for other in others.iter().filter(|other| !expected.contains_key(*other)) {
            prop_assert_eq!(find::<E>(&tree, other).unwrap(), None);
        }
        // What is read of one block by another process, before the other half is written, is whole too.
        for item in &tree {
            let (_, block) = decoded::<E>(item).unwrap();
            prop_assert!(block.0.len() <= E::MOST);
            prop_assert!(block.0.is_sorted_by(|one, other| one.0 < other.0));
        }
        for (lower, upper) in others.iter().zip(others.iter().skip(1)) {
            if !is_of_same_merchant(lower, upper) {
                continue;
            }
            let found = last_first::<E>(&tree, lower.clone(), upper.clone());
            let found: Vec<_> = found.map(|found| found.unwrap().0).collect();
            let within = expected.keys().filter(|key| *key >= lower && *key < upper);
            prop_assert_eq!(found, within.rev().cloned().collect::<Vec<_>>());
        }
        Ok(())
    }
}
