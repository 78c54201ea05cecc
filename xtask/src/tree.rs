//! The files of the work tree: their names, and their text on demand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::problem::Problem;

/// Folders that hold what tools made, and no part of the tree.
const MADE: [&str; 5] = ["target", "node_modules", ".git", "__pycache__", ".venv"];

/// A work tree, listed once.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Tree {
    /// Lists what is below a root.
    pub(crate) fn read(root: &Path) -> Result<Self, Problem> {
        // As cargo names it, whatever links lead to it.
        let root = root.canonicalize().map_err(|source| Problem::Read {
            path: root.to_path_buf(),
            source,
        })?;
        let mut tree = Self {
            root,
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        let made = |name: &std::ffi::OsStr| MADE.iter().any(|made| name == *made);
        let walk = WalkDir::new(&tree.root)
            .min_depth(1)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !made(entry.file_name()));
        for entry in walk {
            let entry = entry.map_err(Problem::List)?;
            let name = tree.relative(entry.path());
            if entry.file_type().is_dir() {
                tree.folders.insert(name);
            } else {
                tree.files.insert(name);
            }
        }
        Ok(tree)
    }

    /// Where the tree lies.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All files, relative to the root, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// All files of Rust.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|name| has_end(name, "rs"))
    }

    /// Whether there is such a file.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.files.contains(name)
    }

    /// Whether there is such a folder.
    pub(crate) fn has_folder(&self, name: &str) -> bool {
        self.folders.contains(name)
    }

    /// The files whose path ends with these components.
    pub(crate) fn files_ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a str> {
        self.files().filter(move |name| ends_with(name, end))
    }

    /// Whether a folder's path ends with these components.
    pub(crate) fn has_folder_ending(&self, end: &str) -> bool {
        self.folders.iter().any(|name| ends_with(name, end))
    }

    /// The text of a file.
    pub(crate) fn text(&self, name: &str) -> Result<String, Problem> {
        let path = self.root.join(name);
        fs::read_to_string(&path).map_err(|source| Problem::Read { path, source })
    }

    /// Replaces the text of a file.
    pub(crate) fn replace(&self, name: &str, text: &str) -> Result<(), Problem> {
        let path = self.root.join(name);
        fs::write(&path, text).map_err(|source| Problem::Write { path, source })
    }

    /// A path below the root as the tree names it; one elsewhere as it is.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().into_owned()
    }
}

/// Whether a file has an extension.
pub(crate) fn has_end(file: &str, end: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|found| found == end)
}

/// Whether a path ends with whole components.
pub(crate) fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// The line, from 1 on, of the first one that is wanted; 1 where none is.
pub(crate) fn line_where(text: &str, is_wanted: impl Fn(&str) -> bool) -> usize {
    text.lines()
        .position(is_wanted)
        .map_or(1, |index| index + 1)
}

/// A path without `..`: cargo shows `tests/../benches/fill.rs` as it was written.
pub(crate) fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
