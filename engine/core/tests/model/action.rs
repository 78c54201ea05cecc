//! What can happen next.

use super::bank::Verdict;

/// One step of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    /// A client's request, a duplicate or recovery opens this flight.
    Open(usize),
    /// The flight admits the payment; with a turn at the bank, its first attempt too.
    Admit(usize, bool),
    /// The flight does what its record calls for.
    Step(usize),
    /// The flight waited for its turn too long.
    Expire(usize),
    /// A flight no longer waits for an answer.
    TimeUp(usize),
    /// The bank answers an inquiry of the flight, or does not.
    Reply(usize, bool),
    /// The flight makes durable what it has heard.
    Record(usize),
    /// A request is lost, or never left.
    Lose(usize),
    /// The bank refuses a request without processing it, and says so.
    Refuse(usize),
    /// The bank processes a request; its answer arrives, or not.
    Process(usize, Verdict, bool),
    Cancel,
    /// An operator who has seen the bank's books decides.
    Resolve,
    Crash,
}

impl Action {
    /// Whether this flight acts.
    pub(crate) fn is_of(self, flight: usize) -> bool {
        match self {
            Self::Admit(n, _)
            | Self::Step(n)
            | Self::Expire(n)
            | Self::TimeUp(n)
            | Self::Reply(n, _)
            | Self::Record(n) => n == flight,
            Self::Tick
            | Self::Open(_)
            | Self::Lose(_)
            | Self::Refuse(_)
            | Self::Process(..)
            | Self::Cancel
            | Self::Resolve
            | Self::Crash => false,
        }
    }
}
