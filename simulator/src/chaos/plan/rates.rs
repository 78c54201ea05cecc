//! How often each part of a world goes wrong: the network, the disk, the process and its configuration.

use serde::Serialize;

/// How often each fault of the network happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct NetworkRates {
    /// A request is lost on its way.
    pub lost: f64,
    /// An answer is lost on its way.
    pub answer_lost: f64,
    /// A request arrives twice.
    pub repeated: f64,
    /// The connection breaks while the service works on the request.
    pub reset: f64,
    /// A message takes `slow_ms`.
    pub slow: f64,
    /// The longest such time, in milliseconds.
    pub slow_ms: u64,
}

/// How often each fault of the medium happens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MediumRates {
    /// How long a sync takes, at most.
    pub sync_ms: u64,
    /// A sync takes `slow_ms`.
    pub slow: f64,
    /// The longest such time, in milliseconds.
    pub slow_ms: u64,
    /// A sync fails.
    pub fails: f64,
    /// A read shows a flipped bit.
    pub flips: f64,
    /// From when to when there is no room.
    pub full: Option<(u64, u64)>,
}

/// How often a restart comes with a mistake in its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Mistakes {
    /// It names another bank.
    pub other_bank: f64,
    /// It gives the merchant another name.
    pub renamed: f64,
}

/// When the process crashes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Crashes {
    /// At these times.
    pub at_ms: Vec<u64>,
    /// The probability at each step of a commit.
    pub in_commit: f64,
    /// How long it stays down, at most.
    pub down_ms: u64,
}
