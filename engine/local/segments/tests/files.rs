//! The log in real files: golden bytes, reading while appending, and what a directory may not hold.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs;
use std::path::Path;

use holdfast_segments::disk::Directory;
use holdfast_segments::frame::{BODY_BYTES_MAX, Frame};
use holdfast_segments::{Log, LogId, LogOptions, OpenProblem, SEGMENT_BYTES_MIN, frames_of};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: SEGMENT_BYTES_MIN,
    known: 0,
    id: LogId(*b"golden log id 01"),
};

fn open(directory: &Path) -> Log<Directory> {
    Log::open(Directory::new(directory), &OPTIONS).unwrap()
}

fn frame(first: u64, entries: u32, body: &[u8]) -> Frame {
    Frame {
        first,
        entries,
        digest: [u8::try_from(first % 256).unwrap(); 32],
        body: body.to_vec(),
    }
}

/// The bytes of version 1 never change: a log of it must be readable for as long as there are any.
#[test]
fn a_segment_has_the_golden_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    log.append(&frame(1, 2, b"two entries")).unwrap();
    log.append(&frame(3, 1, b"one")).unwrap();
    log.close_end().unwrap();
    drop(log);
    let name = "00000000000000000001.segment";
    let written = fs::read(directory.path().join(name)).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.segment");
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() {
        fs::write(&golden, &written).unwrap();
    }
    let golden = fs::read(golden).unwrap();
    assert!(written == golden, "the bytes of a segment have changed");

    let (frames, end) = frames_of(&golden).unwrap();
    let offsets: Vec<_> = frames.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [4096, 4168, 4232]);
    assert_eq!(frames[0].1, frame(1, 2, b"two entries"));
    assert_eq!(frames[1].1, frame(3, 1, b"one"));
    assert_eq!((frames[2].1.first, frames[2].1.entries), (4, 0));
    assert_eq!((end.offset, end.next, end.is_closed), (4288, 4, true));
    assert!(end.follows.is_none() && end.found.is_none());
}

#[test]
fn every_entry_is_found_from_any_sequence_on_while_others_are_appended() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions {
        segment_bytes: 2 * 1024 * 1024,
        ..OPTIONS
    };
    let mut log = Log::open(Directory::new(directory.path()), &options).unwrap();
    let reader = log.reader();
    let appender = std::thread::spawn(move || {
        for number in 0..3_000_u32 {
            let body = vec![7; 200 + usize::try_from(number % 3_000).unwrap()];
            let next = log.next();
            log.append(&frame(next, 1 + number % 5, &body)).unwrap();
            if number % 100 == 0 {
                log.close_end().unwrap();
                log.prepare().unwrap();
            }
        }
        log
    });
    // A reader that follows.
    let mut seen = 1;
    while !appender.is_finished() {
        for frame in reader.frames(seen, 10_000).unwrap() {
            assert_eq!(frame.first, seen);
            seen = frame.next();
        }
    }
    let log = appender.join().unwrap();
    assert!(
        fs::read_dir(directory.path()).unwrap().count() > 2,
        "there are several segments"
    );
    let all = reader.frames(1, usize::MAX).unwrap();
    assert_eq!(all.len(), 3_000);
    assert_eq!(all.last().unwrap().next(), log.next());
    for number in (0..all.len()).step_by(37) {
        let wanted = &all[number];
        for sequence in [wanted.first, wanted.next() - 1] {
            let found = reader.frames(sequence, 1).unwrap();
            assert!(found.len() == 1 && found[0] == *wanted, "{sequence}");
        }
    }
    assert!(reader.frames(log.next(), 1).unwrap().is_empty());
    assert!(reader.frames(u64::MAX, 1).unwrap().is_empty());
    // Another opening finds the same.
    drop((log, reader));
    let log = Log::open(Directory::new(directory.path()), &options).unwrap();
    assert!(log.reader().frames(0, usize::MAX).unwrap() == all);
}

#[test]
fn the_largest_frame_gets_a_segment_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    log.prepare().unwrap();
    let large = frame(1, 1, &vec![3; BODY_BYTES_MAX]);
    log.append(&large).unwrap();
    log.append(&frame(2, 1, b"small")).unwrap();
    drop(log);
    let found = open(directory.path())
        .reader()
        .frames(1, usize::MAX)
        .unwrap();
    assert!(found[0] == large && found.len() == 2);
}

/// Where little space is left, segments are small, and later they grow again.
#[test]
fn the_next_segment_is_small_while_space_is_saved() {
    const MIB: u64 = 1024 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions {
        segment_bytes: 64 * MIB,
        ..OPTIONS
    };
    let mut log = Log::open(Directory::new(directory.path()), &options).unwrap();
    let mut sizes = Vec::new();
    for first in 1..=30 {
        log.save_space((10..=20).contains(&first));
        let next_bytes = log.next_segment_bytes();
        let before = fs::read_dir(directory.path()).unwrap().count();
        log.append(&frame(first, 1, &vec![3; 700 * 1024])).unwrap();
        if fs::read_dir(directory.path()).unwrap().count() > before {
            let segment = directory.path().join(format!("{first:020}.segment"));
            assert_eq!(fs::metadata(segment).unwrap().len(), next_bytes);
            sizes.push(next_bytes / MIB);
        }
    }
    assert_eq!(sizes, [2, 4, 8, 1, 2, 4, 8]);
}

#[test]
fn what_is_no_segment_is_refused_and_a_spare_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("spare"), b"half made").unwrap();
    let mut log = open(directory.path());
    log.append(&frame(1, 1, b"one")).unwrap();
    log.prepare().unwrap();
    assert!(log.is_prepared());
    drop(log);
    let log = open(directory.path());
    assert!(!log.is_prepared(), "a spare may be half made");
    assert!(!directory.path().join("spare").exists());
    drop(log);

    let segment = directory.path().join("00000000000000000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[7] = b'9';
    fs::write(&segment, &bytes).unwrap();
    let refused = Log::open(Directory::new(directory.path()), &OPTIONS)
        .err()
        .unwrap();
    assert!(matches!(refused, OpenProblem::Newer { .. }), "{refused}");
}
