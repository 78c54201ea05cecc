//! Verification: everything in a store held against its journal, and every difference named.
//!
//! Memory holds the payments that are open at some moment of the journal and one balance per account,
//! however many payments there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Snapshot, TREES, Trees};
use crate::chain::Head;
use crate::codec::{self, Kind};
use crate::ledger::{AccountKey, Balance, Sums};
use crate::payment::{IdempotencyKey, JournalEntry, Payment, PaymentId, PaymentKey};
use crate::replay::{Replay, ReplayError, Replayed};
use crate::store::sled::batch::{CHAIN_HEAD_KEY, LOW_WATER_KEY};
use crate::store::sled::format::{self, Chunk, Record};
use crate::store::sled::read::printable;

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
const MARK_WRONG: &str = "A contradiction would not be listed, or one is listed that is none.";

struct Verifier<'a> {
    trees: &'a Trees,
    replay: Replay,
    report: Report,
    /// Sequence of the latest entry of each open payment, and of its admission.
    open: HashMap<PaymentId, (u64, u64)>,
    /// Finished payments whose record points beyond their last transition: notes must follow.
    ahead: HashMap<PaymentId, u64>,
    /// Sequences of contradictions.
    notes: BTreeSet<u64>,
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
    let mut verifier = Verifier {
        trees: &snapshot.trees,
        replay: Replay::default(),
        report: Report::default(),
        open: HashMap::new(),
        ahead: HashMap::new(),
        notes: BTreeSet::new(),
        sink,
        progress,
    };
    for name in &snapshot.tree_names {
        if !TREES.contains(&name.as_str()) && name != "__sled__default" {
            verifier.find("meta", name.clone(), "a tree of this name", UNKNOWN);
        }
    }
    verifier.trees(snapshot.head().map_or(0, |head| head.sequence));
    verifier.report
}

/// Looks at trees that were just made.
pub(super) fn verify_trees(trees: &Trees, sink: &mut dyn FnMut(Finding)) -> Report {
    let mut verifier = Verifier {
        trees,
        replay: Replay::default(),
        report: Report::default(),
        open: HashMap::new(),
        ahead: HashMap::new(),
        notes: BTreeSet::new(),
        sink,
        progress: &mut |_, _, _| {},
    };
    verifier.trees(0);
    verifier.report
}

