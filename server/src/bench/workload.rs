//! The workloads that `bench` can send.

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// A new payment each time
    Fresh,
    /// The same payment of each connection again and again
    Replay,
    /// Each key six times at once
    Storm,
    /// Of ten requests five new payments, four repeats, one look
    Mixed,
    /// A look at a payment
    Status,
}

impl Workload {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Replay => "replay",
            Self::Storm => "storm",
            Self::Mixed => "mixed",
            Self::Status => "status",
        }
    }
}

/// How many requests of a storm share a key.
pub(super) const STORM: u32 = 6;
