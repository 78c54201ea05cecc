//! The content of a store, in memory.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::journal::operation_after;
use holdfast_core::ledger::{self, AccountKey, Balance, Book, LedgerError};
use holdfast_core::{
    BankName, Guard, JournalEntry, Merchant, MovementKind, Operation, OperationId, OperationKey,
    Refusal, Step, Timestamp,
};
use holdfast_engine::store::{Page, Query, Verdict};

/// A way in which a store works wrongly, for the checks that must notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// It applies writes without checking the expected version.
    BlindWrites,
    /// It never voids the holds of failed payments.
    NoVoids,
    /// It posts settled payments twice.
    PostTwice,
    /// It leaves entries out of its journal.
    DropEntries,
    /// It shows data that is not durable.
    DirtyReads,
}

/// One entry in this many is left out.
const GAP_EVERY: usize = 13;

/// Payments, journal and balances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    payments: BTreeMap<OperationKey, Operation>,
    ids: BTreeMap<(Merchant, OperationId), OperationKey>,
    unfinished: BTreeSet<OperationId>,
    journal: Vec<JournalEntry>,
    banks: BTreeSet<BankName>,
    newest: Timestamp,
    book: Book,
}

/// The changes of a batch, kept apart from the content until they are durable.
#[derive(Debug, Default)]
pub(super) struct Change {
    payments: BTreeMap<OperationKey, Operation>,
    balances: BTreeMap<AccountKey, Balance>,
    pub(super) entries: Vec<JournalEntry>,
}

impl Change {
    pub(super) fn versions(&self) -> impl Iterator<Item = (OperationId, u64)> {
        self.payments
            .values()
            .map(|payment| (payment.id, payment.version))
    }

    pub(super) fn payment(&self, wanted: impl Fn(&Operation) -> bool) -> Option<&Operation> {
        self.payments.values().find(|payment| wanted(payment))
    }
}

impl Content {
    /// Gives a verdict per write, and the change that the applied ones make.
    pub(super) fn judge(&self, batch: &[Step], tamper: Option<Tamper>) -> (Vec<Verdict>, Change) {
        let mut change = Change::default();
        let verdicts = batch
            .iter()
            .map(|step| self.apply(&mut change, step, tamper));
        (verdicts.collect(), change)
    }

    fn apply(&self, change: &mut Change, step: &Step, tamper: Option<Tamper>) -> Verdict {
        let changed = change.payments.get(step.key());
        let current = changed.or_else(|| self.payments.get(step.key()));
        let stands = current.map_or(0, |payment| payment.version);
        if stands != step.expected_version() && tamper != Some(Tamper::BlindWrites) {
            return Verdict::Lost {
                current: current.cloned().map(Box::new),
            };
        }
        // Beside the change, so that a write that is refused half-way leaves nothing.
        let mut moved: BTreeMap<AccountKey, Balance> = BTreeMap::new();
        for movement in step
            .entries
            .iter()
            .filter_map(|entry| entry.movement.as_ref())
        {
            if tamper == Some(Tamper::NoVoids) && movement.kind == MovementKind::Void {
                continue;
            }
            let keys = ledger::accounts_of(&step.key().merchant, movement);
            let before = keys.each_ref().map(|key| {
                let known = moved.get(key).or_else(|| change.balances.get(key));
                known.copied().unwrap_or_else(|| self.book.balance(key))
            });
            match ledger::apply(movement, before) {
                Ok(mut after) => {
                    if tamper == Some(Tamper::PostTwice) && movement.kind == MovementKind::Post {
                        let amount = movement.amount.minor_units();
                        after[0].debits_posted += amount;
                        after[1].credits_posted += amount;
                    }
                    moved.extend(keys.into_iter().zip(after));
                }
                Err(LedgerError::NotHeld { .. }) if tamper == Some(Tamper::BlindWrites) => {}
                Err(full) => {
                    assert!(
                        matches!(full, LedgerError::Full { .. })
                            && step.guards.contains(&Guard::AccountsHaveRoom),
                        "the balances do not fit the payments: {full}"
                    );
                    return Verdict::Refused(Refusal::AccountFull(full));
                }
            }
        }
        change.balances.extend(moved);
        for entry in &step.entries {
            let place = self.journal.len() + change.entries.len();
            let mut entry = entry.clone();
            let voids = entry
                .movement
                .as_ref()
                .is_some_and(|movement| movement.kind == MovementKind::Void);
            if tamper == Some(Tamper::NoVoids) && voids {
                entry.movement = None;
            }
            let gap = tamper == Some(Tamper::DropEntries) && place % GAP_EVERY == GAP_EVERY - 1;
            if !gap || entry.admission.is_some() {
                change.entries.push(entry);
            }
        }
        let payment = step.operation.clone();
        change.payments.insert(payment.key.clone(), payment);
        Verdict::Applied
    }

    /// Applies a change.
    pub(super) fn absorb(&mut self, change: Change) {
        for (key, payment) in change.payments {
            let id = payment.id;
            self.ids.insert((key.merchant.clone(), id), key.clone());
            self.payments.insert(key, payment);
        }
        self.book.set(change.balances);
        for entry in change.entries {
            self.push(entry);
        }
    }

