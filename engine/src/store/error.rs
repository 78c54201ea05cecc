//! Why a store could not do its work, by what follows from it. The adapter's own error is the source.

/// The error of an adapter.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was to be written may be durable or not. Only the next tenure, which reads what is durable, will know.
    #[error(transparent)]
    Ambiguous(Source),
    /// Nothing was changed, and the store can still be trusted: it is closed, or asking again later can help.
    #[error(transparent)]
    Transient(Source),
    /// The store cannot be trusted any more: a value is damaged, or an earlier failure left it open what is durable.
    #[error(transparent)]
    Fatal(Source),
}

impl StoreError {
    /// A failure that ends the tenure.
    pub fn fatal(source: impl Into<Source>) -> Self {
        Self::Fatal(source.into())
    }
}
