//! Families of faults: each is in a world or left out of it as a whole.

use serde::Serialize;

/// A group of faults that a world includes or leaves out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Messages lost, late, repeated, cut off.
    Network,
    /// Faults of the bank.
    Bank,
    /// Slow and failing syncs, a full disk, flipped bits.
    Medium,
    /// The process crashes.
    Crash,
    /// The wall clock jumps.
    Clock,
    /// Clients cancel, use keys twice, and operators decide early.
    People,
    /// The process is stopped in an orderly way.
    Stop,
    /// A restart comes with another configuration by mistake: another bank, or the merchant renamed.
    Configuration,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Network,
        Self::Bank,
        Self::Medium,
        Self::Crash,
        Self::Clock,
        Self::People,
        Self::Stop,
        Self::Configuration,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bank => "bank",
            Self::Medium => "medium",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::People => "people",
            Self::Stop => "stop",
            Self::Configuration => "configuration",
        }
    }
}
