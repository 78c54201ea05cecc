//! What the journal says and the trees do not say yet, in memory.
//!
//! Two tables, as in a log-structured merge-tree: the changes of commits go to one of them, while the indexer writes the other one
//! to the trees. Whoever reads looks here first, and then into the trees: what leaves this memory is in the trees before.

use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_core::IdempotencyKey;
use holdfast_core::record::Record;
use tokio::time::Instant;

use crate::changes::Changes;
use crate::format::BalanceAt;

/// A table is written to the trees when it has so many entries: then an operation that ended soon is written once.
const ENTRIES: u64 = 4_096;

/// It is written after this long at the latest.
const PAUSE: Duration = Duration::from_millis(100);

/// Commits wait for the indexer while a table has so many entries. A start after a kill has to follow at most twice as many.
const ENTRIES_MAX: u64 = 16_384;

/// The tables.
pub(crate) struct Memtable {
    state: Mutex<State>,
    /// Something that somebody waits for may have happened.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    newest: Changes,
    /// Since when the newest table has something.
    since: Option<Instant>,
    /// What the indexer is writing to the trees.
    writing: Option<Arc<Changes>>,
    /// Whether somebody waits until all of it is written.
    is_drained: bool,
    /// Whether the indexer shall stop, or has stopped.
    is_ended: bool,
}

/// A table that the indexer is to write.
pub(crate) struct Turn {
    pub(crate) changes: Arc<Changes>,
    /// Whether nothing came for a while, or nothing more will.
    pub(crate) is_idle: bool,
}

impl Memtable {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Tables are changed whole: a panic elsewhere leaves them right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.moved.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for a commit; not for ever, if the indexer has stopped.
    pub(crate) fn wait_for_room(&self) {
        let mut state = self.lock();
        while state.newest.entries() >= ENTRIES_MAX && !state.is_ended {
            state = self.wait(state);
        }
    }

    /// Adds the changes of a commit.
    pub(crate) fn add(&self, changes: Changes) {
        let mut state = self.lock();
        let was_below = state.newest.entries() < ENTRIES;
        state.newest.extend(changes);
        let is_full = was_below && state.newest.entries() >= ENTRIES;
        let is_first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        if is_first || is_full {
            self.moved.notify_all();
        }
    }

    /// Waits until all of it is in the trees. Says whether it is: the indexer may have stopped.
    pub(crate) fn drain(&self) -> bool {
        let mut state = self.lock();
        state.is_drained = true;
        self.moved.notify_all();
        while !state.is_ended && (state.writing.is_some() || state.newest.entries() > 0) {
            state = self.wait(state);
        }
        state.is_drained = false;
        state.writing.is_none() && state.newest.entries() == 0
    }

    /// Stops the indexer. What is not in the trees yet is found in the journal by the next opening.
    pub(crate) fn end(&self) {
        self.lock().is_ended = true;
        self.moved.notify_all();
    }

    /// The next table to write, when there is one; `None` when it is time to stop. What was handed over before is in the trees.
    pub(crate) fn next(&self) -> Option<Turn> {
        let mut state = self.lock();
        state.writing = None;
        self.moved.notify_all();
        loop {
            if state.is_ended {
                return None;
            }
            let waited = state.since.map(|since| since.elapsed());
            let is_due = state.is_drained
                || state.newest.entries() >= ENTRIES
                || waited.is_some_and(|waited| waited >= PAUSE);
            if state.newest.entries() > 0 && is_due {
                state.since = None;
                let is_idle = state.newest.entries() < ENTRIES;
                let changes = Arc::new(std::mem::take(&mut state.newest));
                state.writing = Some(changes.clone());
                return Some(Turn { changes, is_idle });
            }
            state = match waited {
                None => self.wait(state),
                Some(waited) => {
                    let left = PAUSE.saturating_sub(waited);
                    let woken = self.moved.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The first answer of a table, the newest one first.
    fn find<T>(&self, look: impl Fn(&Changes) -> Option<T>) -> Option<T> {
        let state = self.lock();
        look(&state.newest).or_else(|| look(state.writing.as_deref()?))
    }

    pub(crate) fn record(&self, storage_key: &[u8]) -> Option<Record> {
        self.find(|changes| changes.records.get(storage_key).cloned())
    }

    pub(crate) fn balance(&self, storage_key: &[u8]) -> Option<BalanceAt> {
        self.find(|changes| changes.balances.get(storage_key).copied())
    }

    pub(crate) fn idempotency_key(&self, id_key: &[u8]) -> Option<IdempotencyKey> {
        self.find(|changes| changes.ids.get(id_key).cloned())
    }

    /// Looks at both tables as they are at one moment; the older one comes first.
    pub(crate) fn look<T>(&self, mut look: impl FnMut(&Changes) -> T) -> impl Iterator<Item = T> {
        let (older, newer) = {
            let state = self.lock();
            (state.writing.clone(), look(&state.newest))
        };
        // It does not change, so nobody has to wait while it is looked at.
        older.as_deref().map(look).into_iter().chain([newer])
    }

    /// The ids within bounds, in order.
    pub(crate) fn ids(
        &self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Vec<(Vec<u8>, IdempotencyKey)> {
        let found = self.look(|changes| {
            let within = changes.ids.range::<[u8], _>(bounds);
            within
                .map(|(id_key, key)| (id_key.clone(), key.clone()))
                .collect::<Vec<_>>()
        });
        let mut found: Vec<_> = found.flatten().collect();
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        found
    }
}
