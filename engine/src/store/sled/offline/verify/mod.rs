//! Verification: everything in a store held against its journal, and every difference named.
//!
//! Memory holds the payments that are open at some moment of the journal and one balance per account,
//! however many payments there are.

mod indexes;
mod journal;
mod records;

use std::collections::{BTreeMap, HashMap};

use journal::Ahead;
use records::SetDigest;

use super::{Snapshot, TREES, Trees};
use crate::chain::Head;
use crate::payment::{Merchant, PaymentId};
use crate::replay::Replay;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which tree.
    pub tree: &'static str,
    /// Under which key, in printable form.
    pub key: String,
    /// What was found.
    pub problem: String,
    /// What it means.
    pub meaning: &'static str,
}

/// What is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The journal, replayed, and the records that it leads to.
    Journal,
    /// The records, one by one.
    Records,
    /// The index of ids.
    Ids,
    /// Balances and the other indexes.
    Rest,
}

/// What a verification came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Journal entries read.
    pub entries: u64,
    /// Payments admitted.
    pub payments: u64,
    /// Payments that are unfinished.
    pub unfinished: u64,
    /// Contradictions noted.
    pub contradictions: u64,
    /// Accounts with a balance, one per currency.
    pub accounts: u64,
    /// The end of the chain, as replayed.
    pub head: Head,
    /// How many differences were found.
    pub findings: u64,
}

const DAMAGED: &str = "The bytes are not what was written: the disk or something else changed them. \
     Restore from an export, or start on a copy.";
const LOST: &str =
    "The newest payments are gone: their retries would be taken for new ones and charged again.";
const REWRITTEN: &str = "The journal is not the one that was written: an entry before this point was \
     changed, taken out or put in.";
const RECORD_WRONG: &str = "What clients are told of this payment is not what its history says.";
const RECORD_LOST: &str = "A retry of this payment would be taken for a new one and charged again.";
const RECORD_EXTRA: &str = "A payment without a history: nobody can tell whether it was charged.";
const INDEX_WRONG: &str =
    "The payment cannot be found by its id, or another one is found in its place.";
const UNFINISHED_WRONG: &str = "A payment that is unfinished would not be resumed at the next start, or \
     a finished one would be.";
const BALANCE_WRONG: &str = "The account's balance is not the sum of its payments' movements.";
const SUMS_WRONG: &str = "Debits and credits do not agree: money came from nowhere or went there.";
const UNKNOWN: &str = "No part of a store: another program wrote here, or a newer Holdfast.";
const MARK_LOST: &str =
    "The store cannot be opened: a start would look for unfinished payments in the wrong place.";
const NOTE_WRONG: &str = "Nobody can tell whether the newest payments are there. A start refuses the store unless it is told \
     --accept-older-store.";
const BANKS_WRONG: &str =
    "A start without a bank would not be kept from the simulated one, or would be in vain.";
const MARK_WRONG: &str = "A contradiction would not be listed, or one is listed that is none.";

struct Verifier<'a> {
    trees: &'a Trees,
    replay: Replay,
    report: Report,
    /// Sequence of the latest entry of each open payment, and of its admission.
    open: HashMap<PaymentId, (u64, u64)>,
    /// Sequence of the admission of each payment that the bank is watched about.
    watched: HashMap<PaymentId, u64>,
    /// Finished payments whose record points beyond their last transition: notes must follow.
    ahead: HashMap<PaymentId, Ahead>,
    /// Every payment that the journal admits, in a digest that knows no order.
    admitted: SetDigest,
    /// Of notes, the contradictions by sequence, with the merchant of each.
    notes: BTreeMap<u64, Merchant>,
    sink: &'a mut dyn FnMut(Finding),
    progress: &'a mut dyn FnMut(Phase, u64, u64),
}

/// How often progress is told, in items.
const PROGRESS_STRIDE: u64 = 4_096;

/// Looks at everything. Each difference goes to `sink`; `progress` hears the phase, how much of it is
/// done, and how much there is.
pub fn verify(
    snapshot: &Snapshot,
    sink: &mut dyn FnMut(Finding),
    progress: &mut dyn FnMut(Phase, u64, u64),
) -> Report {
    let mut verifier = Verifier::new(&snapshot.trees, sink, progress);
    for name in &snapshot.tree_names {
        if !TREES.contains(&name.as_str()) && name != "__sled__default" {
            verifier.find("meta", name.clone(), "a tree of this name", UNKNOWN);
        }
    }
    verifier.trees(snapshot.head().map_or(0, |head| head.sequence));
    verifier.note(snapshot.noted);
    verifier.report
}

/// Looks at trees that were just made.
pub(super) fn verify_trees(trees: &Trees, sink: &mut dyn FnMut(Finding)) -> Report {
    let mut unheard = |_, _, _| {};
    let mut verifier = Verifier::new(trees, sink, &mut unheard);
    verifier.trees(0);
    verifier.report
}

impl<'a> Verifier<'a> {
    fn new(
        trees: &'a Trees,
        sink: &'a mut dyn FnMut(Finding),
        progress: &'a mut dyn FnMut(Phase, u64, u64),
    ) -> Self {
        Self {
            trees,
            replay: Replay::default(),
            report: Report::default(),
            open: HashMap::new(),
            watched: HashMap::new(),
            ahead: HashMap::new(),
            admitted: SetDigest::default(),
            notes: BTreeMap::new(),
            sink,
            progress,
        }
    }

    fn find(
        &mut self,
        tree: &'static str,
        key: impl Into<String>,
        problem: impl Into<String>,
        meaning: &'static str,
    ) {
        self.report.findings += 1;
        (self.sink)(Finding {
            tree,
            key: key.into(),
            problem: problem.into(),
            meaning,
        });
    }

    fn tell(&mut self, phase: Phase, done: u64, total: u64) {
        if done.is_multiple_of(PROGRESS_STRIDE) {
            (self.progress)(phase, done, total.max(done));
        }
    }

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
        (self.progress)(Phase::Rest, 1, 1);
    }
}