    fn push(&mut self, entry: JournalEntry) {
        if entry.leaves_open() {
            self.unfinished.insert(entry.operation_id);
        } else {
            self.unfinished.remove(&entry.operation_id);
        }
        if let Some(bank) = entry.to.sent_to()
            && !self.banks.contains(bank)
        {
            self.banks.insert(bank.clone());
        }
        self.newest = self.newest.max(entry.at);
        self.journal.push(entry);
    }

    /// Applies the next entry of a journal, as a start does that brings its index up.
    ///
    /// # Panics
    /// When the entry does not follow from those before it.
    pub(super) fn follow(&mut self, entry: JournalEntry) {
        let id = (entry.merchant.clone(), entry.operation_id);
        let key = match &entry.admission {
            Some(admission) => OperationKey {
                merchant: entry.merchant.clone(),
                idempotency_key: admission.idempotency_key.clone(),
            },
            None => self.ids[&id].clone(),
        };
        if !entry.cause.is_note() {
            let after = operation_after(self.payments.get(&key), &entry);
            let after = after.expect("an entry follows from those before it");
            self.payments.insert(key.clone(), after);
        }
        self.ids.insert(id, key);
        if let Some(movement) = &entry.movement {
            let moved = self.book.apply(&entry.merchant, movement);
            moved.expect("a movement follows from those before it");
        }
        self.push(entry);
    }

    /// Takes the journal of another content, and nothing else of it.
    pub(super) fn journal_of(&mut self, other: Self) {
        self.journal = other.journal;
    }

    /// Takes the payments and balances of a change, without its entries.
    pub(super) fn absorb_without_entries(&mut self, change: Change) {
        self.absorb(Change {
            entries: Vec::new(),
            ..change
        });
    }

    /// The sequence of the last entry; 0 when there is none.
    pub fn sequence(&self) -> u64 {
        self.journal.len() as u64
    }

    /// All entries; the first has sequence 1.
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// The merchants that have payments.
    pub(super) fn merchants(&self) -> BTreeSet<Merchant> {
        let mut merchants = BTreeSet::new();
        for (merchant, _) in self.ids.keys() {
            if !merchants.contains(merchant) {
                merchants.insert(merchant.clone());
            }
        }
        merchants
    }

    /// The banks that attempts were sent to.
    pub(super) const fn banks(&self) -> &BTreeSet<BankName> {
        &self.banks
    }

    /// The newest time of an entry.
    pub(super) const fn newest(&self) -> Timestamp {
        self.newest
    }

    /// All balances.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// All payments.
    pub fn payments(&self) -> impl Iterator<Item = &Operation> {
        self.payments.values()
    }

    /// The payment under a key.
    pub fn get(&self, key: &OperationKey) -> Option<&Operation> {
        self.payments.get(key)
    }

    /// A merchant's payment by id.
    pub fn find(&self, merchant: &Merchant, id: OperationId) -> Option<&Operation> {
        let key = self.ids.get(&(merchant.clone(), id))?;
        self.payments.get(key)
    }

    pub(super) fn list(&self, query: &Query) -> Page {
        let wanted = self.payments().filter(|payment| query.wants(payment));
        let mut payments: Vec<Operation> = wanted.cloned().collect();
        payments.sort_by_key(|payment| std::cmp::Reverse(payment.id));
        let more = payments.len() > query.limit;
        payments.truncate(query.limit);
        let next_before = payments.last().filter(|_| more).map(|payment| payment.id);
        Page {
            operations: payments,
            next_before,
        }
    }

    pub(super) fn entries(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Option<Vec<(u64, JournalEntry)>> {
        let known = self.ids.contains_key(&(merchant.clone(), id));
        known.then(|| self.select(0, usize::MAX, |entry| entry.operation_id == id))
    }

    pub(super) fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Vec<(u64, JournalEntry)> {
        self.select(after, limit, |entry| {
            entry.is_contradiction() && entry.merchant == *merchant
        })
    }

    pub(super) fn journal_after(&self, after: u64, limit: usize) -> Vec<(u64, JournalEntry)> {
        self.select(after, limit, |_| true)
    }

    fn select(
        &self,
        after: u64,
        limit: usize,
        wanted: impl Fn(&JournalEntry) -> bool,
    ) -> Vec<(u64, JournalEntry)> {
        let from = usize::try_from(after).unwrap_or(usize::MAX);
        let entries = self.journal.get(from..).unwrap_or_default();
        (after.saturating_add(1)..)
            .zip(entries)
            .filter(|(_, entry)| wanted(entry))
            .take(limit)
            .map(|(sequence, entry)| (sequence, entry.clone()))
            .collect()
    }

    pub(super) fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    pub(super) fn unfinished(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Vec<(OperationId, OperationKey)> {
        let keys: BTreeMap<OperationId, &OperationKey> =
            self.ids.iter().map(|((_, id), key)| (*id, key)).collect();
        let open = self.unfinished.iter();
        open.filter(|id| after.is_none_or(|after| **id > after))
            .take(limit)
            .map(|id| (*id, keys[id].clone()))
            .collect()
    }
}
