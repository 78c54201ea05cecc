//! Why a store failed, by the consequence. The adapter's own error is the source.

/// The error of an adapter.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The write may be durable or not. Only the next tenure, which reads the durable data, will know.
    #[error(transparent)]
    Ambiguous(Source),
    /// Nothing was changed, and the store can still be trusted: it is closed, or a later retry can help.
    #[error(transparent)]
    Transient(Source),
    /// The store cannot be trusted any more: a value is damaged, or after an earlier failure it is unknown which data
    /// is durable.
    #[error(transparent)]
    Fatal(Source),
}

impl StoreError {
    /// A failure that ends the tenure.
    pub fn fatal(source: impl Into<Source>) -> Self {
        Self::Fatal(source.into())
    }
}
