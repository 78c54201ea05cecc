//! The service: one flight per key, the cache in front, the store behind, the banks at the side.
//!
//! - `start`: its life, from its parts to its orderly shutdown.
//! - `create`, `cancel`, `resolve`, `inquiry`, `reads`: the operations for clients and operators.
//! - `flight`, `task` and `driver`: the running effort for a key, which duplicates join, and the loop that does the work.
//! - `recovery`: resumes the operations that an earlier life left unfinished.
//! - `evidence` and `watch`: answers of a bank about a finished payment.

mod cache;
mod cancel;
mod change;
mod create;
mod driver;
mod errors;
mod evidence;
mod flight;
mod in_question;
mod inquiry;
mod options;
mod reads;
mod recovery;
mod resolve;
mod shared;
mod start;
mod task;
mod watch;

pub use create::{CreateOptions, Created};
pub use errors::{CancelError, CreateError, Unavailable};
pub use inquiry::{AskError, Asked};
pub use options::ServiceOptions;
pub use reads::FeedPage;
pub use resolve::ResolveError;
pub use shared::Service;
pub use start::ServiceParts;
