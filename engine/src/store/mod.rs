//! The seams to the store: the log that decides, the views for people, and the cursors of consumers.
//!
//! Adapters are crates of their own: an embedded one, and a simulated one that can be made to fail. One conformance suite
//! runs over all of them.
//!
//! Architecture invariant: nothing here assumes a single writer for ever. Verdicts carry the record that won, sequences
//! are assigned by the log, and attempts are marked with the tenure that made them.

mod cursors;
mod error;
mod log;
mod views;

use std::sync::Arc;

pub use cursors::{CursorName, Cursors, InvalidCursorName};
pub use error::{Source, StoreError};
pub use log::{Log, NotedTime, Verdict};
pub use views::{Filter, LIST_SCAN_MAX, Page, Query, Views};

/// The three seams of one store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// The log, which decides.
    pub log: Arc<dyn Log>,
    /// The views for people.
    pub views: Arc<dyn Views>,
    /// The positions of consumers.
    pub cursors: Arc<dyn Cursors>,
}

impl Store {
    /// The seams of a store that has all three sides.
    pub fn new<S: Log + Views + Cursors>(store: Arc<S>) -> Self {
        Self {
            log: store.clone(),
            views: store.clone(),
            cursors: store,
        }
    }
}
