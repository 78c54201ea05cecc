//! Verification: everything in a store is checked against its journal, and every difference is reported.
//!
//! It keeps only the open operations and one balance per account in memory, however many operations there are.

mod indexes;
mod journal;
mod records;
mod verifier;

use super::snapshot::Snapshot;
use crate::journal::Journal;
use crate::trees::{self, Trees};
use verifier::{UNKNOWN, Verifier};

pub use verifier::{Finding, Phase, Report};

/// Checks everything. Each difference goes to `sink`. `progress` gets the phase, how much of it is
/// done, and how much there is.
pub fn verify(
    snapshot: &Snapshot,
    sink: &mut dyn FnMut(Finding),
    progress: &mut dyn FnMut(Phase, u64, u64),
) -> Report {
    let mut verifier = Verifier::new(&snapshot.trees, &snapshot.journal, sink, progress);
    for name in &snapshot.tree_names {
        if !trees::NAMES.contains(&name.as_str()) && name != "__sled__default" {
            verifier.find("meta", name.clone(), "a tree of this name", UNKNOWN);
        }
    }
    verifier.trees(snapshot.head().sequence);
    verifier.cursors(&snapshot.cursors);
    verifier.note(snapshot.noted, snapshot.indexed);
    verifier.report
}

/// Checks trees that were just created.
pub(super) fn verify_trees(
    trees: &Trees,
    journal: &Journal,
    sink: &mut dyn FnMut(Finding),
) -> Report {
    let mut unheard = |_, _, _| {};
    let mut verifier = Verifier::new(trees, journal, sink, &mut unheard);
    verifier.trees(0);
    verifier.report
}

impl Verifier<'_> {
    fn trees(&mut self, entries: u64) {
        self.journal(entries);
        self.open_payments();
        self.records();
        self.ids();
        (self.progress)(Phase::Rest, 0, 1);
        self.accounts();
        self.unfinished();
        self.contradictions();
        self.head();
        self.banks();
        self.tenure();
        (self.progress)(Phase::Rest, 1, 1);
    }
}
