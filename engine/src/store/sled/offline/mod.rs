//! A store that no service runs on: looking at it whole, taking its journal out, making one from a
//! journal.

mod import;
mod snapshot;
mod verify;

pub use import::{ImportError, Imported, Importer};
pub use snapshot::{Original, Snapshot, SnapshotError};
pub use verify::{Finding, Phase, Report, verify};

use super::directory::OpenProblem;

/// The trees of a store, without the rest of what a running store has.
pub(crate) struct Trees {
    pub(super) payments: sled::Tree,
    pub(super) ids: sled::Tree,
    pub(super) journal: sled::Tree,
    pub(super) unfinished: sled::Tree,
    pub(super) accounts: sled::Tree,
    pub(super) contradictions: sled::Tree,
    pub(super) meta: sled::Tree,
}

/// Their names, as sled keeps them.
const TREES: [&str; 7] = [
    "payments",
    "ids",
    "journal",
    "unfinished",
    "accounts",
    "contradictions",
    "meta",
];

impl Trees {
    fn open(database: &sled::Db) -> Result<Self, OpenProblem> {
        let tree = |name: &str| database.open_tree(name).map_err(OpenProblem::Database);
        Ok(Self {
            payments: tree("payments")?,
            ids: tree("ids")?,
            journal: tree("journal")?,
            unfinished: tree("unfinished")?,
            accounts: tree("accounts")?,
            contradictions: tree("contradictions")?,
            meta: tree("meta")?,
        })
    }
}
