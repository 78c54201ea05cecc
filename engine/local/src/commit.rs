//! Commits a batch: each step is judged against what stands, and the entries of those that apply go to the journal in one frame
//! with one sync. The index follows behind.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use crate::changes::Changes;
use crate::disk_space::DiskSpace;
use crate::error::{LocalError, not_synced, stopped};
use crate::head_file::Note;
use crate::index::{Admitted, Newer, Standing};
use crate::inner::{Inner, Writer};
use crate::journal::FrameBuilder;
use crate::unfinished::Live;
use holdfast_core::Step;
use holdfast_engine::store::Verdict;
use tokio::time::Instant;

/// A frame takes no further steps when it has this many bytes.
const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// After a failure the next segment is not made ahead of time again for this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Inner {
    pub(crate) fn commit(&self, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_usable()?;
        self.check_place()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        while verdicts.len() < batch.len() {
            let part = self.commit_part(&mut writer, &batch[verdicts.len()..]);
            verdicts.extend(self.doubting(part).inspect_err(|_| self.poison())?);
        }
        Ok(verdicts)
    }

    /// Commits the first of these steps, at least one, and returns their verdicts.
    fn commit_part(&self, writer: &mut Writer, batch: &[Step]) -> Result<Vec<Verdict>, LocalError> {
        let banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = Newer {
            memtable: &self.memtable,
            balances: &writer.balances,
        };
        let mut standing =
            Standing::new(&self.trees, &self.journal, Some(newer), &banks, writer.head);
        let mut frame = FrameBuilder::after(writer.head);
        let mut verdicts = Vec::with_capacity(batch.len());
        for step in batch {
            if frame.bytes() >= FRAME_BYTES_MAX {
                break;
            }
            verdicts.push(standing.judge(step, &mut frame)?);
        }
        let (admitted, newest) = (std::mem::take(&mut standing.admitted), standing.newest);
        let changes = standing.into_changes(frame.head());
        drop(banks);
        let Some(frame) = frame.finish()? else {
            return Ok(verdicts);
        };
        if !writer.log.has_room_for(&frame) {
            writer.await_spare();
        }
        self.memtable.wait_for_room();
        // Durable from here on.
        writer.log.append(&frame).map_err(stopped)?;
        writer.prepare(&self.space);
        let note = Note {
            head: changes.head,
            at: newest,
            in_doubt: self.in_doubt.load(Ordering::SeqCst),
        };
        writer.head_file.note(note).map_err(not_synced)?;
        let noted = writer.head_file.noted().head.sequence;
        self.noted.store(noted, Ordering::SeqCst);
        writer.head = changes.head;
        self.newest_ms
            .fetch_max(newest.as_unix_ms(), Ordering::SeqCst);
        writer.balances.take(&changes);
        let head = changes.head.sequence;
        self.take(admitted, changes);
        self.appended.send_replace(head);
        Ok(verdicts)
    }

    /// Makes durable changes visible.
    fn take(&self, admitted: Vec<Admitted>, changes: Changes) {
        if !changes.banks.is_empty() {
            let mut banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
            banks.extend(changes.banks.iter().cloned());
        }
        // Held until the records can be found: who is listed as unfinished has a record, and the indexer moves its mark past no
        // operation that it does not see.
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        for Admitted { id, key, from } in admitted {
            live.insert(id, Live { key, from });
        }
        for id in &changes.finished {
            live.remove(id);
        }
        self.memtable.add(changes);
    }
}

impl Writer {
    /// Has the next segment made by another thread, in time.
    fn prepare(&mut self, space: &DiskSpace) {
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
        if !self.log.wants_spare() {
            return;
        }
        self.log.save_space(false);
        if !space.has_beside_the_reserve(self.log.next_segment_bytes()) {
            // The reserve is for the index too: from now on the journal takes little at a time.
            self.log.save_space(true);
            if !space.has_beside_the_reserve(self.log.next_segment_bytes()) {
                self.no_spare_before = Some(Instant::now() + TRY_AGAIN);
                return;
            }
        }
        let Some(make) = self.log.spare_maker() else {
            return;
        };
        let (hand_over, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new().name("holdfast-segment".to_owned());
        // Without a thread the append makes it.
        if thread.spawn(move || hand_over.send(make())).is_ok() {
            self.spare = Some(receiver);
        }
    }

    /// Takes the next segment, if one is being made: it has the name that another one would need.
    pub(crate) fn await_spare(&mut self) {
        if let Some(Ok(Ok(made))) = self.spare.take().map(|spare| spare.recv()) {
            self.log.keep(made);
        }
    }
}
