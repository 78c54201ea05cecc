//! The log: opening, appending, and the next segment.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, read_up_to};
use crate::frame::{BODY_BYTES_MAX, Frame, HEAD_BYTES};
use crate::header::{Digest, HEADER_BYTES, LogId, SegmentHeader};
use crate::problem::{Damage, OpenProblem, Stopped, io};
use crate::read::{Reader, Shared};
use crate::scan::End;
use crate::survey::{SPARE, Survey, firsts, survey};

/// Default size of the largest segments, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Size of the first segment, in bytes. Each one is twice as large as the one before, so that a small log takes little room.
const FIRST_BYTES: u64 = 1024 * 1024;

/// Smallest size of a segment, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 8 * 1024;

/// Bytes written at once when a segment is filled with zeros.
const ZEROS: usize = 1024 * 1024;

/// How a log is opened.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The size of the largest segments, in bytes; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// The last entry that is known to have been durable; 0 if none is.
    pub known: u64,
    /// The id of a log that is created.
    pub id: LogId,
}

/// A segment that was made ahead of time.
pub struct Spare<D: Disk> {
    file: D::File,
    size: u64,
}

/// An open log. One process at a time may open it: a lock on the directory is the caller's.
pub struct Log<D: Disk> {
    disk: Arc<D>,
    segment_bytes: u64,
    segment: SegmentHeader,
    file: Arc<D::File>,
    /// Where the next frame begins.
    offset: u64,
    /// Size of the segment.
    size: u64,
    next: u64,
    digest: Digest,
    /// Whether something behind the last frame with entries proves it.
    is_closed: bool,
    spare: Option<(D::File, u64)>,
    saves_space: bool,
    is_stopped: bool,
    shared: Arc<Shared<D>>,
}

impl<D: Disk> Log<D> {
    /// Opens the log in a directory, or creates one in an empty directory. What it holds then is durable.
    ///
    /// # Errors
    /// When the log is damaged, has lost durable entries, or has a newer format; when the directory has other files; when the
    /// disk refuses.
    ///
    /// # Panics
    /// When the size of segments is below [`SEGMENT_BYTES_MIN`]: a bug in the caller.
    pub fn open(disk: D, options: &LogOptions) -> Result<Self, OpenProblem> {
        assert!(
            options.segment_bytes >= SEGMENT_BYTES_MIN,
            "a segment has room for frames"
        );
        let disk = Arc::new(disk);
        let firsts = firsts(&*disk)?;
        // It may be half made.
        if disk
            .names()
            .map_err(io("listing the log"))?
            .iter()
            .any(|name| name == SPARE)
        {
            disk.remove(SPARE).map_err(io("removing a spare segment"))?;
        }
        let (found, known) = (0, options.known);
        match &firsts[..] {
            [] if known > 0 => Err(Damage::Lost { found, known }.into()),
            [] => Self::create(disk, options),
            [1, ..] => Self::resume(disk, options, &firsts),
            [found, ..] => Err(Damage::Beginning { found: *found }.into()),
        }
    }

    fn create(disk: Arc<D>, options: &LogOptions) -> Result<Self, OpenProblem> {
        let segment = SegmentHeader {
            log: options.id,
            first: 1,
            digest: [0; 32],
        };
        let (file, size) = make_spare(&*disk, options.segment_bytes.min(FIRST_BYTES))
            .map_err(io("making the first segment"))?;
        put_in_place(&*disk, &file, &segment).map_err(io("making the first segment"))?;
        let file = Arc::new(file);
        let shared = Shared::new(disk.clone(), vec![segment], HEADER_BYTES as u64);
        Ok(Self {
            disk,
            segment_bytes: options.segment_bytes,
            segment,
            file,
            offset: HEADER_BYTES as u64,
            size,
            next: 1,
            digest: [0; 32],
            is_closed: true,
            spare: None,
            saves_space: false,
            is_stopped: false,
            shared: Arc::new(shared),
        })
    }

