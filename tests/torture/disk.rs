//! The disk that the tests of power losses stand on: it forgets what was not synced, and keeps what was.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs::{self, File};
use std::io::Write;

use holdfast_tests::{Disk, PowerLoss, alone};

const WHY_ALONE: &str =
    "a child process of another test would briefly hold files of this disk open";

const PAGE: usize = 4096;

fn sync(path: &std::path::Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

#[test]
fn what_was_not_synced_is_gone() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let (kept, written) = (at.join("kept"), at.join("written"));
    fs::write(&kept, "synced").unwrap();
    sync(&kept);
    sync(&at);
    fs::write(&kept, "synced and more").unwrap();
    fs::write(&written, "bytes that were synced under a name that was not").unwrap();
    sync(&written);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "synced and more");

    disk.lose_power(PowerLoss::Everything);
    assert!(File::create(at.join("dead")).is_err(), "there is no power");
    disk.restore_power();
    assert_eq!(fs::read_to_string(&kept).unwrap(), "synced");
    assert!(!written.exists());
}

#[test]
fn a_name_that_was_synced_says_nothing_of_the_bytes() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    fs::write(at.join("file"), "bytes").unwrap();
    sync(&at);
    disk.lose_power(PowerLoss::Everything);
    disk.restore_power();
    assert_eq!(fs::read(at.join("file")).unwrap(), b"");
}

/// Over many seeds each page is kept or not, whatever became of the others, and so is the length.
#[test]
fn by_coin_each_page_and_each_length_has_its_own_fate() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let path = at.join("file");
    let mut file = File::create(&path).unwrap();
    sync(&at);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        file.set_len(0).unwrap();
        file.sync_all().unwrap();
        fs::write(&path, [[1; PAGE], [1; PAGE]].concat()).unwrap();
        drop(file);
        disk.lose_power(PowerLoss::ByCoin(seed));
        disk.restore_power();
        let found = fs::read(&path).unwrap();
        let pages: Vec<_> = found.chunks(PAGE).map(|page| page[0]).collect();
        seen.insert(pages);
        file = File::options().write(true).open(&path).unwrap();
    }
    let expected = [vec![], vec![0, 0], vec![0, 1], vec![1, 0], vec![1, 1]];
    assert_eq!(seen, expected.into());
}

#[test]
fn a_rename_has_happened_or_not() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let (old, new) = (at.join("old"), at.join("new"));
    let mut seen = [0, 0];
    for seed in 0..20 {
        fs::write(&old, "bytes").unwrap();
        sync(&old);
        sync(&at);
        fs::rename(&old, &new).unwrap();
        disk.lose_power(PowerLoss::ByCoin(seed));
        disk.restore_power();
        assert_ne!(
            old.exists(),
            new.exists(),
            "one of the two, with seed {seed}"
        );
        seen[usize::from(new.exists())] += 1;
        let _ = fs::remove_file(&new);
        sync(&at);
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}

#[test]
fn a_failed_sync_leaves_nothing_durable_and_a_later_one_does_not_mend_it() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, mut disk, at)) = Disk::in_temporary() else {
        return;
    };
    let path = at.join("file");
    let mut file = File::create(&path).unwrap();
    sync(&at);
    file.write_all(&[1; PAGE]).unwrap();
    disk.fail_syncs(1);
    assert!(file.sync_data().is_err());
    assert!(
        file.sync_data().is_ok(),
        "as on Linux, the pages count as clean"
    );
    drop(file);
    disk.lose_power(PowerLoss::Everything);
    disk.restore_power();
    assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn a_full_disk_takes_nothing_more_until_there_is_room() {
    let _turn = alone(WHY_ALONE);
    let Some((_directory, disk, at)) = Disk::in_temporary() else {
        return;
    };
    fs::write(at.join("first"), [1; PAGE]).unwrap();
    disk.leave_room_for(2 * PAGE as u64);
    let refused = fs::write(at.join("second"), [1; 3 * PAGE]);
    let refused = refused.map_err(|error| error.kind());
    assert_eq!(refused, Err(std::io::ErrorKind::StorageFull));
    fs::remove_file(at.join("second")).unwrap();
    fs::write(at.join("third"), [1; 2 * PAGE]).unwrap();
    disk.make_room();
    fs::write(at.join("second"), [1; 3 * PAGE]).unwrap();
}
