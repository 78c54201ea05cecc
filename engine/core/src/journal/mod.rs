//! The journal: every transition of every operation, in one order. Entries, the hash chain over them, and the replay
//! that rebuilds every record and balance from them.

mod chain;
mod entry;
mod replay;
mod stored;

pub use chain::{Digest, Head};
pub use entry::{Admission, Cause, JournalEntry};
pub use replay::{Replay, ReplayError, Replayed, operation_after};
