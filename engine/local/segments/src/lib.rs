//! An append-only log in segment files.
//!
//! A frame is durable after one write and one `fdatasync`, and one frame is in flight at a time. So after a crash at most
//! the last frame is torn. [`Log::open`] tells a torn end, which was never acknowledged, from damage to what was.
//! `docs/storage-format.md` has the bytes and the reasons.
//!
//! - [`frame`]: a frame as bytes. `header`: the head of a segment, and its name.
//! - `log`: opening, appending, the next segment. `survey`: what is found in a directory. `scan`: from frame to frame, and the rule for the end. `read`: reading
//!   while another thread appends.
//! - [`disk`]: the operations on files that all of this needs, so that tests can cut the power between any two.
//!
//! Architecture invariant: nothing here knows what a frame says.

pub mod disk;
pub mod frame;
mod header;
mod log;
mod positions;
mod problem;
mod read;
mod scan;
mod survey;

pub use header::{Digest, LogId};
pub use log::{Log, LogOptions, SEGMENT_BYTES, SEGMENT_BYTES_MIN, Spare};
pub use problem::{Damage, OpenProblem, ReadProblem, Stopped};
pub use read::Reader;
pub use scan::{End, frames_of};
pub use survey::{inspect, is_empty};
