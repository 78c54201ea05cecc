//! The journal: chunks of entries in the frames of a log.
//!
//! A frame is a commit. Its body has the chunks one after the other: the sequence of the first entry (8 bytes) and the length of
//! the chunk (4 bytes), little-endian, and the chunk.

use holdfast_core::codec;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::record::{Chunk, LinkedEntry};
use holdfast_segments::disk::Directory;
use holdfast_segments::frame::Frame;
use holdfast_segments::{Log, Reader};

use crate::error::{LocalError, missing};
use crate::format::JOURNAL_CHUNK_BYTES_MAX;
use crate::values::decode_chunk;

pub(crate) type JournalLog = Log<Directory>;

/// Bytes of bodies that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes of bodies that are read at once where a few entries are looked for: what is behind them is of no use.
const BLOCK_BYTES: usize = 32 * 1024;

/// Bytes before each chunk.
const CHUNK_HEAD_BYTES: usize = 12;

/// Packs entries into chunks, and the chunks into a frame.
pub(crate) struct FrameBuilder {
    first: u64,
    head: Head,
    chunk: Chunk,
    chunk_first: u64,
    chunk_bytes: u64,
    body: Vec<u8>,
}

impl FrameBuilder {
    /// A frame that continues after `head`.
    pub(crate) fn after(head: Head) -> Self {
        Self {
            first: head.sequence + 1,
            head,
            chunk: empty(head.digest),
            chunk_first: head.sequence + 1,
            chunk_bytes: 0,
            body: Vec::new(),
        }
    }

    /// Adds an entry; returns its sequence.
    pub(crate) fn push(&mut self, linked: LinkedEntry) -> Result<u64, LocalError> {
        let body = codec::body(&linked.entry)?;
        let bytes = body.len() as u64;
        if !self.chunk.entries.is_empty() && self.chunk_bytes + bytes > JOURNAL_CHUNK_BYTES_MAX {
            self.end_chunk()?;
        }
        let sequence = self.head.sequence + 1;
        let digest = self.head.digest.after_body(sequence, &body);
        self.head = Head { sequence, digest };
        self.chunk.entries.push(linked);
        self.chunk_bytes += bytes;
        Ok(sequence)
    }

    /// The end of the journal with the entries so far.
    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    /// Bytes of the frame so far, without the last chunk.
    pub(crate) const fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Where the chunk begins that the next entry goes to, unless it is full.
    pub(crate) const fn chunk_first(&self) -> u64 {
        self.chunk_first
    }

    fn end_chunk(&mut self) -> Result<(), LocalError> {
        let bytes = self.chunk.encode(self.chunk_first)?;
        put_chunk(&mut self.body, self.chunk_first, &bytes);
        self.chunk = empty(self.head.digest);
        self.chunk_bytes = 0;
        self.chunk_first = self.head.sequence + 1;
        Ok(())
    }

    /// The frame; `None` without entries.
    pub(crate) fn finish(mut self) -> Result<Option<Frame>, LocalError> {
        if !self.chunk.entries.is_empty() {
            self.end_chunk()?;
        }
        Ok(frame(self.first, self.head, self.body))
    }
}

fn empty(previous: Digest) -> Chunk {
    Chunk {
        previous: Some(previous),
        entries: Vec::new(),
    }
}

/// Adds a chunk to the body of a frame.
pub(crate) fn put_chunk(body: &mut Vec<u8>, first: u64, chunk: &[u8]) {
    let length = u32::try_from(chunk.len()).expect("a chunk is far below 4 GiB");
    body.extend_from_slice(&first.to_le_bytes());
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(chunk);
}

/// A frame of the entries from `first` up to `head`; `None` if there are none.
pub(crate) fn frame(first: u64, head: Head, body: Vec<u8>) -> Option<Frame> {
    let entries = u32::try_from(head.sequence + 1 - first).expect("a frame has few entries");
    (entries > 0).then(|| Frame {
        first,
        entries,
        digest: head.digest.to_bytes(),
        body,
    })
}

/// The chunks of a frame; what cannot be told apart is left out.
fn chunks_of(mut body: &[u8]) -> Chunks {
    let mut chunks = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<CHUNK_HEAD_BYTES>() {
        let (first, length) = head.split_at(8);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
        let Some((chunk, rest)) = rest.split_at_checked(length) else {
            break;
        };
        chunks.push((number(first), chunk.to_vec()));
        body = rest;
    }
    chunks
}

/// The chunks of one commit, each with the sequence of its first entry.
pub(crate) type Chunks = Vec<(u64, Vec<u8>)>;

/// Reads the journal, also while it is written.
#[derive(Clone)]
pub(crate) struct Journal(Reader<Directory>);

