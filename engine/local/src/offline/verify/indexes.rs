//! Checks the balances, the small indexes, and the end of the chain.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::codec::{self, DecodeError, ValueKind};
use holdfast_core::journal::Head;
use holdfast_core::ledger::{AccountKey, Balance, Sums};
use holdfast_core::{BankName, OperationId, OperationKey, Tenure};
use holdfast_engine::store::CursorName;

use super::verifier::{
    BALANCE_WRONG, BANKS_WRONG, CURSOR_WRONG, DAMAGED, LOST, MARK_LOST, MARK_WRONG, NOTE_WRONG,
    REWRITTEN, SUMS_WRONG, TENURE_WRONG, UNFINISHED_WRONG, UNKNOWN, Verifier,
};
use crate::cursors::Positions;
use crate::directory;
use crate::error::printable;
use crate::format;
use crate::head_file::Found;
use crate::meta;
use crate::names::HEAD_FILE;
use crate::problem::OpenProblem;

impl Verifier<'_> {
    pub(super) fn accounts(&mut self) {
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
                self.find("accounts", shown, "is not a valid account key", UNKNOWN);
                continue;
            };
            let balance = match format::decode_balance(&storage_key, &bytes) {
                Ok(at) => at.balance,
                Err(error) => {
                    expected.remove(&key);
                    self.find("accounts", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            sums.entry(key.currency).or_default().add(balance);
            let replayed = expected.remove(&key);
            if replayed != Some(balance) {
                let replayed = replayed.unwrap_or_default();
                let problem = format!("is {balance}, but the journal leads to {replayed}");
                self.find("accounts", shown, problem, BALANCE_WRONG);
            }
        }
        for (key, balance) in expected {
            let shown = printable(&format::account_key(&key));
            let problem = format!("has no balance, but the journal leads to {balance}");
            self.find("accounts", shown, problem, BALANCE_WRONG);
        }
        for (currency, sums) in sums {
            if !sums.agree() {
                self.find("accounts", currency.code(), sums.to_string(), SUMS_WRONG);
            }
        }
    }

    pub(super) fn unfinished(&mut self) {
        let trees = self.trees;
        let low_water: u64 = match trees.meta.get(meta::LOW_WATER) {
            Ok(None) => 1,
            Ok(Some(bytes)) => match codec::decode(ValueKind::Meta, meta::LOW_WATER, &bytes) {
                Ok(low_water) => low_water,
                Err(error) => return self.find("meta", "low_water", error.to_string(), DAMAGED),
            },
            Err(error) => return self.find("meta", "low_water", error.to_string(), DAMAGED),
        };
        // A start reads the journal from the mark on: it must be where a chunk begins, or at the end.
        let end = self.report.head.sequence + 1;
        let chunk = self.journal.chunk_with(low_water);
        if low_water != end && !chunk.is_ok_and(|(first, _)| first == low_water) {
            let problem = format!("is {low_water}, but no journal chunk begins at that sequence");
            self.find("meta", "low_water", problem, MARK_LOST);
        }
        let mut indexed = BTreeSet::new();
        for item in &trees.unfinished {
            let Ok((storage_key, bytes)) = item else {
                self.find("unfinished", "?", "cannot be read", DAMAGED);
                break;
            };
            let shown = printable(&storage_key);
            let key: OperationKey = match codec::decode(ValueKind::Unfinished, &storage_key, &bytes)
            {
                Ok(key) => key,
                Err(error) => {
                    self.find("unfinished", shown, error.to_string(), DAMAGED);
                    continue;
                }
            };
            let id = format::id_of(&storage_key);
            let open = id.and_then(|id| self.replay.unfinished(id));
            match (id, open) {
                (Some(id), Some(known)) if *known == key => {
                    indexed.insert(id);
                }
                _ => {
                    let problem = "does not belong to an unfinished payment";
                    self.find("unfinished", shown, problem, UNFINISHED_WRONG);
                }
            }
        }
        let open = self.open.iter().map(|(id, (_, admitted))| (id, admitted));
        let lost: Vec<OperationId> = open
            .chain(&self.watched)
            .filter(|(id, admitted)| **admitted < low_water && !indexed.contains(*id))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            let problem =
                "is unfinished and was admitted before the low-water mark, but is missing here";
            self.find("unfinished", id.to_string(), problem, UNFINISHED_WRONG);
        }
    }

    pub(super) fn contradictions(&mut self) {
        let trees = self.trees;
        let mut notes = std::mem::take(&mut self.notes);
        for item in &trees.contradictions {
            let Ok((storage_key, bytes)) = item else {
                self.find("contradictions", "?", "cannot be read", DAMAGED);
                break;
            };
            let decoded = codec::decode::<u64>(ValueKind::Contradiction, &storage_key, &bytes);
            match decoded {
                Ok(sequence)
                    if notes.remove(&sequence).is_some_and(|merchant| {
                        storage_key == format::contradiction_key(&merchant, sequence)
                    }) => {}
                Ok(sequence) => {
                    let problem = "the journal has no contradiction of this merchant there";
                    self.find("contradictions", sequence.to_string(), problem, MARK_WRONG);
                }
                Err(error) => {
                    let shown = printable(&storage_key);
                    self.find("contradictions", shown, error.to_string(), DAMAGED);
                }
            }
        }
        for sequence in notes.into_keys() {
            let problem = "is a contradiction in the journal, but is not marked here";
            self.find("contradictions", sequence.to_string(), problem, MARK_WRONG);
        }
    }

    /// Checks that the store's list of called banks is the one that its journal gives.
    pub(super) fn banks(&mut self) {
        match meta::load::<BTreeSet<BankName>>(&self.trees.meta, meta::BANKS) {
            Ok(told) if told == *self.replay.banks() => {}
            Ok(told) => {
                let expected = self.replay.banks();
                let names = |banks: &BTreeSet<BankName>| {
                    let banks: Vec<_> = banks.iter().map(BankName::as_str).collect();
                    if banks.is_empty() {
                        "none".to_owned()
                    } else {
                        banks.join(", ")
                    }
                };
                let (told, expected) = (names(&told), names(expected));
                let problem = format!("are {told}, but the journal names {expected}");
                self.find("meta", "banks", problem, BANKS_WRONG);
            }
            Err(error) => self.find("meta", "banks", error.to_string(), DAMAGED),
        }
    }

    /// How far consumers have got must be readable, and no further than the journal.
    pub(super) fn cursors(&mut self, cursors: &Result<Positions, DecodeError>) {
        let cursors = match cursors {
            Ok(cursors) => cursors,
            Err(error) => return self.find("cursors", "all", error.to_string(), DAMAGED),
        };
        let end = self.report.head.sequence;
        for (name, sequence) in cursors {
            if CursorName::new(name).is_err() {
                let shown = printable(name.as_bytes());
                self.find("cursors", shown, "is no name of a consumer", UNKNOWN);
            } else if *sequence > end {
                let problem = format!("is at {sequence}, beyond the journal's end {end}");
                self.find("cursors", name.clone(), problem, CURSOR_WRONG);
            }
        }
    }

    /// Checks that no attempt was sent in a tenure that has not begun: if it was interrupted, it would never be
    /// resumed.
    pub(super) fn tenure(&mut self) {
        let told: Tenure = match meta::load(&self.trees.meta, meta::TENURE) {
            Ok(told) => told,
            Err(error) => return self.find("meta", "tenure", error.to_string(), DAMAGED),
        };
        let sent_in = self.replay.tenure();
        if told < sent_in {
            let problem = format!("is {told}, but the journal has attempts of tenure {sent_in}");
            self.find("meta", "tenure", problem, TENURE_WRONG);
        }
    }

    /// Checks the head file against the store, and how far the index had got.
    pub(super) fn note(&mut self, noted: Found, indexed: u64) {
        let found = self.report.head.sequence;
        if indexed > found {
            let problem = format!(
                "the journal ends at entry {found}, and the index had this one, which was durable"
            );
            self.find("journal", indexed.to_string(), problem, LOST);
        }
        let reached = match meta::load(&self.trees.meta, meta::HEAD_NOTED) {
            Ok(reached) => reached,
            Err(error) => return self.find("meta", "head_noted", error.to_string(), DAMAGED),
        };
        let end = self.report.head;
        let Err(problem) = directory::check_note(noted, end, reached) else {
            return;
        };
        if let OpenProblem::Lost { noted, found } = problem {
            let problem = format!(
                "the journal ends at entry {found} and does not lead to this one as it was durable"
            );
            return self.find("journal", noted.to_string(), problem, LOST);
        }
        let problem = match problem {
            OpenProblem::NoNote { state } => format!("is {state}"),
            problem => problem.to_string(),
        };
        self.find(HEAD_FILE, "the journal's end", problem, NOTE_WRONG);
    }

    pub(super) fn head(&mut self) {
        let told = match self.trees.meta.get(meta::CHAIN_HEAD) {
            Ok(None) => Head::default(),
            Ok(Some(bytes)) => match codec::decode(ValueKind::Meta, meta::CHAIN_HEAD, &bytes) {
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
