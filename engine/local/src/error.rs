//! The errors of the embedded store, in its own terms. The engine gets the consequence.

use holdfast_core::codec::{DecodeError, EncodeError};
use holdfast_core::ledger::LedgerError;
use holdfast_engine::store::StoreError;
use holdfast_segments::Stopped;

/// Why the embedded store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// An earlier failure made the store refuse all further work.
    #[error("the store accepts no more work after an earlier failure")]
    Poisoned,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A batch could not be applied.
    #[error("could not apply a batch of writes")]
    Apply(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A batch could not be made durable. Only a restart will know how much of it is on disk.
    #[error("could not sync written data to disk")]
    Sync(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A read failed.
    #[error("could not read from {tree}")]
    Read {
        /// The tree.
        tree: &'static str,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The history of one payment cannot be read. The others can.
    #[error("the history of a payment cannot be read from the journal")]
    History(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored value is damaged.
    #[error("a value in {tree} under key {key} is damaged")]
    Damaged {
        /// The tree.
        tree: &'static str,
        /// The key, in printable form.
        key: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Two trees disagree.
    #[error("the entry {key} is missing in {tree}, although another tree refers to it")]
    Missing {
        /// The tree that lacks it.
        tree: &'static str,
        /// The key, in printable form.
        key: String,
    },
    /// The store is no longer where it was opened.
    #[error(
        "the data directory {0} was moved away or replaced while the service was running. Put it back, or start the service \
         with its new path in --data"
    )]
    Moved(String),
    /// The balances do not match the payments.
    #[error("the balances of the ledger do not match its payments")]
    Ledger(#[source] LedgerError),
    /// A value is too large to be stored; the API's limits should have refused it.
    #[error("a value cannot be encoded")]
    Encode(#[from] EncodeError),
}

impl LocalError {
    /// Whether it says that the index is not what the journal leads to. A disk that refuses says nothing about the index.
    pub fn is_of_index(&self) -> bool {
        let is_index = |tree: &str| !["journal", "cursors"].contains(&tree);
        match self {
            Self::Damaged { tree, .. } | Self::Missing { tree, .. } => is_index(tree),
            Self::Read { tree, source } => {
                let sled = source.downcast_ref::<sled::Error>();
                is_index(tree) && matches!(sled, Some(sled::Error::Corruption { .. }))
            }
            Self::Ledger(_) => true,
            _ => false,
        }
    }
}

impl From<LocalError> for StoreError {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::Closed | LocalError::History(_) => Self::Transient(Box::new(error)),
            LocalError::Apply(_) | LocalError::Sync(_) => Self::Ambiguous(Box::new(error)),
            LocalError::Poisoned
            | LocalError::Read { .. }
            | LocalError::Damaged { .. }
            | LocalError::Missing { .. }
            | LocalError::Moved(_)
            | LocalError::Ledger(_)
            | LocalError::Encode(_) => Self::Fatal(Box::new(error)),
        }
    }
}

/// A storage key as text: ASCII as it is, the rest escaped.
pub(crate) fn printable(storage_key: &[u8]) -> String {
    storage_key.escape_ascii().to_string()
}

/// Names the value that is damaged.
pub(crate) fn damaged(
    tree: &'static str,
    storage_key: &[u8],
) -> impl FnOnce(DecodeError) -> LocalError {
    move |source| LocalError::Damaged {
        tree,
        key: printable(storage_key),
        source,
    }
}

/// Names the tree that could not be read.
pub(crate) fn read<T>(result: sled::Result<T>, tree: &'static str) -> Result<T, LocalError> {
    result.map_err(|error| LocalError::Read {
        tree,
        source: Box::new(error),
    })
}

/// A write to a tree.
pub(crate) fn written<T>(result: sled::Result<T>) -> Result<(), LocalError> {
    result
        .map(|_| ())
        .map_err(|error| LocalError::Apply(Box::new(error)))
}

/// Names the entry that is missing.
pub(crate) fn missing(tree: &'static str, key: &(impl ToString + ?Sized)) -> LocalError {
    LocalError::Missing {
        tree,
        key: key.to_string(),
    }
}

/// A sync failed.
pub(crate) fn not_synced(error: impl std::error::Error + Send + Sync + 'static) -> LocalError {
    LocalError::Sync(Box::new(error))
}

/// A failed write or sync of the journal: only the next opening will know what is durable.
pub(crate) fn stopped(error: Stopped) -> LocalError {
    not_synced(error)
}
