//! The operations on files that a log needs.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of a log. Names are plain file names.
pub trait Disk: Send + Sync {
    /// A file of it.
    type File: DiskFile;

    /// The names of its files, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// When it exists, or cannot be created.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file.
    ///
    /// # Errors
    /// When it does not exist, or cannot be opened.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, in one step.
    ///
    /// # Errors
    /// When it cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names durable, as they are now.
    ///
    /// # Errors
    /// When they may not be durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its size, in bytes.
    ///
    /// # Errors
    /// When the file cannot be asked.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes; 0 only at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes. They are not durable yet.
    ///
    /// # Errors
    /// When they may not have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes content and size durable.
    ///
    /// # Errors
    /// When they may not be. Nothing is known of the content then.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly so many bytes, or up to the end of the file.
pub(crate) fn read_up_to(
    file: &impl DiskFile,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A directory of the operating system.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

/// Only the owner may read what is created.
const PRIVATE: u32 = 0o600;

impl Directory {
    /// An existing directory.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Disk for Directory {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.0)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<File> {
        File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(PRIVATE)
            .open(self.0.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let path = self.0.join(name);
        let opened = File::options().read(true).write(true).open(&path);
        match opened {
            // Whoever only reads may have no more than that. Whoever opens a log to append writes to it at once.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                File::open(&path)
            }
            opened => opened,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    /// `fdatasync`: content and size. Segments are zero-filled ahead, so an append changes no size.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
