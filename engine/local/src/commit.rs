//! Commits a batch: each step is judged against what stands, the entries of those that apply go to the journal in one frame
//! with one sync, and then the index follows.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use crate::error::{LocalError, not_synced, stopped};
use crate::head_file::Note;
use crate::index::{self, MarkMove, Standing};
use crate::inner::{Inner, Writer};
use crate::journal::FrameBuilder;
use crate::unfinished::Live;
use holdfast_core::{OperationId, Step};
use holdfast_engine::store::Verdict;
use tokio::time::Instant;

/// The mark moves after this many entries.
const LOW_WATER_STRIDE: u64 = 4096;

/// A frame takes no further steps when it has this many bytes.
const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// After a failure the next segment is not made ahead of time again for this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Most index entries written when the mark moves. If there are more, the mark moves less far, and again with the next
/// frame.
const LINGERING_MAX: usize = 128;

impl Inner {
    pub(crate) fn commit(&self, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        self.check_place()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        while verdicts.len() < batch.len() {
            let part = self.commit_part(&mut writer, &batch[verdicts.len()..]);
            verdicts.extend(part.inspect_err(|_| self.poison())?);
        }
        Ok(verdicts)
    }

    /// Commits the first of these steps, at least one, and returns their verdicts.
    fn commit_part(&self, writer: &mut Writer, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let banks = self
            .banks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut standing = Standing::new(&self.trees, &banks, writer.head);
        let mut frame = FrameBuilder::after(writer.head);
        let mut verdicts = Vec::with_capacity(batch.len());
        for step in batch {
            if frame.bytes() >= FRAME_BYTES_MAX {
                break;
            }
            verdicts.push(standing.judge(step, &mut frame)?);
        }
        let changes = standing.into_changes(frame.head());
        let Some(frame) = frame.finish()? else {
            return Ok(verdicts);
        };
        if !writer.log.has_room_for(&frame) {
            writer.await_spare();
        }
        // Durable from here on.
        writer.log.append(&frame).map_err(stopped)?;
        writer.prepare();
        let first_sequence = writer.head.sequence + 1;
        let mark = self.mark_move(first_sequence, writer.low_water);
        let noted = writer.head_file.noted().head.sequence;
        let reached = (noted > writer.reached).then_some(noted);
        index::write(
            &self.trees,
            &banks,
            &changes,
            mark.as_ref(),
            reached,
            |id| {
                let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
                live.get(&id).is_some_and(|live| live.indexed)
            },
        )?;
        let note = Note {
            head: changes.head,
            at: changes.newest,
            in_doubt: self.in_doubt.load(Ordering::SeqCst),
        };
        writer.head_file.note(note).map_err(not_synced)?;

        writer.head = changes.head;
        writer.reached = reached.unwrap_or(writer.reached);
        self.newest_ms
            .fetch_max(changes.newest.as_unix_ms(), Ordering::SeqCst);
        if !changes.banks.is_empty() {
            let mut banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
            banks.extend(changes.banks);
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = mark {
            writer.low_water = mark.to;
            for id in mark.lingering.keys() {
                if let Some(live) = live.get_mut(id) {
                    live.indexed = true;
                }
            }
        }
        for (id, key, from) in changes.admitted {
            let indexed = false;
            live.insert(id, Live { key, from, indexed });
        }
        for id in &changes.finished {
            live.remove(id);
        }
        drop(live);
        self.appended.send_replace(changes.head.sequence);
        Ok(verdicts)
    }

    fn mark_move(&self, first_sequence: u64, low_water: u64) -> Option<MarkMove> {
        if first_sequence - low_water < LOW_WATER_STRIDE {
            return None;
        }
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lingering: Vec<_> = live.iter().filter(|(_, live)| !live.indexed).collect();
        lingering.sort_by_key(|(_, live)| live.from);
        let to = lingering
            .get(LINGERING_MAX)
            .map_or(first_sequence, |(_, live)| live.from);
        lingering.truncate(LINGERING_MAX);
        let lingering: BTreeMap<OperationId, _> = lingering
            .into_iter()
            .map(|(id, live)| (*id, live.key.clone()))
            .collect();
        Some(MarkMove { to, lingering })
    }
}

impl Writer {
    /// Has the next segment made by another thread, in time.
    fn prepare(&mut self) {
        if let Some(spare) = &self.spare {
            match spare.try_recv() {
                Ok(Ok(made)) => self.log.keep(made),
                // The disk is full, say: the append that needs it will try once more.
                Ok(Err(error)) => {
                    self.no_spare_before = Some(Instant::now() + TRY_AGAIN);
                    tracing::warn!(%error, "cannot make the next segment of the journal ahead of time");
                }
                Err(mpsc::TryRecvError::Empty) => return,
                Err(mpsc::TryRecvError::Disconnected) => {}
            }
            self.spare = None;
            return;
        }
        if self
            .no_spare_before
            .is_some_and(|moment| Instant::now() < moment)
        {
            return;
        }
        let Some(make) = self.log.spare_maker() else {
            return;
        };
        let (hand_over, spare) = mpsc::channel();
        let thread = std::thread::Builder::new().name("holdfast-segment".to_owned());
        // Without a thread the append makes it.
        if thread.spawn(move || hand_over.send(make())).is_ok() {
            self.spare = Some(spare);
        }
    }

    /// Takes the next segment, if one is being made: it has the name that another one would need.
    pub(crate) fn await_spare(&mut self) {
        if let Some(Ok(Ok(made))) = self.spare.take().map(|spare| spare.recv()) {
            self.log.keep(made);
        }
    }
}
