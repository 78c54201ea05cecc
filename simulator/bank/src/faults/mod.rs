//! The fault model: what goes wrong with a call, as data drawn from a seed.
//!
//! Architecture invariant: nothing here keeps state, reads a clock or waits. The same profile, seed and call give the
//! same plan, independent of all other draws and their order. The adapters decide how a plan looks on a socket, or to
//! a
//! caller in the same process.

mod built_in;
mod call;
mod describe;
mod fault;
mod planner;
mod profile;
mod rates;
mod written;

pub use built_in::PROFILES;
pub use call::{Call, CallKind, CallPlan, Delivery, Processing};
pub use fault::Fault;
pub(crate) use planner::decline;
pub use profile::FaultProfile;
pub use rates::{Range, Rate, Timed};
pub use written::InvalidProfile;
