//! Reading while another thread appends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::frame::Frame;
use crate::header::{HEADER_BYTES, LogId, SegmentHeader};
use crate::positions::Positions;
use crate::problem::ReadProblem;
use crate::scan::Window;

/// Below this distance a frame is looked for from frame to frame, in bytes.
const NEAR_BYTES: u64 = 64 * 1024;

/// What the log and its readers share.
pub(crate) struct Shared<D> {
    disk: Arc<D>,
    state: Mutex<State>,
}

struct State {
    /// All segments, in order.
    segments: Vec<SegmentHeader>,
    /// Up to where the last one is durable.
    end: u64,
    positions: Positions,
}

impl<D> Shared<D> {
    pub(crate) const fn new(disk: Arc<D>, segments: Vec<SegmentHeader>, end: u64) -> Self {
        Self {
            disk,
            state: Mutex::new(State {
                segments,
                end,
                positions: Positions::new(),
            }),
        }
    }

    /// The frame that begins with an entry is durable, from one offset to another.
    pub(crate) fn is_durable(&self, first: u64, from: u64, to: u64) {
        let mut state = self.lock();
        state.end = to;
        if let Some(segment) = state.segments.last().map(|segment| segment.first) {
            state.positions.note(segment, first, from);
        }
    }

    fn note(&self, segment: &SegmentHeader, first: u64, offset: u64) {
        self.lock().positions.note(segment.first, first, offset);
    }

    pub(crate) fn begins(&self, segment: SegmentHeader, offset: u64) {
        let mut state = self.lock();
        // One that was too small for its first frame has given its name to this one.
        state.segments.retain(|other| other.first != segment.first);
        state.segments.push(segment);
        state.end = offset;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed by single assignments: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A segment with an entry.
struct Near {
    segment: SegmentHeader,
    /// Up to where it is durable, if it is the last one.
    end: Option<u64>,
    /// With what the next one begins.
    next: Option<u64>,
    /// Positions before the entry and behind it.
    known: (Option<u64>, Option<u64>),
}

/// Reads durable frames.
pub struct Reader<D: Disk> {
    shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<D: Disk> Reader<D> {
    pub(crate) const fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared }
    }

    /// The durable frames with entries from a sequence on, in order; no more once their bodies have so many bytes, but at
    /// least one if there is one.
    ///
    /// The first one is found by bisection between the known positions: a frame says its sequence, and a whole frame is found
    /// from any byte on.
    ///
    /// # Errors
    /// When a frame is damaged, or the disk refuses.
    pub fn frames(&self, from: u64, body_bytes: usize) -> Result<Vec<Frame>, ReadProblem> {
        let from = from.max(1);
        let (mut at, mut bytes) = (from, 0);
        let mut frames = Vec::new();
        while let Some(Near {
            segment,
            end,
            next,
            known,
        }) = self.segment_of(at)
        {
            let file = self.shared.disk.open(&segment.name())?;
            // Where a finished segment ends is not known, but zeros follow.
            let end = match end {
                Some(end) => end,
                None => file.size()?,
            };
            let mut window = Window::new(&file, end);
            let mut offset = self.near(&mut window, &segment, known, end, at)?;
            let mut noted = offset;
            while let Some(frame) = window.frame(&segment, offset)? {
                if offset - noted >= NEAR_BYTES {
                    self.shared.note(&segment, frame.first, offset);
                    noted = offset;
                }
                offset += frame.size() as u64;
                if frame.next() <= at {
                    continue;
                }
                if frame.first > at {
                    return Err(damaged(&segment, offset, at));
                }
                at = frame.next();
                if frame.entries > 0 {
                    bytes += frame.body.len();
                    frames.push(frame);
                }
                if bytes >= body_bytes && !frames.is_empty() {
                    return Ok(frames);
                }
            }
            match next {
                // The last segment: what follows is not durable yet.
                None if offset == end => return Ok(frames),
                Some(next) if next == at => {}
                None | Some(_) => return Err(damaged(&segment, offset, at)),
            }
        }
        Ok(frames)
    }

    /// The id of the log; `None` if it has no segment.
    pub fn log_id(&self) -> Option<LogId> {
        let state = self.shared.lock();
        state.segments.first().map(|segment| segment.log)
    }

    /// The segment with an entry, and what is known of where it is. All of it is of one moment: no position is behind the end.
    fn segment_of(&self, sequence: u64) -> Option<Near> {
        let state = self.shared.lock();
        let after = state
            .segments
            .partition_point(|segment| segment.first <= sequence);
        let segment = *state.segments.get(after.checked_sub(1)?)?;
        let next = state.segments.get(after).map(|segment| segment.first);
        Some(Near {
            segment,
            end: next.is_none().then_some(state.end),
            next,
            known: state.positions.around(segment.first, sequence),
        })
    }

    /// The beginning of a frame at or a little before an entry, between known positions.
    fn near<F: DiskFile>(
        &self,
        window: &mut Window<'_, F>,
        segment: &SegmentHeader,
        known: (Option<u64>, Option<u64>),
        end: u64,
        sequence: u64,
    ) -> Result<u64, ReadProblem> {
        let mut low = known.0.unwrap_or(HEADER_BYTES as u64);
        let mut high = known.1.unwrap_or(end);
        // A large frame has more bytes than that.
        if known.0.is_some()
            && let Some(frame) = window.frame(segment, low)?
            && frame.next() > sequence
        {
            return Ok(low);
        }
        while high - low > NEAR_BYTES {
            let middle = low + (high - low) / 2;
            match window.next_frame(segment, middle, high)? {
                Some((offset, frame)) => {
                    self.shared.note(segment, frame.first, offset);
                    if frame.first <= sequence {
                        low = offset;
                    } else {
                        // No frame begins between the middle and this one.
                        high = middle;
                    }
                }
                None => high = middle,
            }
        }
        Ok(low)
    }
}

fn damaged(segment: &SegmentHeader, offset: u64, sequence: u64) -> ReadProblem {
    ReadProblem::Damaged {
        segment: segment.name(),
        offset,
        sequence,
    }
}
