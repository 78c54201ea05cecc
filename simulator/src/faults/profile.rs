//! Profiles: how often each fault happens, and how long those last that last.

use serde::Serialize;

use super::Fault;

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Rate(pub(super) f64);

impl Rate {
    /// A rate.
    ///
    /// # Panics
    /// When `rate` is not from 0 to 1.
    pub const fn new(rate: f64) -> Self {
        assert!(rate >= 0.0 && rate <= 1.0, "a rate is from 0 to 1");
        Self(rate)
    }

    /// From 0 to 1.
    pub(crate) const fn share(self) -> f64 {
        self.0
    }

    /// Whether it ever happens.
    pub(crate) fn happens(self) -> bool {
        self.0 > 0.0
    }

    pub(super) fn holds(self, drawn: f64) -> bool {
        drawn < self.0
    }
}

/// A range in milliseconds, both ends included; written as `[min, max]`. It ends within 30 days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Range(pub(super) u64, pub(super) u64);

impl Range {
    /// No range ends later: 30 days.
    pub const LATEST_MS: u64 = 30 * 24 * 60 * 60 * 1000;

    /// A range.
    ///
    /// # Panics
    /// When it ends before it begins, or later than [`Self::LATEST_MS`].
    pub const fn new(min_ms: u64, max_ms: u64) -> Self {
        assert!(min_ms <= max_ms, "a range begins before it ends");
        assert!(max_ms <= Self::LATEST_MS, "a range ends within 30 days");
        Self(min_ms, max_ms)
    }

    pub(crate) const fn min(self) -> u64 {
        self.0
    }

    /// The longest.
    pub const fn max(self) -> u64 {
        self.1
    }

    /// The value at a share from 0 to 1 of the range.
    pub(super) fn at(self, share: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a span far below 2^52 milliseconds"
        )]
        let part = ((self.1 - self.0 + 1) as f64 * share) as u64;
        (self.0 + part).min(self.1)
    }
}

/// How often, and how long; written as `{ rate = 0.1, ms = [100, 200] }`, or as the rate alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timed {
    /// How often.
    pub rate: Rate,
    /// How long.
    pub ms: Range,
}

impl Timed {
    /// So often, so long.
    ///
    /// # Panics
    /// When `rate` is not from 0 to 1 or the range ends before it begins.
    pub const fn new(rate: f64, min_ms: u64, max_ms: u64) -> Self {
        Self {
            rate: Rate::new(rate),
            ms: Range::new(min_ms, max_ms),
        }
    }

    /// Whether it ever happens.
    pub fn happens(self) -> bool {
        self.rate.happens()
    }

    pub(super) fn holds(self, drawn: f64) -> bool {
        self.rate.holds(drawn)
    }
}

/// How a simulated bank misbehaves. Rates are per call. Of `lost_before` to `late`, `outage`, `duplicate`,
/// `stray` and `gateway` at most one happens to a call: each has a draw of its own, and the first that holds
/// counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultProfile {
    /// How long any call takes.
    pub latency_ms: Range,
    /// See [`Fault::LostBefore`].
    pub lost_before: Rate,
    /// See [`Fault::LostAfter`].
    pub lost_after: Rate,
    /// See [`Fault::ResetMidAnswer`].
    pub reset_mid_answer: Rate,
    /// See [`Fault::Unreadable`].
    pub unreadable: Rate,
    /// See [`Fault::ErrorBefore`].
    pub error_before: Rate,
    /// See [`Fault::ErrorAfter`].
    pub error_after: Rate,
    /// See [`Fault::Throttled`]; how long the caller is told to stay away.
    pub throttled: Timed,
    /// See [`Fault::Slow`]; how long the answer takes.
    pub slow: Timed,
    /// See [`Fault::Late`]; how long after the call it is processed.
    pub late: Timed,
    /// See [`Fault::Declined`].
    pub declined: Rate,
    /// See [`Fault::Outage`]; how long it lasts.
    pub outage: Timed,
    /// See [`Fault::Duplicate`].
    pub duplicate: Rate,
    /// See [`Fault::Stray`].
    pub stray: Rate,
    /// See [`Fault::Gateway`].
    pub gateway: Rate,
    /// See [`Fault::RepeatRefused`].
    pub repeat_refused: Rate,
    /// See [`Fault::InquiryNotFound`]; how long a debit is hidden.
    pub inquiry_not_found: Timed,
    /// How long a keyed bank remembers a reference after it first processed it; null for ever.
    pub key_window_ms: Option<u64>,
}

