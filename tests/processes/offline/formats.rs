//! Stores of earlier formats.

use std::fs;
use std::path::Path;

use holdfast_tests::{Server, to_old_layout};

use super::world::store;
use super::{copy, run, verify};

/// A store of an earlier format is looked at as it is, and taken over by the first start, whenever that is interrupted.
#[tokio::test]
async fn a_store_of_an_earlier_format_is_taken_over_and_the_old_one_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data = store(directory.path()).await;
    let path = |name: &str| directory.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (before, after) = (path("before.jsonl"), path("after.jsonl"));
    run(&["export", "--data", &text(&data), "--out", &text(&before)]).await;
    let lines = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    for format in [2, 3, 4] {
        for interrupted in ["never", "while it was copied", "between the two names"] {
            let old = path(&format!("old-{format}-{}", interrupted.len()));
            copy(&data, &old);
            to_old_layout(&old, format);
            assert_eq!(verify(&old).await.0, Some(0), "{format}");
            let out = path("old.jsonl");
            run(&["export", "--data", &text(&old), "--out", &text(&out)]).await;
            assert!(
                lines(&out) == lines(&before),
                "{format}: the export is the same"
            );
            fs::remove_file(&out).unwrap();
            match interrupted {
                "while it was copied" => {
                    fs::create_dir_all(old.join("store.new/journal")).unwrap();
                    fs::write(old.join("store.new/journal/spare"), "half").unwrap();
                }
                "between the two names" => {
                    Server::start(&old, &[]).kill();
                    fs::rename(old.join("store"), old.join("store.new")).unwrap();
                }
                _ => {}
            }
            let server = Server::start(&old, &[]);
            server.signal("TERM");
            assert!(server.wait().0.success());
            assert!(old.join("store.old/db").exists(), "the old store is kept");
            assert!(!old.join("store.new").exists());
            assert_eq!(verify(&old).await.0, Some(0), "{format}, {interrupted}");
            run(&["export", "--data", &text(&old), "--out", &text(&after)]).await;
            assert!(lines(&after) == lines(&before), "{format}, {interrupted}");
            fs::remove_file(&after).unwrap();
        }
    }
}
