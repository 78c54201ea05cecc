//! The names of the files in a data directory, and who may read them.

/// The store.
pub(crate) const STORE: &str = "store";

/// A store while it is made.
pub(crate) const STORE_IN_CREATION: &str = "store.new";

/// A store while it is imported. A name of its own, so that a service never takes what is left of an import for an empty
/// directory.
pub(crate) const STORE_IN_IMPORT: &str = "store.import";

/// The lock.
pub(crate) const LOCK: &str = "LOCK";

/// The file that notes the journal's end.
pub(crate) const HEAD_FILE: &str = "journal.head";

/// The same while it is made.
pub(crate) const HEAD_FILE_IN_CREATION: &str = "journal.head.new";

/// What is made can be read and written by its owner only.
pub(crate) const PRIVATE_DIRECTORY: u32 = 0o700;
pub(crate) const PRIVATE_FILE: u32 = 0o600;
