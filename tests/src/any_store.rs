//! A store with all its seams, for tests that run over every store.

use holdfast_engine::store::{Cursors, Log, Views};

/// The log, the views and the cursors of one store.
pub trait AnyStore: Log + Views + Cursors {}

impl<S: Log + Views + Cursors> AnyStore for S {}
