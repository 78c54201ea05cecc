//! What a log in a directory is found to be.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile, read_up_to};
use crate::header::{Digest, HEADER_BYTES, Head, SegmentHeader, first_of, name};
use crate::problem::{Damage, OpenProblem, io};
use crate::read::{Reader, Shared};
use crate::scan::{End, Window, end_of};

/// The next segment while it is made: zero-filled, durable, and without a head.
pub(crate) const SPARE: &str = "spare";

/// Whether a directory has no segment of a log.
///
/// # Errors
/// When the directory has other files, or cannot be read.
pub fn is_empty(disk: &impl Disk) -> Result<bool, OpenProblem> {
    Ok(firsts(disk)?.is_empty())
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
pub(crate) struct Survey<F> {
    /// All segments, in order; never empty.
    pub(crate) segments: Vec<SegmentHeader>,
    /// The file of the last one, and its size.
    pub(crate) file: F,
    pub(crate) size: u64,
    pub(crate) end: End,
}

pub(crate) fn survey<D: Disk>(
    disk: &D,
    firsts: &[u64],
    known: u64,
) -> Result<Survey<D::File>, OpenProblem> {
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
pub(crate) fn firsts(disk: &impl Disk) -> Result<Vec<u64>, OpenProblem> {
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
