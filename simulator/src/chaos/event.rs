//! The events of a world, in the order they happen.

use std::cmp::Reverse;

use super::message::{Answer, Message};
use super::which_bank::WhichBank;
use crate::bank::Deferred;

/// Something that is going to happen.
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
    /// A client has waited long enough.
    TimeUp(Message),
    /// A charge reaches the bank's processing at last.
    Late(WhichBank, Deferred),
    /// The process ends without a word.
    Crash,
    /// It is started again.
    Restart,
    /// It is stopped in order.
    Stop,
    /// An orderly stop takes too long, or a failed process has said what it had to say.
    Die,
    /// The wall clock jumps.
    Jump(i64),
    /// All faults end.
    Heal,
}

/// In which order things happen: by time, then as they were planned.
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