impl Verifier<'_> {
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
        (self.progress)(Phase::Rest, 1, 1);
    }

    fn journal(&mut self, total: u64) {
        let trees = self.trees;
        for item in &trees.journal {
            let (storage_key, bytes) = match item {
                Ok(item) => item,
                Err(error) => {
                    self.find("journal", "?", error.to_string(), DAMAGED);
                    break;
                }
            };
            let Some(first) = format::sequence_of(&storage_key) else {
                let key = printable(&storage_key);
                self.find("journal", key, "is no sequence", UNKNOWN);
                continue;
            };
            let chunk = match Chunk::decode(&storage_key, &bytes) {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.find("journal", first.to_string(), error.to_string(), DAMAGED);
                    continue;
                }
            };
            let here = Head {
                sequence: first.saturating_sub(1),
                digest: chunk.previous.unwrap_or(self.replay.digest()),
            };
            if here.sequence != self.replay.head().sequence {
                let problem = format!(
                    "entries {} and on are missing",
                    self.replay.head().sequence + 1
                );
                self.find("journal", first.to_string(), problem, REWRITTEN);
            } else if here.digest != self.replay.digest() {
                let problem = "the digest of the entry before is another one";
                self.find("journal", first.to_string(), problem, REWRITTEN);
            }
            self.replay.go_on_after(here);
            for (sequence, linked) in (first..).zip(chunk.entries) {
                self.entry(sequence, linked.previous, &linked.entry);
                self.report.entries += 1;
                self.tell(Phase::Journal, self.report.entries, total);
            }
        }
        self.report.head = self.replay.head();
    }

    fn entry(&mut self, sequence: u64, previous: Option<u64>, entry: &JournalEntry) {
        let id = entry.payment_id;
        let known = self.open.get(&id).copied();
        match self.replay.apply(sequence, entry) {
            Err(error) => {
                let meaning = match error {
                    ReplayError::Ledger { .. } => BALANCE_WRONG,
                    _ => REWRITTEN,
                };
                self.find("journal", sequence.to_string(), error.to_string(), meaning);
                return;
            }
            Ok(Replayed::Note(_)) => {
                self.notes.insert(sequence);
                self.report.contradictions += 1;
                if self.ahead.get(&id) == Some(&sequence) {
                    self.ahead.remove(&id);
                }
                return;
            }
            Ok(Replayed::Open(_)) => {
                let admitted = known.map_or(sequence, |(_, admitted)| admitted);
                self.open.insert(id, (sequence, admitted));
            }
            Ok(Replayed::Finished(payment)) => {
                self.open.remove(&id);
                self.record(&payment, sequence, true);
            }
        }
        if entry.admission.is_some() {
            self.report.payments += 1;
        }
        if previous != known.map(|(latest, _)| latest) {
            let problem = format!("payment {id}: its link to the entry before leads elsewhere");
            self.find("journal", sequence.to_string(), problem, REWRITTEN);
        }
    }

    fn open_payments(&mut self) {
        let open: Vec<Payment> = self.replay.all_open().cloned().collect();
        self.report.unfinished = open.len() as u64;
        for payment in open {
            let latest = self.open.get(&payment.id).map_or(0, |(latest, _)| *latest);
            self.record(&payment, latest, false);
        }
        let ahead: Vec<_> = self.ahead.drain().collect();
        for (id, sequence) in ahead {
            let problem = format!("its latest entry is said to be {sequence}, which is not its");
            self.find("payments", id.to_string(), problem, RECORD_WRONG);
        }
    }

    /// Holds a record against the payment that the journal leads to.
    fn record(&mut self, payment: &Payment, latest: u64, finished: bool) {
        let storage_key = format::payment_key(&payment.key);
        let shown = printable(&storage_key);
        let record = match self.trees.payments.get(&storage_key) {
            Ok(Some(bytes)) => Record::decode(&storage_key, &bytes),
            Ok(None) => {
                let problem = format!("no record of payment {}", payment.id);
                return self.find("payments", shown, problem, RECORD_LOST);
            }
            Err(error) => return self.find("payments", shown, error.to_string(), DAMAGED),
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => return self.find("payments", shown, error.to_string(), DAMAGED),
        };
        let told = record.last_sequence();
        if told > latest && finished {
            self.ahead.insert(payment.id, told);
        } else if told != latest {
            let problem = format!("its latest entry is {latest}, but the record says {told}");
            self.find("payments", shown.clone(), problem, RECORD_WRONG);
        }
        let standing = record.into_payment(payment.key.clone());
        if standing != *payment {
            let problem = format!(
                "is {:?} in version {}, but the journal leads to {:?} in version {}{}",
                standing.state.name(),
                standing.version,
                payment.state.name(),
                payment.version,
                if standing.request == payment.request {
                    ""
                } else {
                    ", and to another request"
                },
            );
            self.find("payments", shown, problem, RECORD_WRONG);
        }
    }

    /// Every record must have a history and be found by its id.
    fn records(&mut self) {
        let (trees, total) = (self.trees, self.report.payments);
        let mut count = 0;
        for item in &trees.payments {
            let Ok((storage_key, bytes)) = item else {
                self.find("payments", "?", "cannot be read", DAMAGED);
                break;
            };
            count += 1;
            self.tell(Phase::Records, count, total);
            let shown = printable(&storage_key);
            // What cannot be decoded was named when the journal led to it, unless nothing does.
            let record = match Record::decode(&storage_key, &bytes) {
                Ok(record) => record,
                Err(error) => {
                    self.find("payments", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            let Some(key) = format::key_of(&storage_key) else {
                self.find("payments", shown, "is no merchant and key", UNKNOWN);
                continue;
            };
            let payment = record.into_payment(key);
            let id_key = format::id_key(&payment.key.merchant, payment.id);
            match trees.ids.get(&id_key) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let problem = format!("payment {} has no entry in ids", payment.id);
                    self.find("ids", printable(&id_key), problem, INDEX_WRONG);
                }
                Err(error) => self.find("ids", printable(&id_key), error.to_string(), DAMAGED),
            }
        }
        if count > total {
            let problem = format!("{count} records, but the journal admits {total} payments");
            self.find("payments", "all", problem, RECORD_EXTRA);
        }
    }

    fn ids(&mut self) {
        let (trees, total) = (self.trees, self.report.payments);
        let mut count = 0;
        for item in &trees.ids {
            let Ok((storage_key, bytes)) = item else {
                self.find("ids", "?", "cannot be read", DAMAGED);
                break;
            };
            count += 1;
            self.tell(Phase::Ids, count, total);
            let shown = printable(&storage_key);
            let key: IdempotencyKey = match format::decode_id(&storage_key, &bytes) {
                Ok(key) => key,
                Err(error) => {
                    self.find("ids", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            let merchant = format::merchant_of(&storage_key);
            let (Some(merchant), Some(id)) = (merchant, format::id_of(&storage_key)) else {
                self.find("ids", shown, "is no merchant and id", UNKNOWN);
                continue;
            };
            let key = PaymentKey {
                merchant,
                idempotency_key: key,
            };
            let record_key = format::payment_key(&key);
            let record = trees.payments.get(&record_key).ok().flatten();
            let record = record.and_then(|bytes| Record::decode(&record_key, &bytes).ok());
            if record.map(|record| record.into_payment(key).id) != Some(id) {
                self.find(
                    "ids",
                    shown,
                    "leads to no payment with this id",
                    INDEX_WRONG,
                );
            }
        }
    }

    fn accounts(&mut self) {
        let trees = self.trees;
        let mut expected: BTreeMap<AccountKey, Balance> = self
            .replay
            .book()
            .iter()
            .map(|(key, balance)| (key.clone(), *balance))
            .collect();
        let mut sums: BTreeMap<_, Sums> = BTreeMap::new();
        for item in &trees.accounts {
            let Ok((storage_key, bytes)) = item else {
                self.find("accounts", "?", "cannot be read", DAMAGED);
                break;
            };
            self.report.accounts += 1;
            let shown = printable(&storage_key);
            let Some(key) = format::account_of(&storage_key) else {
                self.find("accounts", shown, "is no account", UNKNOWN);
                continue;
            };
            let balance: Balance = match codec::decode(Kind::Account, &storage_key, &bytes) {
                Ok(balance) => balance,
                Err(error) => {
                    expected.remove(&key);
                    self.find("accounts", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            sums.entry(key.currency).or_default().add(balance);
            let replayed = expected.remove(&key);
            if replayed != Some(balance) {
                let problem = format!("is {balance:?}, but the journal leads to {replayed:?}");
                self.find("accounts", shown, problem, BALANCE_WRONG);
            }
        }
        for (key, balance) in expected {
            let shown = printable(&format::account_key(&key));
            let problem = format!("has no balance, but the journal leads to {balance:?}");
            self.find("accounts", shown, problem, BALANCE_WRONG);
        }
        for (currency, sums) in sums {
            if !sums.agree() {
                self.find("accounts", currency.code(), format!("{sums:?}"), SUMS_WRONG);
            }
        }
    }

    fn unfinished(&mut self) {
        let trees = self.trees;
        let low_water: u64 = match trees.meta.get(LOW_WATER_KEY) {
            Ok(None) => 1,
            Ok(Some(bytes)) => match codec::decode(Kind::Meta, LOW_WATER_KEY, &bytes) {
                Ok(low_water) => low_water,
                Err(error) => return self.find("meta", "low_water", error.to_string(), DAMAGED),
            },
            Err(error) => return self.find("meta", "low_water", error.to_string(), DAMAGED),
        };
        let mut indexed = BTreeSet::new();
        for item in &trees.unfinished {
            let Ok((storage_key, bytes)) = item else {
                self.find("unfinished", "?", "cannot be read", DAMAGED);
                break;
            };
            let shown = printable(&storage_key);
            let key: PaymentKey = match codec::decode(Kind::Unfinished, &storage_key, &bytes) {
                Ok(key) => key,
                Err(error) => {
                    self.find("unfinished", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            let id = format::id_of(&storage_key);
            let open = id.and_then(|id| self.replay.open(id));
            match (id, open) {
                (Some(id), Some(payment)) if payment.key == key => {
                    indexed.insert(id);
                }
                _ => {
                    let problem = "stands for no payment that is unfinished";
                    self.find("unfinished", shown, problem, UNFINISHED_WRONG);
                }
            }
        }
        let lost: Vec<PaymentId> = self
            .open
            .iter()
            .filter(|(id, (_, admitted))| *admitted < low_water && !indexed.contains(*id))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            let problem = "is unfinished and stands before the low-water mark, but not here";
            self.find("unfinished", id.to_string(), problem, UNFINISHED_WRONG);
        }
    }

    fn contradictions(&mut self) {
        let trees = self.trees;
        let mut notes = std::mem::take(&mut self.notes);
        for item in &trees.contradictions {
            let Ok((storage_key, bytes)) = item else {
                self.find("contradictions", "?", "cannot be read", DAMAGED);
                break;
            };
            let decoded = codec::decode::<u64>(Kind::Contradiction, &storage_key, &bytes);
            match decoded {
                Ok(sequence) if notes.remove(&sequence) => {}
                Ok(sequence) => {
                    let problem = "the journal has no contradiction there";
                    self.find("contradictions", sequence.to_string(), problem, MARK_WRONG);
                }
                Err(error) => {
                    let shown = printable(&storage_key);
                    self.find("contradictions", shown, error.to_string(), DAMAGED);
                }
            }
        }
        for sequence in notes {
            let problem = "is a contradiction and not marked";
            self.find("contradictions", sequence.to_string(), problem, MARK_WRONG);
        }
    }

    fn head(&mut self) {
        let told = match self.trees.meta.get(CHAIN_HEAD_KEY) {
            Ok(None) => Head::default(),
            Ok(Some(bytes)) => match codec::decode(Kind::Meta, CHAIN_HEAD_KEY, &bytes) {
                Ok(head) => head,
                Err(error) => return self.find("meta", "chain_head", error.to_string(), DAMAGED),
            },
            Err(error) => return self.find("meta", "chain_head", error.to_string(), DAMAGED),
        };
        let replayed = self.report.head;
        if told != replayed {
            let problem = format!(
                "says that the journal ends at {} with {}, but it ends at {} with {}",
                told.sequence, told.digest, replayed.sequence, replayed.digest
            );
            self.find("meta", "chain_head", problem, REWRITTEN);
        }
    }
}
