//! The events of a world, in the order they happen.

use std::cmp::Reverse;

use super::message::{Answer, Message};
use super::which_bank::WhichBank;
use holdfast_bank_simulator::Deferred;

/// An event that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A client sends a request.
    Send(Message),
    /// A request reaches the service.
    Arrive(Message),
    /// The connection of a request breaks.
    Reset(Message),
    /// An answer reaches its client.
    Hear(Answer),
    /// The timeout of a client has passed.
    TimeUp(Message),
    /// The bank processes a delayed charge.
    Late(WhichBank, Deferred),
    /// The process crashes.
    Crash,
    /// The service starts again.
    Restart,
    /// The service is asked to stop.
    Stop,
    /// An orderly stop has taken too long, or a failed process has finished answering.
    Die,
    /// The wall clock jumps.
    Jump(i64),
    /// All faults end.
    Heal,
}

/// A planned event. Events are ordered by time, then by the order in which they were planned.
pub(super) struct Planned(pub(super) Reverse<(u64, u64)>, pub(super) Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
