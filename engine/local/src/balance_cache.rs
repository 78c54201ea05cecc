//! The balances of accounts with recent payments, in memory: accounts of shops are in most of them.

use std::collections::HashMap;

use crate::changes::Changes;
use crate::format::BalanceAt;

/// Accounts in a generation: some 5 MiB of memory.
const GENERATION: usize = 32_768;

/// Two generations: when the newer one is full, it becomes the older one, and what was there is forgotten.
///
/// Only commits change balances, and each commit tells it: what it has is never older than what the trees have.
#[derive(Default)]
pub(crate) struct BalanceCache {
    newer: HashMap<Vec<u8>, BalanceAt>,
    older: HashMap<Vec<u8>, BalanceAt>,
}

impl BalanceCache {
    pub(crate) fn get(&self, storage_key: &[u8]) -> Option<BalanceAt> {
        let found = self.newer.get(storage_key);
        found.or_else(|| self.older.get(storage_key)).copied()
    }

    /// Takes what a commit changed.
    pub(crate) fn take(&mut self, changes: &Changes) {
        if self.newer.len() >= GENERATION {
            self.older = std::mem::take(&mut self.newer);
        }
        let balances = changes.balances.iter();
        self.newer
            .extend(balances.map(|(storage_key, at)| (storage_key.clone(), *at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(accounts: std::ops::Range<u64>, up_to: u64) -> Changes {
        let at = BalanceAt {
            up_to,
            ..BalanceAt::default()
        };
        Changes {
            balances: accounts.map(|n| (n.to_be_bytes().to_vec(), at)).collect(),
            ..Changes::default()
        }
    }

    #[test]
    fn it_has_the_newest_of_each_account_and_forgets_the_oldest_accounts() {
        let generation = GENERATION as u64;
        let mut cache = BalanceCache::default();
        cache.take(&changes(0..generation, 1));
        cache.take(&changes(0..1, 2));
        let of = |cache: &BalanceCache, n: u64| cache.get(&n.to_be_bytes()).map(|at| at.up_to);
        assert_eq!((of(&cache, 0), of(&cache, 1)), (Some(2), Some(1)));
        cache.take(&changes(generation..2 * generation, 3));
        assert_eq!(of(&cache, 0), Some(2));
        cache.take(&changes(0..1, 4));
        assert_eq!((of(&cache, 0), of(&cache, 1)), (Some(4), None));
        assert!(cache.newer.len() + cache.older.len() <= 2 * GENERATION);
    }
}
