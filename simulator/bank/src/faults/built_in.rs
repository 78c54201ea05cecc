//! The built-in profiles, by name.

use super::profile::FaultProfile;
use super::rates::{Range, Rate, Timed};

/// The name of a profile that is none of the built-in ones.
pub(super) const CUSTOM: &str = "custom";

/// The names of the built-in profiles.
pub const PROFILES: [&str; 7] = [
    "healthy", "flaky", "slow", "outage", "amnesiac", "hostile", "chaos",
];

impl FaultProfile {
    /// A built-in profile.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "healthy" => Self::default(),
            "flaky" => Self::flaky(),
            "slow" => Self::slow(),
            "outage" => Self::outage(),
            "amnesiac" => Self::amnesiac(),
            "hostile" => Self::hostile(),
            "chaos" => Self::chaos(),
            _ => return None,
        })
    }

    /// The name of the built-in profile it is; `custom` when it is none.
    pub fn name(&self) -> &'static str {
        let same = |name: &&str| Self::named(name).as_ref() == Some(self);
        PROFILES.into_iter().find(same).unwrap_or(CUSTOM)
    }

    fn flaky() -> Self {
        Self {
            latency_ms: Range::new(5, 50),
            lost_before: Rate(0.03),
            lost_after: Rate(0.03),
            reset_mid_answer: Rate(0.02),
            unreadable: Rate(0.01),
            error_before: Rate(0.04),
            error_after: Rate(0.02),
            throttled: Timed::new(0.04, 0, 1_000),
            declined: Rate(0.02),
            ..Self::default()
        }
    }

    fn slow() -> Self {
        Self {
            latency_ms: Range::new(100, 1_500),
            slow: Timed::new(0.1, 8_000, 20_000),
            late: Timed::new(0.02, 5_000, 15_000),
            ..Self::default()
        }
    }

    fn outage() -> Self {
        Self {
            latency_ms: Range::new(5, 50),
            outage: Timed::new(0.01, 2_000, 8_000),
            throttled: Timed::new(0.05, 1_000, 3_000),
            ..Self::default()
        }
    }

    fn amnesiac() -> Self {
        Self {
            lost_after: Rate(0.15),
            error_after: Rate(0.05),
            inquiry_not_found: Timed::new(0.5, 500, 5_000),
            key_window_ms: Some(60_000),
            ..Self::default()
        }
    }

    fn hostile() -> Self {
        Self {
            latency_ms: Range::new(0, 200),
            lost_before: Rate(0.08),
            lost_after: Rate(0.12),
            reset_mid_answer: Rate(0.08),
            unreadable: Rate(0.08),
            error_before: Rate(0.06),
            error_after: Rate(0.08),
            throttled: Timed::new(0.06, 0, 2_000),
            slow: Timed::new(0.05, 2_000, 15_000),
            late: Timed::new(0.08, 1_000, 10_000),
            declined: Rate(0.1),
            outage: Timed::new(0.005, 1_000, 5_000),
            duplicate: Rate(0.05),
            stray: Rate(0.04),
            gateway: Rate(0.06),
            repeat_refused: Rate(0.2),
            inquiry_not_found: Timed::new(0.4, 500, 5_000),
            key_window_ms: Some(60_000),
        }
    }

    fn chaos() -> Self {
        Self {
            latency_ms: Range::new(0, 20),
            lost_before: Rate(0.03),
            lost_after: Rate(0.04),
            reset_mid_answer: Rate(0.04),
            unreadable: Rate(0.03),
            error_before: Rate(0.04),
            error_after: Rate(0.04),
            throttled: Timed::new(0.04, 0, 1_000),
            slow: Timed::new(0.02, 1_500, 3_000),
            late: Timed::new(0.03, 500, 2_500),
            declined: Rate(0.05),
            outage: Timed::new(0.001, 300, 1_500),
            duplicate: Rate(0.03),
            stray: Rate(0.02),
            gateway: Rate(0.03),
            repeat_refused: Rate(0.1),
            inquiry_not_found: Timed::new(0.3, 200, 1_500),
            key_window_ms: Some(30_000),
        }
    }
}
