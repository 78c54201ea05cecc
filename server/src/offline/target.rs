//! The file that an export becomes: it has its name when it is whole and durable, and never replaces another.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::interrupt::Interrupts;

/// What an export is called while it is written, in the same directory: this, and something of its own.
const PARTIAL: (&str, &str) = (".holdfast-export-", ".partial");

pub(super) struct Target {
    out: PathBuf,
    directory: PathBuf,
    /// Only its owner may read it. It is removed when this goes.
    partial: NamedTempFile,
}

impl Target {
    /// Begins a file beside the one that was asked for, which must not exist.
    pub(super) fn begin(out: &Path, interrupts: &Interrupts) -> io::Result<Self> {
        let is_directory = out.as_os_str().as_encoded_bytes().ends_with(b"/");
        if is_directory || out.file_name().is_none() {
            let problem = "it is a directory; choose a file name";
            return Err(io::Error::new(io::ErrorKind::IsADirectory, problem));
        }
        // Never over something that may be the only other copy. Before a long work, not only after it.
        match out.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(exists()),
        }
        let directory = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::metadata(directory)?;
        let (prefix, suffix) = PARTIAL;
        let mut named = tempfile::Builder::new();
        named.prefix(prefix).suffix(suffix);
        let partial = interrupts.make(|| named.tempfile_in(directory))?;
        Ok(Self {
            out: out.to_owned(),
            directory: directory.to_owned(),
            partial,
        })
    }

    pub(super) fn file(&self) -> &File {
        self.partial.as_file()
    }

    /// Makes it durable and gives it its name. What fails leaves nothing of that name.
    pub(super) fn finish(self, interrupts: &Interrupts) -> io::Result<()> {
        let Self {
            out,
            directory,
            partial,
        } = self;
        partial.as_file().sync_all()?;
        interrupts.last(|| {
            give_name(partial, &out)?;
            let synced = sync(&directory);
            if synced.is_err() {
                let _ = std::fs::remove_file(&out);
            }
            synced
        })
    }
}

fn exists() -> io::Error {
    let problem = "it already exists, and an export never overwrites a file";
    io::Error::new(io::ErrorKind::AlreadyExists, problem)
}

fn give_name(partial: NamedTempFile, out: &Path) -> io::Result<()> {
    let partial = match partial.persist_noclobber(out) {
        Ok(_) => return Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        Err(error) => error.file,
    };
    // Some network file systems have neither a rename that replaces nothing nor links. There the name is taken first.
    File::create_new(out)?;
    partial.persist(out).map(|_| ()).map_err(|error| {
        let _ = std::fs::remove_file(out);
        error.error
    })
}

fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // One may write into a directory that one may not read, and not every file system syncs directories.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
