//! The indexer: writes to the trees what the journal says, behind the commits, on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use holdfast_core::{OperationId, OperationKey};

use crate::changes::Changes;
use crate::error::{LocalError, stopped};
use crate::index;
use crate::inner::Inner;
use crate::memtable::Turn;
use crate::meta;

/// The low-water mark moves after this many entries.
const LOW_WATER_STRIDE: u64 = 4096;

/// Most entries of the tree of the unfinished that are written when the mark moves. If there are more, the mark moves less far, and
/// again with the next table.
const LINGERING_MAX: usize = 128;

/// What the trees say that nobody else needs to know.
pub(crate) struct Indexer {
    /// Every operation admitted before this sequence is finished or in `unfinished`.
    pub(crate) low_water: u64,
    /// The operations in `unfinished`.
    pub(crate) lingering: BTreeSet<OperationId>,
    /// How far the head file is said to have got.
    pub(crate) reached: u64,
}

impl Indexer {
    /// Writes one table after the other, until the store is dropped or the disk refuses.
    pub(crate) fn run(mut self, inner: &Inner) {
        // Also when this panics: nobody may wait for what nobody does.
        let _end = EndOnDrop(inner);
        while let Some(Turn { changes, is_idle }) = inner.memtable.next() {
            let written = self.write(inner, &changes).and_then(|()| {
                if is_idle {
                    close_end(inner, &changes)?;
                }
                Ok(())
            });
            if let Err(error) = inner.doubting(written) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot index the journal"
                );
                return inner.poison();
            }
        }
    }

    fn write(&mut self, inner: &Inner, changes: &Changes) -> Result<(), LocalError> {
        let trees = &inner.trees;
        index::put(trees, meta::INDEXING, &changes.head.sequence)?;
        index::write(trees, changes, |id| self.lingering.remove(&id))?;
        if let Some(MarkMove { to, lingering }) = self.mark_move(inner, changes) {
            for (id, key) in lingering {
                index::write_lingering(trees, id, &key)?;
                self.lingering.insert(id);
            }
            index::put(trees, meta::LOW_WATER, &to)?;
            self.low_water = to;
        }
        let noted = inner.noted.load(Ordering::SeqCst);
        if noted > self.reached {
            index::put(trees, meta::HEAD_NOTED, &noted)?;
            self.reached = noted;
        }
        index::put(trees, meta::CHAIN_HEAD, &changes.head)
    }

    fn mark_move(&self, inner: &Inner, changes: &Changes) -> Option<MarkMove> {
        let end = changes.head.sequence + 1;
        if end - self.low_water < LOW_WATER_STRIDE {
            return None;
        }
        let live = inner.live.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lingering: Vec<_> = live
            .iter()
            .filter(|(id, live)| live.from < end && !self.lingering.contains(id))
            .collect();
        lingering.sort_by_key(|(_, live)| live.from);
        let to = lingering
            .get(LINGERING_MAX)
            .map_or(end, |(_, live)| live.from);
        lingering.truncate(LINGERING_MAX);
        let lingering = lingering
            .into_iter()
            .map(|(id, live)| (*id, live.key.clone()))
            .collect();
        Some(MarkMove { to, lingering })
    }
}

/// How far the low-water mark moves.
struct MarkMove {
    to: u64,
    /// The operations that are still open and therefore need an entry.
    lingering: BTreeMap<OperationId, OperationKey>,
}

/// In an idle moment the last frame is proven, so that no damage to it can be taken for an interrupted write.
fn close_end(inner: &Inner, changes: &Changes) -> Result<(), LocalError> {
    // Whoever has it is not idle.
    let Ok(mut writer) = inner.writer.try_lock() else {
        return Ok(());
    };
    if inner.ensure_usable().is_err() || writer.head.sequence != changes.head.sequence {
        return Ok(());
    }
    // The next segment, which may just be in the making, proves it too.
    if !writer.log.has_room_to_close() {
        return Ok(());
    }
    writer.log.close_end().map_err(stopped)
}

struct EndOnDrop<'a>(&'a Inner);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
        self.0.memtable.end();
    }
}
