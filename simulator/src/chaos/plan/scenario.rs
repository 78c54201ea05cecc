//! The scenarios, by name: the situations that people ask about, and the swarm, which mixes everything.

use serde::Serialize;

/// A scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Anything goes wrong, in any mixture.
    #[default]
    Swarm,
    /// Every payment is sent twice within milliseconds.
    DoubleClick,
    /// Answers get lost, and clients send again after a timeout.
    MobileRetry,
    /// A gateway sends again at once, several times, even after an answer.
    GatewayRetry,
    /// A proxy repeats requests and delivers some of them late.
    ReverseProxy,
    /// Messages vanish in both directions and nobody is told.
    SilentNetwork,
    /// The bank is slower than anyone waits.
    BankTimeout,
    /// The process ends again and again, at any step.
    CrashStorm,
    /// The bank is gone for seconds.
    BankOutage,
    /// Syncs take long or fail, and the disk is full for a while.
    SlowDisk,
    /// Everyone pays under a few keys.
    HotKey,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Swarm,
        Self::DoubleClick,
        Self::MobileRetry,
        Self::GatewayRetry,
        Self::ReverseProxy,
        Self::SilentNetwork,
        Self::BankTimeout,
        Self::CrashStorm,
        Self::BankOutage,
        Self::SlowDisk,
        Self::HotKey,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::DoubleClick => "double-click",
            Self::MobileRetry => "mobile-retry",
            Self::GatewayRetry => "gateway-retry",
            Self::ReverseProxy => "reverse-proxy",
            Self::SilentNetwork => "silent-network",
            Self::BankTimeout => "bank-timeout",
            Self::CrashStorm => "crash-storm",
            Self::BankOutage => "bank-outage",
            Self::SlowDisk => "slow-disk",
            Self::HotKey => "hot-key",
        }
    }

    /// A sentence about it.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Swarm => "anything goes wrong, in any mixture",
            Self::DoubleClick => "every payment is sent twice within milliseconds",
            Self::MobileRetry => "answers get lost, and clients send again after a timeout",
            Self::GatewayRetry => "a gateway sends again at once, several times",
            Self::ReverseProxy => "a proxy repeats requests and delivers some of them late",
            Self::SilentNetwork => "messages vanish in both directions and nobody is told",
            Self::BankTimeout => "the bank is slower than anyone waits",
            Self::CrashStorm => "the process ends again and again, at any step",
            Self::BankOutage => "the bank is gone for seconds",
            Self::SlowDisk => "syncs take long or fail, and the disk is full for a while",
            Self::HotKey => "everyone pays under a few keys",
        }
    }

    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
    }
}
