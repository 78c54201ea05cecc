//! Profiles: how often each fault happens, and how long it lasts.

use serde::Serialize;

use super::fault::Fault;
use super::rates::{Range, Rate, Timed};

/// The faults of a simulated bank. Rates are per call. Of `lost_before` to `late`, `outage`, `duplicate`, `stray` and
/// `gateway` at most one happens to a call: each has its own draw, and the first one that hits counts.
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
    /// No faults. The ranges apply to a rate that is given without one.
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

impl FaultProfile {
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

    /// Whether it has no faults at all, so that no draws are needed.
    pub(crate) fn is_healthy(&self) -> bool {
        self.exclusive().iter().all(|(_, rate)| rate.0 == 0.0)
            && self.declined.0 == 0.0
            && self.inquiry_not_found.rate.0 == 0.0
            && self.repeat_refused.0 == 0.0
            && self.latency_ms.0 == self.latency_ms.1
    }
}