    fn resume(disk: Arc<D>, options: &LogOptions, firsts: &[u64]) -> Result<Self, OpenProblem> {
        let Survey {
            segments,
            file,
            size,
            end,
        } = survey(&*disk, firsts, options.known)?;
        let segment = segments[segments.len() - 1];
        // After a kill, what was found may be in memory only. Nobody is told of it before it is durable. And after a sync that
        // failed, the operating system may take the last frame for written: so it is written once more.
        write_again(&file, &end).map_err(io("writing to the log"))?;
        file.sync().map_err(io("syncing the log"))?;
        disk.sync_names().map_err(io("syncing the log"))?;
        let shared = Shared::new(disk.clone(), segments, end.offset);
        Ok(Self {
            disk,
            segment_bytes: options.segment_bytes,
            segment,
            file: Arc::new(file),
            offset: end.offset,
            size,
            next: end.next,
            digest: end.digest,
            is_closed: end.is_closed,
            spare: None,
            saves_space: false,
            is_stopped: false,
            shared: Arc::new(shared),
        })
    }

    /// The sequence of the next entry.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The digest after the last entry.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Reads the log, also while it is appended to.
    pub fn reader(&self) -> Reader<D> {
        Reader::new(self.shared.clone())
    }

    /// Makes entries durable, and returns only then.
    ///
    /// # Errors
    /// When a write or a sync failed, now or before. Whether the entries are durable, only the next opening will know; until
    /// then the log accepts nothing.
    ///
    /// # Panics
    /// When the frame does not continue the log, has no entries, or has a body above [`BODY_BYTES_MAX`]: bugs in the caller.
    pub fn append(&mut self, frame: &Frame) -> Result<(), Stopped> {
        assert_eq!(frame.first, self.next, "a frame continues the log");
        assert!(frame.entries > 0, "a frame has entries");
        assert!(frame.body.len() <= BODY_BYTES_MAX, "a frame has a limit");
        self.put(frame)
    }

    /// Whether a frame goes into this segment; else the next one begins with it.
    pub fn has_room_for(&self, frame: &Frame) -> bool {
        self.size - self.offset >= frame.size() as u64
    }

    /// Whether the proof of the last frame goes into this segment.
    pub const fn has_room_to_close(&self) -> bool {
        self.size - self.offset >= HEAD_BYTES as u64
    }

