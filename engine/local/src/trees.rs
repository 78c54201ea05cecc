//! The trees of the database: each is named here, and nowhere else.

use sled::{Db, Tree};

/// Declares the trees: a struct of them, their names, how all are opened, and how all are seen in a transaction.
macro_rules! trees {
    ($($(#[$doc:meta])* $tree:ident),* $(,)?) => {
        /// All trees of a database.
        pub(crate) struct Trees {
            $($(#[$doc])* pub(crate) $tree: Tree,)*
        }

        /// Their names.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($tree)),*];

        impl Trees {
            /// Opens all of them. A missing one is created: a store of an earlier version lacks the newer trees.
            pub(crate) fn open(database: &Db) -> sled::Result<Self> {
                Ok(Self { $($tree: database.open_tree(stringify!($tree))?,)* })
            }
        }
    };
}

trees!(
    /// Records of payments that are not finished or have a long history, by merchant and idempotency key.
    payments,
    /// Tips of the other ones, in blocks.
    tips,
    /// Idempotency keys, by merchant and id.
    ids,
    /// Operations that have been unfinished for long.
    unfinished,
    /// Balances, each with the last entry that it includes.
    accounts,
    /// Marks of the journal entries that contradict a finished operation.
    contradictions,
    /// Single values about the whole store.
    meta,
);
