//! Waits between attempts: exponential backoff with full jitter, as pure arithmetic.
//!
//! Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").

/// Limits of the waits between attempts and inquiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the wait after the first attempt, in milliseconds; doubles with each attempt.
    pub base_ms: u64,
    /// Largest wait, in milliseconds.
    pub cap_ms: u64,
}

impl Backoff {
    /// The wait after `attempt` (counted from 1), in milliseconds: `jitter` of the full range.
    ///
    /// If the bank asked for a longer wait (`at_least_ms`), it is used, up to the cap.
    ///
    /// # Panics
    /// When `jitter` is not in `0.0..1.0`: a bug in the caller.
    pub fn wait_ms(&self, attempt: u32, jitter: f64, at_least_ms: u64) -> u64 {
        assert!(
            (0.0..1.0).contains(&jitter),
            "jitter is a share of the range: {jitter}"
        );
        let doublings = attempt.saturating_sub(1).min(63);
        let range_ms = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a range far below 2^52 milliseconds"
        )]
        let drawn_ms = (range_ms as f64 * jitter) as u64;
        drawn_ms.max(at_least_ms.min(self.cap_ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        base_ms: 100,
        cap_ms: 5_000,
    };

    #[test]
    fn the_range_doubles_up_to_the_cap() {
        let widest = |attempt| BACKOFF.wait_ms(attempt, 0.999_999, 0);
        assert_eq!([1, 2, 3, 4].map(widest), [99, 199, 399, 799]);
        assert_eq!(widest(50), 4_999);
        assert_eq!(widest(u32::MAX), 4_999);
    }

    #[test]
    fn a_wait_the_bank_asked_for_is_a_lower_bound_within_the_cap() {
        assert_eq!(BACKOFF.wait_ms(1, 0.0, 2_000), 2_000);
        assert_eq!(BACKOFF.wait_ms(1, 0.0, 60_000), 5_000);
    }

    proptest! {
        #[test]
        fn no_wait_passes_the_cap(attempt: u32, jitter in 0.0..1.0_f64, asked: u64) {
            prop_assert!(BACKOFF.wait_ms(attempt, jitter, asked) <= BACKOFF.cap_ms);
        }
    }
}
