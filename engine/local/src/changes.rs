//! What entries of the journal change.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::journal::Head;
use holdfast_core::record::Record;
use holdfast_core::{BankName, IdempotencyKey, OperationId};

use crate::format::BalanceAt;

/// What consecutive entries change in the index, by storage key.
#[derive(Default)]
pub(crate) struct Changes {
    /// The end of the journal before them, and after.
    pub(crate) after: u64,
    pub(crate) head: Head,
    pub(crate) records: BTreeMap<Vec<u8>, Record>,
    pub(crate) ids: BTreeMap<Vec<u8>, IdempotencyKey>,
    pub(crate) contradictions: BTreeMap<Vec<u8>, u64>,
    pub(crate) balances: BTreeMap<Vec<u8>, BalanceAt>,
    /// Operations that need no more work.
    pub(crate) finished: Vec<OperationId>,
    /// Banks that an attempt was sent to for the first time.
    pub(crate) banks: BTreeSet<BankName>,
}

impl Changes {
    pub(crate) fn after(head: Head) -> Self {
        Self {
            after: head.sequence,
            head,
            ..Self::default()
        }
    }

    /// The number of entries.
    pub(crate) const fn entries(&self) -> u64 {
        self.head.sequence - self.after
    }

    /// Adds those that follow.
    pub(crate) fn extend(&mut self, more: Self) {
        if self.entries() == 0 {
            *self = more;
            return;
        }
        debug_assert_eq!(self.head.sequence, more.after, "changes follow each other");
        self.head = more.head;
        self.records.extend(more.records);
        self.ids.extend(more.ids);
        self.contradictions.extend(more.contradictions);
        self.balances.extend(more.balances);
        self.finished.extend(more.finished);
        self.banks.extend(more.banks);
    }
}
