//! From frame to frame, and the rule for the end of a log.
//!
//! One frame is in flight at a time. So after a crash the last frame may be torn, and nothing valid can follow it. The first
//! place without a whole frame is therefore the end, unless a whole frame follows somewhere behind: then the place is
//! damaged.

use std::io;

use crate::disk::{DiskFile, read_up_to};
use crate::frame::{ALIGNMENT, BODY_BYTES_MAX, Frame, FrameHead, HEAD_BYTES};
use crate::header::{Digest, HEADER_BYTES, Head, SegmentHeader};

/// Bytes that are read at once.
const WINDOW_BYTES: usize = 64 * 1024;

/// A part of a file in memory, moved along with what is asked for.
pub(crate) struct Window<'a, F> {
    file: &'a F,
    /// Nothing behind this is looked at.
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, F: DiskFile> Window<'a, F> {
    pub(crate) const fn new(file: &'a F, end: u64) -> Self {
        Self {
            file,
            end,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// `length` bytes from an offset on, or fewer at the end.
    fn at(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        let held = |window: &Self| {
            let from = usize::try_from(offset.checked_sub(window.start)?).ok()?;
            (from + length <= window.bytes.len()).then_some(from)
        };
        let from = if let Some(from) = held(self) {
            from
        } else {
            self.bytes.resize(length.max(WINDOW_BYTES).min(left), 0);
            self.start = offset;
            let filled = read_up_to(self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(filled);
            0
        };
        Ok(&self.bytes[from..(from + length).min(self.bytes.len())])
    }

    /// The whole frame at an offset, if there is one.
    pub(crate) fn frame(
        &mut self,
        segment: &SegmentHeader,
        offset: u64,
    ) -> io::Result<Option<Frame>> {
        let Some(head) = FrameHead::decode(self.at(offset, HEAD_BYTES)?) else {
            return Ok(None);
        };
        let bytes = self.at(offset, head.size())?;
        Ok(head.frame(bytes, segment, offset))
    }

    /// The first whole frame that begins at an offset or behind it, and before `until`.
    pub(crate) fn next_frame(
        &mut self,
        segment: &SegmentHeader,
        offset: u64,
        until: u64,
    ) -> io::Result<Option<(u64, Frame)>> {
        let mut offset = offset.next_multiple_of(ALIGNMENT as u64);
        while offset < until {
            let head = FrameHead::decode(self.at(offset, HEAD_BYTES)?);
            // A segment has fewer entries than bytes: most of what only looks like a head is told by its sequence.
            let is_possible = head.is_some_and(|head| {
                head.first >= segment.first && head.first - segment.first <= self.end
            });
            if is_possible && let Some(frame) = self.frame(segment, offset)? {
                return Ok(Some((offset, frame)));
            }
            offset += ALIGNMENT as u64;
        }
        Ok(None)
    }

    /// Whether every byte from an offset on is zero.
    fn is_zero_from(&mut self, mut offset: u64) -> io::Result<bool> {
        while offset < self.end {
            let bytes = self.at(offset, WINDOW_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += bytes.len() as u64;
        }
        Ok(true)
    }
}

/// Where the frames of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Behind the last whole frame.
    pub offset: u64,
    /// Where the last whole frame begins; the same as `offset` without one.
    pub last: u64,
    /// The sequence of the next entry.
    pub next: u64,
    /// The digest after the last entry.
    pub digest: Digest,
    /// Whether the last frame has no entries, so that it proves the one before it. Also when there is no frame.
    pub is_closed: bool,
    /// Where a whole frame follows that does not continue the log: so the place between is damaged.
    pub follows: Option<u64>,
    /// The sequence with which the frame at the end begins, if it is whole and another one was expected.
    pub found: Option<u64>,
}

/// Goes from frame to frame up to the first place that does not continue the log.
pub(crate) fn end_of<F: DiskFile>(
    window: &mut Window<'_, F>,
    segment: &SegmentHeader,
    mut each: impl FnMut(u64, Frame),
) -> io::Result<End> {
    let mut end = End {
        offset: HEADER_BYTES as u64,
        last: HEADER_BYTES as u64,
        next: segment.first,
        digest: segment.digest,
        is_closed: true,
        follows: None,
        found: None,
    };
    while let Some(frame) = window.frame(segment, end.offset)? {
        if frame.first != end.next {
            end.found = Some(frame.first);
            return Ok(end);
        }
        let here = end.offset;
        end.last = here;
        end.offset += frame.size() as u64;
        end.next = frame.next();
        end.digest = frame.digest;
        end.is_closed = frame.entries == 0;
        each(here, frame);
    }
    if !window.is_zero_from(end.offset)? {
        let behind = end.offset + ALIGNMENT as u64;
        let following = window.next_frame(segment, behind, window.end)?;
        end.follows = following.map(|(offset, _)| offset);
    }
    Ok(end)
}

/// The bytes of a file in memory.
struct InMemory<'a>(&'a [u8]);

impl DiskFile for InMemory<'_> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The frames of a segment with their offsets, and where they end; `None` if these bytes are no segment.
///
/// It never panics and takes memory in proportion to the bytes, whatever they are.
pub fn frames_of(segment: &[u8]) -> Option<(Vec<(u64, Frame)>, End)> {
    let Head::Segment(header) = Head::decode(segment.get(..HEADER_BYTES)?) else {
        return None;
    };
    let file = InMemory(segment);
    let mut window = Window::new(&file, segment.len() as u64);
    let mut frames = Vec::new();
    let end = end_of(&mut window, &header, |offset, frame| {
        frames.push((offset, frame));
    });
    Some((frames, end.ok()?))
}

// A window must be able to hold the largest frame.
const _: () = assert!(BODY_BYTES_MAX < 1 << 30);
