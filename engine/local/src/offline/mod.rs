//! Work on a store without a running service: verify it, export its journal, build its index again, create one from
//! a journal.

mod import;
mod rebuild;
mod snapshot;
mod verify;

pub use import::{ImportError, Imported, Importer};
pub use rebuild::rebuild_index;
pub use snapshot::{Original, Snapshot, SnapshotError};
pub use verify::{Finding, Phase, Report, verify};