    /// Proves the last frame: after this, damage to it cannot be taken for a torn end. Does nothing if it is proven.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn close_end(&mut self) -> Result<(), Stopped> {
        if self.is_stopped {
            return Err(Stopped::Earlier);
        }
        if self.is_closed {
            return Ok(());
        }
        let nothing = Frame {
            first: self.next,
            entries: 0,
            digest: self.digest,
            body: Vec::new(),
        };
        self.put(&nothing)
    }

    /// Whether it is time to make the next segment: half of this one is used, and there is none.
    pub const fn wants_spare(&self) -> bool {
        self.spare.is_none() && self.offset >= self.size / 2
    }

    /// What makes the next segment ahead of time, on another thread, so that no append waits for it; `None` while there is
    /// one, or before half of this segment is used. [`Self::keep`] takes it.
    pub fn spare_maker(&self) -> Option<impl FnOnce() -> io::Result<Spare<D>> + Send + use<D>> {
        if !self.wants_spare() {
            return None;
        }
        let (disk, size) = (self.disk.clone(), self.next_segment_bytes());
        Some(move || make_spare(&*disk, size).map(|(file, size)| Spare { file, size }))
    }

    /// Keeps the next segment for when it is needed. It is also the reserve on a full disk.
    pub fn keep(&mut self, spare: Spare<D>) {
        self.spare = Some((spare.file, spare.size));
    }

    /// Makes the next segment ahead of time, here and now.
    ///
    /// # Errors
    /// When the disk refuses, because it is full, say. The log goes on: nothing of it was touched.
    pub fn prepare(&mut self) -> io::Result<()> {
        if self.spare.is_none() {
            self.spare = Some(make_spare(&*self.disk, self.next_segment_bytes())?);
        }
        Ok(())
    }

    /// Whether the next segment is made.
    pub const fn is_prepared(&self) -> bool {
        self.spare.is_some()
    }

    /// How many bytes the next segment will take.
    pub fn next_segment_bytes(&self) -> u64 {
        if self.saves_space {
            return self.segment_bytes.min(FIRST_BYTES);
        }
        self.segment_bytes.min(self.size.saturating_mul(2))
    }

    /// Whether the next segment shall be as small as the first one, for little space is left.
    pub const fn save_space(&mut self, saves_space: bool) {
        self.saves_space = saves_space;
    }

    fn put(&mut self, frame: &Frame) -> Result<(), Stopped> {
        if self.is_stopped {
            return Err(Stopped::Earlier);
        }
        // Until all is done. What happens in between leaves the log stopped.
        self.is_stopped = true;
        if !self.has_room_for(frame) {
            self.next_segment(frame.size())
                .map_err(stopped("making the next segment"))?;
        }
        let bytes = frame.encode(&self.segment, self.offset);
        self.file
            .write_all_at(&bytes, self.offset)
            .map_err(stopped("writing to the log"))?;
        self.file.sync().map_err(stopped("syncing the log"))?;
        let here = self.offset;
        self.offset += bytes.len() as u64;
        self.next = frame.next();
        self.digest = frame.digest;
        self.is_closed = frame.entries == 0;
        self.shared.is_durable(frame.first, here, self.offset);
        self.is_stopped = false;
        Ok(())
    }

    /// Makes the next segment: a smaller one where the disk is almost full.
    fn make_next(&self, needed: u64) -> io::Result<(D::File, u64)> {
        let mut size = self.next_segment_bytes().max(needed);
        loop {
            match make_spare(&*self.disk, size) {
                Err(error) if is_full(&error) && size > needed.max(FIRST_BYTES) => {
                    size = (size / 2).max(needed).max(FIRST_BYTES);
                }
                made => return made,
            }
        }
    }

    /// Begins a segment with room for a frame of so many bytes.
    fn next_segment(&mut self, frame_bytes: usize) -> io::Result<()> {
        let needed = (HEADER_BYTES + frame_bytes) as u64;
        let (file, size) = match self.spare.take() {
            Some((file, size)) if size >= needed => (file, size),
            too_small => {
                if too_small.is_some() {
                    self.disk.remove(SPARE)?;
                }
                self.make_next(needed)?
            }
        };
        let segment = SegmentHeader {
            log: self.segment.log,
            first: self.next,
            digest: self.digest,
        };
        put_in_place(&*self.disk, &file, &segment)?;
        self.segment = segment;
        self.file = Arc::new(file);
        self.offset = HEADER_BYTES as u64;
        self.size = size;
        self.is_closed = true;
        self.shared.begins(segment, self.offset);
        Ok(())
    }
}

/// Writes the last frame as it is there.
fn write_again(file: &impl DiskFile, end: &End) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(end.offset - end.last).unwrap_or_default()];
    let filled = read_up_to(file, &mut bytes, end.last)?;
    if filled == 0 {
        return Ok(());
    }
    file.write_all_at(&bytes[..filled], end.last)
}

fn stopped(action: &'static str) -> impl FnOnce(io::Error) -> Stopped {
    move |source| Stopped::Now { action, source }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// A durable file full of zeros, under the name of the spare.
fn make_spare<D: Disk>(disk: &D, size: u64) -> io::Result<(D::File, u64)> {
    let file = disk.create(SPARE)?;
    // An append must change no size: then its sync writes nothing but the frame.
    let filled = zero(&file, 0, size).and_then(|()| file.sync());
    if let Err(error) = filled {
        // Gives the room back; if that fails too, the next opening does it.
        let _ = disk.remove(SPARE);
        return Err(error);
    }
    Ok((file, size))
}

/// Makes a spare the segment with this head.
fn put_in_place<D: Disk>(disk: &D, spare: &D::File, segment: &SegmentHeader) -> io::Result<()> {
    spare.write_all_at(&segment.encode(), 0)?;
    // A segment that has its name has its head.
    spare.sync()?;
    disk.rename(SPARE, &segment.name())?;
    disk.sync_names()
}

fn zero(file: &impl DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut offset = from;
    while offset < to {
        let left = usize::try_from(to - offset).unwrap_or(usize::MAX);
        file.write_all_at(&zeros[..left.min(ZEROS)], offset)?;
        offset += left.min(ZEROS) as u64;
    }
    Ok(())
}

// A frame without entries fits wherever one with entries would begin.
const _: () = assert!(HEADER_BYTES as u64 + HEAD_BYTES as u64 <= SEGMENT_BYTES_MIN);
