//! The recovery of a log, at every point: 200 random histories, the power cut before every operation on the disk, and the
//! disk as it may be after that, torn in sectors.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod disk;

use holdfast_segments::disk::Disk;
use holdfast_segments::frame::Frame;
use holdfast_segments::{Damage, Log, LogId, LogOptions, OpenProblem, SEGMENT_BYTES_MIN};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use disk::SimulatedDisk;

const HISTORIES: u64 = 200;
const STEPS: usize = 6;

fn options(known: u64) -> LogOptions {
    LogOptions {
        segment_bytes: SEGMENT_BYTES_MIN,
        known,
        id: LogId([1; 16]),
    }
}

/// What a history does to a log.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Entries with so many bytes in all.
    Append(usize),
    Close,
    Prepare,
}

fn history(seed: u64) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let step = |random: &mut StdRng| match random.random_range(0..10) {
        0..6 => Step::Append(random.random_range(1..700)),
        6 => Step::Append(random.random_range(2_000..6_000)),
        7 | 8 => Step::Close,
        _ => Step::Prepare,
    };
    (0..STEPS).map(|_| step(&mut random)).collect()
}

/// The frame that continues a log.
fn frame(first: u64, bytes: usize) -> Frame {
    let fill = u8::try_from(first % 251).unwrap() + 1;
    Frame {
        first,
        entries: 1 + u32::from(fill % 3),
        digest: [fill; 32],
        body: vec![fill; bytes],
    }
}

/// What the disk must still have, whatever happens.
#[derive(Debug, Clone, Default)]
struct Promised {
    frames: Vec<Frame>,
    /// What was begun and not acknowledged: it may be there.
    begun: Option<Frame>,
}

impl Promised {
    fn last(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.next() - 1)
    }
}

/// Does the steps until the disk fails; says whether it did.
fn go(log: &mut Log<SimulatedDisk>, steps: &[Step], promised: &mut Promised) -> bool {
    for step in steps {
        let done = match step {
            Step::Append(bytes) => {
                let frame = frame(log.next(), *bytes);
                promised.begun = Some(frame.clone());
                let done = log.append(&frame).is_ok();
                if done {
                    promised.begun = None;
                    promised.frames.push(frame);
                }
                done
            }
            Step::Close => log.close_end().is_ok(),
            Step::Prepare => log.prepare().is_ok(),
        };
        if !done {
            return false;
        }
    }
    true
}

/// A history on one disk after the other, each cut off one operation later, with what was promised until then.
fn cut_at_each_operation(seed: u64) -> impl Iterator<Item = (SimulatedDisk, Promised)> {
    let steps = history(seed);
    let whole = SimulatedDisk::new();
    let mut log = Log::open(whole.clone(), &options(0)).unwrap();
    assert!(go(&mut log, &steps, &mut Promised::default()));
    (0..whole.operations()).map(move |cut| {
        let disk = SimulatedDisk::new();
        disk.cut_at(cut);
        let mut promised = Promised::default();
        if let Ok(mut log) = Log::open(disk.clone(), &options(0)) {
            assert!(!go(&mut log, &steps, &mut promised), "the power was cut");
        }
        (disk, promised)
    })
}

/// Opens the log and holds it against what was promised. What it has then is promised from now on.
fn recover(disk: SimulatedDisk, promised: &Promised) -> (Log<SimulatedDisk>, Promised) {
    let log = Log::open(disk, &options(promised.last())).unwrap();
    let found = log.reader().frames(1, usize::MAX).unwrap();
    let kept = promised.frames.len();
    assert!(
        found.starts_with(&promised.frames),
        "what was acknowledged is there"
    );
    assert!(
        found.len() == kept
            || found.get(kept..) == promised.begun.as_ref().map(std::slice::from_ref),
        "nothing else is"
    );
    assert_eq!(log.next(), found.last().map_or(1, Frame::next));
    assert_eq!(
        log.digest(),
        found.last().map_or([0; 32], |frame| frame.digest)
    );
    let promised = Promised {
        frames: found,
        begun: None,
    };
    (log, promised)
}

#[test]
fn what_was_acknowledged_is_there_whenever_the_power_is_cut() {
    let mut torn = 0;
    for seed in 0..HISTORIES {
        for (disk, promised) in cut_at_each_operation(seed) {
            for after in disk.without_power(seed) {
                let (mut log, found) = recover(after.clone(), &promised);
                torn += usize::from(
                    found.frames.len() == promised.frames.len() && promised.begun.is_some(),
                );
                // Life goes on: two more frames, and the power is cut once more, now or after them.
                for after in after.without_power(seed) {
                    recover(after, &found);
                }
                let mut promised = found;
                assert!(go(
                    &mut log,
                    &[Step::Append(40), Step::Append(900)],
                    &mut promised
                ));
                drop(log);
                for after in after.without_power(seed) {
                    recover(after, &promised);
                }
            }
        }
    }
    assert!(torn > 1_000, "{torn} torn ends were recovered");
}

