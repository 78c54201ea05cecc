//! The state of a verification, and the meaning of each kind of difference.

use std::collections::{BTreeMap, HashMap};

use holdfast_core::journal::{Head, Replay};
use holdfast_core::{Merchant, OperationId};
use sha2::{Digest as _, Sha256};

use crate::journal::Journal;
use crate::trees::Trees;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The tree.
    pub tree: &'static str,
    /// The key, in printable form.
    pub key: String,
    /// The finding.
    pub problem: String,
    /// The meaning.
    pub meaning: &'static str,
}

/// The phase of a verification.
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

/// The result of a verification.
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

pub(super) const DAMAGED: &str = "The stored bytes were changed, by the disk or by another program. \
     If it is not in the journal, `holdfast index rebuild` \
     makes it again; else restore the store from a backup or an export.";
pub(super) const LOST: &str =
    "The newest payments are lost: a retry would count as a new payment and be charged again.";
pub(super) const REWRITTEN: &str = "The journal was rewritten: an entry before this point was \
     changed, removed or inserted.";
pub(super) const RECORD_WRONG: &str =
    "Clients get an answer that does not match the journal of this payment.";
pub(super) const RECORD_LOST: &str =
    "A retry of this payment would count as a new payment and be charged again.";
pub(super) const RECORD_EXTRA: &str =
    "The payment has no journal entries, so it is unknown whether it was charged.";
pub(super) const INDEX_WRONG: &str = "A lookup by id finds no payment, or a different one.";
pub(super) const UNFINISHED_WRONG: &str = "A payment that is unfinished would not be resumed at the next start, or \
     a finished one would be.";
pub(super) const BALANCE_WRONG: &str =
    "The account's balance is not the sum of its payments' movements.";
pub(super) const SUMS_WRONG: &str = "The sums of debits and credits differ.";
pub(super) const UNKNOWN: &str =
    "Not part of a Holdfast store: another program wrote it, or a newer Holdfast.";
pub(super) const MARK_LOST: &str = "The next start would look for unfinished payments in the wrong place, so it will build the index again.";
pub(super) const NOTE_WRONG: &str = "The newest payments may be missing. `serve` refuses the store without \
     --accept-older-store.";
pub(super) const BANKS_WRONG: &str = "A start without --bank could use the simulated bank by mistake, or would be refused without need.";
pub(super) const CURSOR_WRONG: &str =
    "A consumer of the journal would never be told of the entries in between.";
pub(super) const TENURE_WRONG: &str =
    "An attempt of an earlier process could count as still running.";
pub(super) const MARK_WRONG: &str =
    "The list of contradictions misses an entry, or has one too many.";

pub(super) struct Verifier<'a> {
    pub(super) trees: &'a Trees,
    pub(super) journal: &'a Journal,
    pub(super) replay: Replay,
    pub(super) report: Report,
    /// Sequence of the latest entry of each open payment, and of its admission.
    pub(super) open: HashMap<OperationId, (u64, u64)>,
    /// Sequence of the admission of each payment that the bank is watched about.
    pub(super) watched: HashMap<OperationId, u64>,
    /// Finished payments whose record points beyond their last transition: the journal must have notes about them.
    pub(super) ahead: HashMap<OperationId, Ahead>,
    /// A digest of every payment that the journal admits, independent of their order.
    pub(super) admitted: SetDigest,
    /// Of notes, the contradictions by sequence, with the merchant of each.
    pub(super) notes: BTreeMap<u64, Merchant>,
    pub(super) sink: &'a mut dyn FnMut(Finding),
    pub(super) progress: &'a mut dyn FnMut(Phase, u64, u64),
}

/// Interval of progress reports, in items.
const PROGRESS_STRIDE: u64 = 4_096;

impl<'a> Verifier<'a> {
    pub(super) fn new(
        trees: &'a Trees,
        journal: &'a Journal,
        sink: &'a mut dyn FnMut(Finding),
        progress: &'a mut dyn FnMut(Phase, u64, u64),
    ) -> Self {
        Self {
            trees,
            journal,
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

    pub(super) fn find(
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

    pub(super) fn tell(&mut self, phase: Phase, done: u64, total: u64) {
        if done.is_multiple_of(PROGRESS_STRIDE) {
            (self.progress)(phase, done, total.max(done));
        }
    }
}

/// A finished payment whose history continues with notes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    /// The latest entry, as its record says.
    pub(super) told: u64,
    /// The latest entry that was read.
    pub(super) latest: u64,
}

/// A digest of a set of payments, independent of their order: the sum of the digests of its members. Two different
/// sets have different sums, unless someone constructs them on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SetDigest(u128);

impl SetDigest {
    pub(super) fn add(&mut self, storage_key: &[u8], id: OperationId) {
        let digest = Sha256::new()
            .chain_update(storage_key)
            .chain_update(id.as_uuid().as_bytes())
            .finalize();
        let half: [u8; 16] = digest[..16].try_into().expect("a digest has 32 bytes");
        self.0 = self.0.wrapping_add(u128::from_be_bytes(half));
    }
}
