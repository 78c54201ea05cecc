//! The embedded store: a journal that holds the truth, and sled as the index over it.
//!
//! A commit is durable when its frame of the journal is. What it changes is found in memory at once, and the indexer writes it to
//! sled behind the commits. `docs/storage-format.md` has the layout and the reasons.
//!
//! - `store`: the log, the views and the cursors over an open store; `commit`, `memtable`, `indexer` and `read` do the work.
//! - `open`, `directory`, `database`, `head_file`: opening a store, and every reason to refuse it.
//! - `indexing`, `build`, `belief`: when the index may be believed, and how it is built again.
//! - [`format`](mod@format), `trees`, `meta`: the layout, each part named once.
//! - [`offline`]: a store that no service runs on: verify, export, import.

mod balance_cache;
mod belief;
pub mod blocks;
mod build;
mod changes;
mod commit;
mod creation;
mod cursors;
mod database;
mod directory;
mod disk_space;
mod error;
pub mod format;
mod head_file;
mod history;
pub mod ids;
mod index;
mod indexer;
mod indexing;
mod inner;
mod journal;
mod memtable;
mod meta;
mod migrate;
mod names;
pub mod offline;
mod open;
mod options;
mod problem;
mod read;
mod store;
pub mod tips;
mod trees;
mod unfinished;
mod values;

pub use error::LocalError;
pub use options::LocalOptions;
pub use problem::{OpenError, OpenProblem};
pub use store::LocalStore;
