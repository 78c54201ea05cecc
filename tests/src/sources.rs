//! The sources of a test binary, for rules that no compiler holds.

use std::path::{Path, PathBuf};

/// Every source file of a directory below `tests/` except its `main.rs`, with its text.
///
/// # Panics
/// When one cannot be read.
pub fn sources_of(binary: &str) -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(binary);
    let mut found = Vec::new();
    add_sources(&directory, &mut found);
    found.retain(|(path, _)| *path != directory.join("main.rs"));
    found
}

fn add_sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            add_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source can be read");
            found.push((path, text));
        }
    }
}
