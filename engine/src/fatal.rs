//! Fatal failures: the first one is kept where everyone can see it, and the service stops.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::StoreError;

/// Why the engine stopped. Only a restart, which reads the durable data, can continue.
#[derive(Debug, thiserror::Error)]
pub enum FatalError {
    /// The store cannot be trusted any more.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A bug: a payment's own task panicked. The panic message was logged before this.
    #[error("the task that drives a payment panicked; this is a bug in Holdfast")]
    Panicked,
}

/// Holds the first fatal failure; clones share it.
#[derive(Debug, Clone)]
pub struct Failure(watch::Sender<Option<Arc<FatalError>>>);

impl Default for Failure {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Failure {
    /// Records a failure, unless there is one already; returns the one that counts.
    pub fn report(&self, error: FatalError) -> Arc<FatalError> {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the engine has failed and stops"
        );
        let reported = Arc::new(error);
        let mut counts = reported.clone();
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            counts = first.get_or_insert(reported).clone();
            is_first
        });
        counts
    }

    /// The failure, if there is one.
    pub fn get(&self) -> Option<Arc<FatalError>> {
        self.0.borrow().clone()
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits for a failure.
    pub async fn wait(&self) -> Arc<FatalError> {
        let mut failure = self.0.subscribe();
        loop {
            if let Some(error) = failure.borrow_and_update().clone() {
                return error;
            }
            // The sender lives in `self`, so the channel cannot close while this waits.
            let _ = failure.changed().await;
        }
    }
}