#[test]
fn after_a_kill_nothing_is_shown_before_it_is_durable() {
    for seed in 0..HISTORIES {
        for (disk, promised) in cut_at_each_operation(seed) {
            let killed = disk.killed();
            let (mut log, mut shown) = recover(killed.clone(), &promised);
            for after in killed.without_power(seed) {
                recover(after, &shown);
            }
            // Nor is anything built on what is not durable.
            assert!(go(&mut log, &[Step::Append(40)], &mut shown));
            for after in killed.without_power(seed) {
                recover(after, &shown);
            }
        }
    }
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_accepted() {
    for seed in 0..HISTORIES {
        let steps = history(seed);
        let whole = SimulatedDisk::new();
        let mut log = Log::open(whole.clone(), &options(0)).unwrap();
        let opened = whole.operations();
        assert!(go(&mut log, &steps, &mut Promised::default()));
        for fails in 0..whole.operations() - opened {
            let disk = SimulatedDisk::new();
            let mut log = Log::open(disk.clone(), &options(0)).unwrap();
            disk.fail_at(fails);
            let mut promised = Promised::default();
            let done = go(&mut log, &steps, &mut promised);
            if promised.begun.is_some() {
                assert!(!done);
                let more = frame(log.next(), 10);
                let refused = log.append(&more).unwrap_err();
                assert!(matches!(refused, holdfast_segments::Stopped::Earlier));
                assert!(log.close_end().is_err());
                for after in disk.without_power(seed) {
                    recover(after, &promised);
                }
            } else if !done {
                // The next segment could not be made, or the end not be proven; the former harms nothing.
                let more = frame(log.next(), 10);
                if log.append(&more).is_ok() {
                    promised.frames.push(more);
                }
            }
            // What is found and shown then stays: also what the failed sync had in memory only.
            let killed = disk.killed();
            let (_, shown) = recover(killed.clone(), &promised);
            for after in killed.without_power(seed) {
                recover(after, &shown);
            }
        }
    }
}

/// Bytes of the frame that is the last one: one without entries, which proves the one before it, or the one with 300 bytes.
const fn last_bytes(is_closed: bool) -> usize {
    if is_closed { 56 } else { 56 + 300 }
}

#[test]
fn damage_to_what_was_acknowledged_is_told_from_a_torn_end() {
    let (mut told, mut torn) = (0, 0);
    for seed in 0..HISTORIES {
        let disk = SimulatedDisk::new();
        let mut log = Log::open(disk.clone(), &options(0)).unwrap();
        let mut promised = Promised::default();
        let steps = [Step::Append(100), Step::Append(300)];
        let steps = [&history(seed)[..], &steps].concat();
        assert!(go(&mut log, &steps, &mut promised));
        let is_closed = seed % 2 == 0;
        if is_closed {
            log.close_end().unwrap();
        }
        drop(log);
        let mut random = StdRng::seed_from_u64(seed);
        for name in disk.names().unwrap() {
            let content = disk.content(&name);
            // A spare has nothing to be damaged.
            let Some(last) = content.iter().rposition(|byte| *byte != 0) else {
                continue;
            };
            let used = last + 1;
            for _ in 0..40 {
                let at = random.random_range(0..used);
                let length = random.random_range(1..600).min(used - at);
                let read = |known: u64| {
                    let damaged = disk.killed();
                    damaged.damage(&name, at, length);
                    match Log::open(damaged, &options(known)) {
                        Err(OpenProblem::Damaged(_) | OpenProblem::Newer { .. }) => None,
                        Err(other) => panic!("{other}"),
                        // In a segment that is not the last one, a read finds it.
                        Ok(log) => log.reader().frames(1, usize::MAX).ok(),
                    }
                };
                let place = format!("{name}, {length} bytes at {at} of {used}");
                match read(0) {
                    None => told += 1,
                    // Only a proof was hit.
                    Some(found) if found == promised.frames => {}
                    Some(found) => {
                        // Nothing whole followed: the damage went up to the last frame.
                        assert!(promised.frames.starts_with(&found), "{place}");
                        let follows = at + length <= used - last_bytes(is_closed);
                        assert!(!follows, "{place}: taken for the end");
                        torn += 1;
                    }
                }
                // Who knows what was durable is never deceived.
                let found = read(promised.last());
                assert!(
                    found.is_none_or(|found| found == promised.frames),
                    "{place}"
                );
            }
        }
    }
    assert!(told > 1_000 && torn > 100, "{told} told, {torn} torn ends");
}

#[test]
fn missing_and_foreign_segments_are_told() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), &options(0)).unwrap();
    let mut promised = Promised::default();
    assert!(go(&mut log, &[Step::Append(3_000); 4], &mut promised));
    drop(log);
    let names: Vec<_> = disk.names().unwrap();
    assert!(names.len() > 2, "{names:?}");
    let problem = |change: &dyn Fn(&SimulatedDisk)| {
        let disk = disk.killed();
        change(&disk);
        match Log::open(disk, &options(0)) {
            Err(OpenProblem::Damaged(damage)) => Some(damage),
            Err(other) => panic!("{other}"),
            Ok(log) => {
                log.reader().frames(1, usize::MAX).unwrap_err();
                None
            }
        }
    };
    let first = problem(&|disk| disk.remove(&names[0]).unwrap());
    assert!(matches!(first, Some(Damage::Beginning { .. })), "{first:?}");
    // One in the middle is missed by who reads across.
    assert_eq!(problem(&|disk| disk.remove(&names[1]).unwrap()), None);
    let renamed = problem(&|disk| {
        disk.rename(&names[1], "00000000000000000099.segment")
            .unwrap();
    });
    assert!(matches!(renamed, Some(Damage::Head { .. })), "{renamed:?}");

    let foreign = disk.killed();
    foreign.create("notes.txt").unwrap();
    let refused = Log::open(foreign, &options(0)).err().unwrap();
    assert!(matches!(refused, OpenProblem::Foreign { .. }), "{refused}");
    let gone = Log::open(SimulatedDisk::new(), &options(7)).err().unwrap();
    assert!(
        matches!(
            gone,
            OpenProblem::Damaged(Damage::Lost { found: 0, known: 7 })
        ),
        "{gone}"
    );
}
