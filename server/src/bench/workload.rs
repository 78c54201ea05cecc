//! The workloads that `bench` can send.

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Create a new payment with each request
    Fresh,
    /// Repeat the same payment on each connection
    Replay,
    /// Send each key six times at once
    Storm,
    /// 50 % new payments, 40 % repeats, 10 % reads
    Mixed,
    /// Read a payment
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
