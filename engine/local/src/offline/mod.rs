//! Work on a store without a running service: verify it, export its journal, create one from a journal.

mod import;
mod snapshot;
mod verify;

pub use import::{ImportError, Imported, Importer};
pub use snapshot::{Original, Snapshot, SnapshotError};
pub use verify::{Finding, Phase, Report, verify};