impl Journal {
    pub(crate) const fn new(reader: Reader<Directory>) -> Self {
        Self(reader)
    }

    /// The id of the log, different for each log that is ever created.
    pub(crate) fn log_id(&self) -> [u8; 16] {
        self.0.log_id().map_or([0; 16], |id| id.0)
    }

    /// Whole frames from the one with an entry on. Ends after the first error.
    pub(crate) fn frames(&self, from: u64) -> impl Iterator<Item = Result<Chunks, LocalError>> {
        let reader = self.0.clone();
        let mut next = Some(from.max(1));
        let frames = std::iter::from_fn(move || {
            let frames = match reader.frames(next?, READ_BYTES) {
                Ok(frames) => frames,
                Err(error) => {
                    next = None;
                    return Some(vec![Err(unread(error))]);
                }
            };
            next = frames.last().map(Frame::next);
            let chunks = frames.iter().map(|frame| Ok(chunks_of(&frame.body)));
            let chunks: Vec<_> = chunks.collect();
            (!chunks.is_empty()).then_some(chunks)
        });
        frames.flatten()
    }

    /// The chunks from the one with an entry on, each with the sequence of its first entry. Ends after the first error.
    pub(crate) fn chunks(
        &self,
        from: u64,
    ) -> impl Iterator<Item = Result<(u64, Vec<u8>), LocalError>> {
        let chunks = self.frames(from).flat_map(|frame| match frame {
            Ok(chunks) => chunks.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        // A frame may begin with chunks before the one wanted.
        let mut chunks = chunks.peekable();
        let mut started = false;
        std::iter::from_fn(move || {
            while !started {
                let here = chunks.next()?;
                let next_first = match chunks.peek() {
                    Some(Ok((first, _))) => *first,
                    Some(Err(_)) | None => u64::MAX,
                };
                if here.is_err() || next_first > from {
                    started = true;
                    return Some(here);
                }
            }
            chunks.next()
        })
    }

    /// Whether the journal leads to this end of a frame.
    pub(crate) fn leads_to(&self, head: Head) -> Result<bool, LocalError> {
        if head.sequence == 0 {
            return Ok(head == Head::default());
        }
        let frames = self.0.frames(head.sequence, 1).map_err(unread)?;
        Ok(frames.first().is_some_and(|frame| {
            frame.next() == head.sequence + 1 && frame.digest == head.digest.to_bytes()
        }))
    }

    /// The chunks from the one with an entry to the one with another, and what else is in their frames.
    pub(crate) fn block(&self, from: u64, to: u64) -> Result<Block, LocalError> {
        let mut block = Block {
            chunks: Vec::new(),
            next: from.max(1),
        };
        let bytes = if from == to { 1 } else { BLOCK_BYTES };
        while block.next <= to {
            let frames = self.0.frames(block.next, bytes).map_err(unread)?;
            let Some(last) = frames.last() else {
                break;
            };
            block.next = last.next();
            let chunks = frames.iter().flat_map(|frame| chunks_of(&frame.body));
            block.chunks.extend(chunks);
        }
        Ok(block)
    }

    /// The chunk with an entry, and the sequence of its first one.
    pub(crate) fn chunk_with(&self, sequence: u64) -> Result<(u64, Chunk), LocalError> {
        let frames = self.0.frames(sequence, 1).map_err(unread)?;
        let block = frames.first().map(|frame| Block {
            chunks: chunks_of(&frame.body),
            next: frame.next(),
        });
        let block = block.ok_or_else(|| missing("journal", &sequence))?;
        let chunk = block.chunk_with(sequence);
        let (first, bytes) = chunk.ok_or_else(|| missing("journal", &sequence))?;
        let chunk = decode_chunk(&first.to_be_bytes(), bytes)?;
        Ok((first, chunk))
    }
}

/// Consecutive chunks.
pub(crate) struct Block {
    chunks: Chunks,
    /// The first sequence behind them.
    next: u64,
}

impl Block {
    /// Whether it has an entry.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let from = self.chunks.first().map(|(first, _)| *first);
        from.is_some_and(|first| first <= sequence) && sequence < self.next
    }

    /// The chunk with an entry, and the sequence of its first one.
    pub(crate) fn chunk_with(&self, sequence: u64) -> Option<(u64, &[u8])> {
        let behind = self.chunks.partition_point(|(first, _)| *first <= sequence);
        let (first, bytes) = self.chunks.get(behind.checked_sub(1)?)?;
        (sequence < self.next).then_some((*first, bytes))
    }
}

fn unread(error: holdfast_segments::ReadProblem) -> LocalError {
    LocalError::Read {
        tree: "journal",
        source: Box::new(error),
    }
}