impl Default for FaultProfile {
    /// Nothing goes wrong. The ranges are what a rate given alone comes with.
    fn default() -> Self {
        Self {
            latency_ms: Range::new(0, 0),
            lost_before: Rate(0.0),
            lost_after: Rate(0.0),
            reset_mid_answer: Rate(0.0),
            unreadable: Rate(0.0),
            error_before: Rate(0.0),
            error_after: Rate(0.0),
            throttled: Timed::new(0.0, 0, 1_000),
            slow: Timed::new(0.0, 1_500, 3_000),
            late: Timed::new(0.0, 500, 2_500),
            declined: Rate(0.0),
            outage: Timed::new(0.0, 500, 3_000),
            duplicate: Rate(0.0),
            stray: Rate(0.0),
            gateway: Rate(0.0),
            repeat_refused: Rate(0.0),
            inquiry_not_found: Timed::new(0.0, 200, 1_500),
            key_window_ms: None,
        }
    }
}

/// The names of the built-in profiles.
pub const PROFILES: [&str; 7] = [
    "healthy", "flaky", "slow", "outage", "amnesiac", "hostile", "chaos",
];

impl FaultProfile {
    /// A built-in profile.
    pub fn named(name: &str) -> Option<Self> {
        let healthy = Self::default();
        Some(match name {
            "healthy" => healthy,
            "flaky" => Self {
                latency_ms: Range::new(5, 50),
                lost_before: Rate(0.03),
                lost_after: Rate(0.03),
                reset_mid_answer: Rate(0.02),
                unreadable: Rate(0.01),
                error_before: Rate(0.04),
                error_after: Rate(0.02),
                throttled: Timed::new(0.04, 0, 1_000),
                declined: Rate(0.02),
                ..healthy
            },
            "slow" => Self {
                latency_ms: Range::new(100, 1_500),
                slow: Timed::new(0.1, 8_000, 20_000),
                late: Timed::new(0.02, 5_000, 15_000),
                ..healthy
            },
            "outage" => Self {
                latency_ms: Range::new(5, 50),
                outage: Timed::new(0.01, 2_000, 8_000),
                throttled: Timed::new(0.05, 1_000, 3_000),
                ..healthy
            },
            "amnesiac" => Self {
                lost_after: Rate(0.15),
                error_after: Rate(0.05),
                inquiry_not_found: Timed::new(0.5, 500, 5_000),
                key_window_ms: Some(60_000),
                ..healthy
            },
            "hostile" => Self {
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
            },
            "chaos" => Self {
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
            },
            _ => return None,
        })
    }

    /// The name of the built-in profile it is; `custom` when it is none.
    pub fn name(&self) -> &'static str {
        let same = |name: &&str| Self::named(name).as_ref() == Some(self);
        PROFILES
            .into_iter()
            .find(same)
            .unwrap_or(super::written::CUSTOM)
    }

    /// The faults of which at most one happens to a call, in the order they are drawn.
    pub(super) fn exclusive(&self) -> [(Fault, Rate); 13] {
        [
            (Fault::LostBefore, self.lost_before),
            (Fault::LostAfter, self.lost_after),
            (Fault::ResetMidAnswer, self.reset_mid_answer),
            (Fault::Unreadable, self.unreadable),
            (Fault::ErrorBefore, self.error_before),
            (Fault::ErrorAfter, self.error_after),
            (Fault::Throttled, self.throttled.rate),
            (Fault::Slow, self.slow.rate),
            (Fault::Late, self.late.rate),
            (Fault::Outage, self.outage.rate),
            (Fault::Duplicate, self.duplicate),
            (Fault::Stray, self.stray),
            (Fault::Gateway, self.gateway),
        ]
    }

    /// Whether nothing ever goes wrong, so that nothing need be drawn.
    pub(crate) fn is_healthy(&self) -> bool {
        self.exclusive().iter().all(|(_, rate)| rate.0 == 0.0)
            && self.declined.0 == 0.0
            && self.inquiry_not_found.rate.0 == 0.0
            && self.repeat_refused.0 == 0.0
            && self.latency_ms.0 == self.latency_ms.1
    }
}
