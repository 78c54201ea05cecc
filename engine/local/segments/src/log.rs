//! The log: opening, appending, and the next segment.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, read_up_to};
use crate::frame::{BODY_BYTES_MAX, Frame, HEAD_BYTES};
use crate::header::{Digest, HEADER_BYTES, Head, LogId, SegmentHeader, first_of, name};
use crate::problem::{Damage, OpenProblem, Stopped, io};
use crate::read::{Reader, Shared};
use crate::scan::{End, Window, end_of};

/// Default size of a segment, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Smallest size of a segment, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 8 * 1024;

/// The next segment while it is made: zero-filled, durable, and without a head.
const SPARE: &str = "spare";

/// Bytes written at once when a segment is filled with zeros.
const ZEROS: usize = 1024 * 1024;

/// How a log is opened.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The size of new segments, in bytes; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// The last entry that is known to have been durable; 0 if none is.
    pub known: u64,
    /// The id of a log that is created.
    pub id: LogId,
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
        let (file, size) =
            make_spare(&*disk, options.segment_bytes).map_err(io("making the first segment"))?;
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
        // After a kill, what was found may be in memory only. Nobody is told of it before it is durable.
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

    /// Makes the next segment ahead of time, so that no append waits for it. It is also the reserve on a full disk.
    ///
    /// # Errors
    /// When the disk refuses, because it is full, say. The log goes on: nothing of it was touched.
    pub fn prepare(&mut self) -> io::Result<()> {
        if self.spare.is_none() {
            self.spare = Some(make_spare(&*self.disk, self.segment_bytes)?);
        }
        Ok(())
    }

    /// Whether the next segment is made.
    pub const fn is_prepared(&self) -> bool {
        self.spare.is_some()
    }

    fn put(&mut self, frame: &Frame) -> Result<(), Stopped> {
        if self.is_stopped {
            return Err(Stopped::Earlier);
        }
        // Until all is done. What happens in between leaves the log stopped.
        self.is_stopped = true;
        if self.size - self.offset < frame.size() as u64 {
            self.next_segment(frame.size())
                .map_err(stopped("making the next segment"))?;
        }
        let bytes = frame.encode(&self.segment, self.offset);
        self.file
            .write_all_at(&bytes, self.offset)
            .map_err(stopped("writing to the log"))?;
        self.file.sync().map_err(stopped("syncing the log"))?;
        self.offset += bytes.len() as u64;
        self.next = frame.next();
        self.digest = frame.digest;
        self.is_closed = frame.entries == 0;
        self.shared.durable_up_to(self.offset);
        self.is_stopped = false;
        Ok(())
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
                make_spare(&*self.disk, self.segment_bytes.max(needed))?
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

fn stopped(action: &'static str) -> impl FnOnce(io::Error) -> Stopped {
    move |source| Stopped::Now { action, source }
}

/// Looks at the log of a directory without changing anything: a reader, and the sequence and digest of its end. Nobody may
/// have it open for writing meanwhile.
///
/// # Errors
/// As [`Log::open`].
pub fn inspect<D: Disk>(disk: D, known: u64) -> Result<(Reader<D>, u64, Digest), OpenProblem> {
    let firsts = firsts(&disk)?;
    match &firsts[..] {
        [] if known > 0 => Err(Damage::Lost { found: 0, known }.into()),
        [] => Ok((
            Reader::new(Arc::new(Shared::new(Arc::new(disk), Vec::new(), 0))),
            0,
            [0; 32],
        )),
        [1, ..] => {
            let Survey { segments, end, .. } = survey(&disk, &firsts, known)?;
            let shared = Shared::new(Arc::new(disk), segments, end.offset);
            Ok((Reader::new(Arc::new(shared)), end.next - 1, end.digest))
        }
        [found, ..] => Err(Damage::Beginning { found: *found }.into()),
    }
}

/// What a log is found to be.
struct Survey<F> {
    /// All segments, in order; never empty.
    segments: Vec<SegmentHeader>,
    /// The file of the last one, and its size.
    file: F,
    size: u64,
    end: End,
}

fn survey<D: Disk>(disk: &D, firsts: &[u64], known: u64) -> Result<Survey<D::File>, OpenProblem> {
    let mut segments: Vec<SegmentHeader> = Vec::with_capacity(firsts.len());
    let mut last = None;
    for first in firsts {
        let (file, header) = head_of(disk, *first)?;
        if segments
            .first()
            .is_some_and(|other| other.log != header.log)
        {
            let segment = header.name();
            return Err(Damage::Stranger { segment }.into());
        }
        segments.push(header);
        last = Some((file, header));
    }
    let (file, segment) = last.expect("there is a segment");
    let size = file.size().map_err(io("reading the log"))?;
    let mut window = Window::new(&file, size);
    let end = end_of(&mut window, &segment, |_, _| {}).map_err(io("reading the log"))?;
    let (segment, offset, sequence) = (segment.name(), end.offset, end.next);
    if let Some(found) = end.found {
        return Err(Damage::Gap {
            segment,
            offset,
            sequence,
            found,
        }
        .into());
    }
    if let Some(follows) = end.follows {
        return Err(Damage::Frame {
            segment,
            offset,
            sequence,
            follows,
        }
        .into());
    }
    let found = end.next - 1;
    if found < known {
        return Err(Damage::Lost { found, known }.into());
    }
    Ok(Survey {
        segments,
        file,
        size,
        end,
    })
}

/// The first sequences of the segments, in order.
fn firsts(disk: &impl Disk) -> Result<Vec<u64>, OpenProblem> {
    let mut firsts = Vec::new();
    for name in disk.names().map_err(io("listing the log"))? {
        if name == SPARE {
            continue;
        }
        let first = first_of(&name).ok_or(OpenProblem::Foreign { name })?;
        firsts.push(first);
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn head_of<D: Disk>(disk: &D, first: u64) -> Result<(D::File, SegmentHeader), OpenProblem> {
    let segment = name(first);
    let file = disk.open(&segment).map_err(io("opening a segment"))?;
    let mut bytes = vec![0; HEADER_BYTES];
    let filled = read_up_to(&file, &mut bytes, 0).map_err(io("reading a segment"))?;
    match Head::decode(&bytes[..filled]) {
        Head::Segment(header) if header.first == first => Ok((file, header)),
        Head::Newer => Err(OpenProblem::Newer { segment }),
        Head::Segment(_) | Head::Damaged => Err(Damage::Head { segment }.into()),
    }
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
