//! How often something happens, and for how long: probabilities and ranges of time.

use serde::Serialize;

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
    /// A rate and a range of durations, in milliseconds.
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
