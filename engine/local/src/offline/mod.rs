//! A store that no service runs on: looking at it whole, taking its journal out, making one from a
//! journal.

mod import;
mod snapshot;
mod verify;

pub use import::{ImportError, Imported, Importer};
pub use snapshot::{Original, Snapshot, SnapshotError};
pub use verify::{Finding, Phase, Report, verify};
