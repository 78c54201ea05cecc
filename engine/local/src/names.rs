//! The names and permissions of the files in a data directory.

/// The store.
pub(crate) const STORE: &str = "store";

/// The journal, in the store: a log in segments.
pub(crate) const JOURNAL: &str = "journal";

/// The index over it, in the store: a sled database.
pub(crate) const INDEX: &str = "index";

/// An index while it is built.
pub(crate) const INDEX_IN_CREATION: &str = "index.new";

/// An index that cannot be believed, while it is removed.
pub(crate) const INDEX_IN_REMOVAL: &str = "index.old";

/// The cursors of consumers of the journal, in the store.
pub(crate) const CURSORS: &str = "cursors";

/// The file of cursors while it is written.
pub(crate) const CURSORS_IN_CREATION: &str = "cursors.new";

/// In the store while the index is open for writing: the boot id of the machine.
pub(crate) const INDEX_OPEN: &str = "index.open";

/// A store while it is created.
pub(crate) const STORE_IN_CREATION: &str = "store.new";

/// A store of an earlier format, after its content was taken over.
pub(crate) const STORE_TAKEN_OVER: &str = "store.old";

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
