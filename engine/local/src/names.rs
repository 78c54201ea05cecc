//! The names and permissions of the files in a data directory.

/// The store.
pub(crate) const STORE: &str = "store";

/// A store while it is created.
pub(crate) const STORE_IN_CREATION: &str = "store.new";

/// A store while it is imported. It has a separate name, so that a service never takes an interrupted import for an
/// empty
/// directory.
pub(crate) const STORE_IN_IMPORT: &str = "store.import";

/// The lock.
pub(crate) const LOCK: &str = "LOCK";

/// The head file.
pub(crate) const HEAD_FILE: &str = "journal.head";

/// The head file while it is created.
pub(crate) const HEAD_FILE_IN_CREATION: &str = "journal.head.new";

/// The mode of created files: only the owner can read and write them.
pub(crate) const PRIVATE_DIRECTORY: u32 = 0o700;
pub(crate) const PRIVATE_FILE: u32 = 0o600;
