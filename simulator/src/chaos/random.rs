//! Random draws without state: every draw follows from the seed and from its subject, so removing one event from a
//! world changes no other.

/// A place in the tree of draws; going down by a name or a number gives another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) struct Draw(u64);

/// The finaliser of splitmix64 (Steele, Lea, Flood, 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Draw {
    /// The root of a seed's draws.
    pub(in crate::chaos) const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// The draws about the thing with this number.
    pub(in crate::chaos) const fn with(self, n: u64) -> Self {
        Self(mix(self.0 ^ mix(n.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The draws of the component with this name.
    pub(in crate::chaos) fn stream(self, name: &str) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.with(hash)
    }

    /// A number.
    pub(in crate::chaos) const fn value(self) -> u64 {
        self.0
    }

    /// A share from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    pub(in crate::chaos) fn share(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(in crate::chaos) fn happens(self, rate: f64) -> bool {
        rate > 0.0 && self.share() < rate
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// When `high` is below `low`.
    pub(in crate::chaos) const fn between(self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range begins before it ends");
        low + self.0 % (high - low + 1)
    }

    /// One of several.
    ///
    /// # Panics
    /// When there is none.
    pub(in crate::chaos) fn pick<T: Copy>(self, from: &[T]) -> T {
        let count = from.len() as u64;
        from[usize::try_from(self.0 % count).expect("an index of a slice")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_their_place_alone() {
        let draw = |n| Draw::new(7).stream("network").with(n).value();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(Draw::new(7).stream("bank").with(1).value(), draw(1));
        assert_ne!(Draw::new(8).stream("network").with(1).value(), draw(1));
    }

    #[test]
    fn shares_are_spread_evenly() {
        let count = 20_000_u32;
        let below = (0..u64::from(count)).filter(|n| Draw::new(3).with(*n).happens(0.25));
        let below = f64::from(u32::try_from(below.count()).unwrap());
        // Five standard deviations of a binomial draw.
        let slack = 5.0 * (f64::from(count) * 0.25 * 0.75).sqrt();
        assert!((below - f64::from(count) * 0.25).abs() < slack, "{below}");
    }
}
