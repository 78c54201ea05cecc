//! The files that a run writes: whether they can be written is found out before the first world.

use std::io;
use std::path::{Path, PathBuf};

use std::fs::{self, OpenOptions};

use super::error::ChaosError;

/// What is in a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    Json,
    Trace,
    Page,
}

impl Content {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "the JSON",
            Self::Trace => "the trace",
            Self::Page => "the page",
        }
    }
}

fn failed(content: Content, path: &Path) -> impl FnOnce(io::Error) -> ChaosError {
    move |source| ChaosError::File {
        content: content.name(),
        path: path.to_owned(),
        source,
    }
}

/// Finds out whether a file can be written, and leaves everything as it is.
pub(super) fn check(content: Content, path: &Path) -> Result<(), ChaosError> {
    let checked = match fs::metadata(path) {
        // Only to open a pipe or a device can end what reads it.
        Ok(there) if !there.is_file() && !there.is_dir() => Ok(()),
        Ok(_) => OpenOptions::new().append(true).open(path).map(drop),
        Err(_) => OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|_| fs::remove_file(path)),
    };
    checked.map_err(failed(content, path))
}

/// Writes a file whole.
pub(super) fn write(content: Content, path: &Path, text: &str) -> Result<(), ChaosError> {
    fs::write(path, text).map_err(failed(content, path))
}

/// Where a file is, for whoever looks for it from another directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
