//! The database and the journal of a store, past everything that Holdfast does with them.

use std::path::Path;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Digest, Head};
use holdfast_segments::disk::Directory;
use holdfast_segments::frame::Frame;
use holdfast_segments::{Log, LogId, LogOptions, inspect};

use holdfast_local::format::SEGMENT_BYTES;

/// Tries before it is taken for locked for good.
const TRIES: u32 = 1_000_000;

/// The database of the store in a data directory.
///
/// # Panics
/// When it cannot be opened.
pub fn raw_database(data: &Path) -> sled::Db {
    open_raw(&data.join("store/index"))
}

fn open_raw(path: &Path) -> sled::Db {
    let config = sled::Config::new().path(path).segment_size(SEGMENT_BYTES);
    for _ in 0..TRIES {
        match config.open() {
            Ok(database) => return database,
            // The last owner's threads let go of the file a moment after it is dropped.
            Err(error) if error.to_string().contains("acquire lock") => std::thread::yield_now(),
            Err(error) => panic!("the database cannot be opened: {error}"),
        }
    }
    panic!("the database stays locked")
}

/// A chunk of a journal: the sequence of its first entry, its bytes, and the digest after its frame.
pub type RawChunk = (u64, Vec<u8>, Digest);

/// The chunks of the journal in a data directory.
///
/// # Panics
/// When it cannot be read.
pub fn raw_journal(data: &Path) -> Vec<RawChunk> {
    let segments = Directory::new(&data.join("store/journal"));
    let (reader, ..) = inspect(segments, 0).expect("a log");
    let frames = reader.frames(1, usize::MAX).expect("it can be read");
    let mut chunks = Vec::new();
    for frame in frames {
        let mut body = &frame.body[..];
        while let Some((head, rest)) = body.split_first_chunk::<12>() {
            let first = u64::from_le_bytes(head[..8].try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
            let (chunk, rest) = rest.split_at(length as usize);
            chunks.push((first, chunk.to_vec(), Digest::from_bytes(frame.digest)));
            body = rest;
        }
    }
    chunks
}

/// Gives a closed store the layout of an earlier format, with the journal in a tree of the database.
///
/// # Panics
/// When it cannot be written.
pub fn to_old_layout(data: &Path, format: u32) {
    let (store, old) = (data.join("store"), data.join("old"));
    {
        let database = raw_database(data);
        let journal = database.open_tree("journal").expect("a tree");
        for (first, chunk, _) in raw_journal(data) {
            journal.insert(first.to_be_bytes(), chunk).expect("a write");
        }
        let mark = format!("holdfast store format {format}");
        let meta = database.open_tree("meta").expect("a tree");
        // In these formats it was never behind.
        let head = codec::encode(ValueKind::Meta, b"chain_head", &end_of(data));
        meta.insert("chain_head", head.expect("a value"))
            .expect("a write");
        meta.insert("format", mark.as_bytes()).expect("a write");
        database.flush().expect("a flush");
    }
    std::fs::rename(store.join("index"), &old).expect("a rename");
    std::fs::remove_dir_all(&store).expect("a removal");
    std::fs::rename(old, store).expect("a rename");
}

/// The end of the journal in a data directory.
fn end_of(data: &Path) -> Head {
    let segments = Directory::new(&data.join("store/journal"));
    let (_, sequence, digest) = inspect(segments, 0).expect("a log");
    let digest = Digest::from_bytes(digest);
    Head { sequence, digest }
}

/// The database of a store of an earlier format.
///
/// # Panics
/// When it cannot be opened.
pub fn raw_old_database(data: &Path) -> sled::Db {
    open_raw(&data.join("store"))
}

/// Puts another journal in its place.
///
/// # Panics
/// When it cannot be written, or the chunks have gaps.
pub fn write_raw_journal(data: &Path, chunks: &[RawChunk]) {
    let directory = data.join("store/journal");
    std::fs::remove_dir_all(&directory).expect("a journal");
    std::fs::create_dir(&directory).expect("a directory");
    let options = LogOptions {
        segment_bytes: 1 << 20,
        known: 0,
        id: LogId([1; 16]),
    };
    let mut log = Log::open(Directory::new(&directory), &options).expect("a log");
    let ends = chunks.iter().skip(1).map(|(first, ..)| Some(*first));
    for ((first, bytes, digest), next) in chunks.iter().zip(ends.chain([None])) {
        let entries = holdfast_core::record::Chunk::decode(&first.to_be_bytes(), bytes);
        let entries = entries.expect("a chunk").entries.len() as u64;
        assert!(next.is_none_or(|next| next == first + entries), "no gaps");
        let mut body = first.to_le_bytes().to_vec();
        body.extend(
            u32::try_from(bytes.len())
                .expect("a chunk is small")
                .to_le_bytes(),
        );
        body.extend_from_slice(bytes);
        let frame = Frame {
            first: *first,
            entries: u32::try_from(entries).expect("a chunk is small"),
            digest: digest.to_bytes(),
            body,
        };
        log.append(&frame).expect("it can be written");
    }
}
