//! The embedded store: sled, with the durability that sled alone does not give.
//!
//! sled's `flush()` passes data to the operating system without an fsync. So this adapter syncs the log file through a
//! separate handle after every batch, and syncs every file and directory that sled creates. `docs/storage-format.md`
//! has the layout and the reasons.
//!
//! - `store`: the log, the views and the cursors over an open database; `commit` and `read` do the work.
//! - `open`, `directory`, `database`, `head_file`: opening a store, and every reason to refuse it.
//! - [`format`](mod@format), `trees`, `meta`: the layout, each part named once.
//! - [`offline`]: a store that no service runs on: verify, export, import.

mod belief;
mod build;
mod commit;
mod conflict;
mod creation;
mod database;
mod directory;
mod disk_space;
mod error;
pub mod format;
mod head_file;
mod index;
mod indexing;
mod inner;
mod journal;
mod meta;
mod migrate;
mod names;
pub mod offline;
mod open;
mod options;
mod problem;
mod read;
mod store;
mod trees;
mod unfinished;
mod values;

pub use error::LocalError;
pub use options::LocalOptions;
pub use problem::{OpenError, OpenProblem};
pub use store::LocalStore;
