//! The bounds of a number. A value outside of them is rejected at the start, so nothing behind can overflow on it.

use std::fmt;

/// The bounds of a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds {
    /// A whole number from `min` to `max`; `unit` is the largest in words.
    Whole {
        min: u64,
        max: u64,
        unit: Option<&'static str>,
    },
    /// A share, from 0 to 1.
    Share,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A number of things.
pub(super) const fn count(min: u64, max: u64) -> Bounds {
    Bounds::Whole {
        min,
        max,
        unit: None,
    }
}

/// A time to wait, in milliseconds: at most 30 days.
pub(super) const fn wait_ms(min: u64) -> Bounds {
    Bounds::Whole {
        min,
        max: 30 * DAY_MS,
        unit: Some("30 days"),
    }
}

/// A time that is remembered or compared with a clock, in milliseconds: at most a century, which means "for ever".
pub(super) const fn memory_ms(min: u64) -> Bounds {
    Bounds::Whole {
        min,
        max: 36_525 * DAY_MS,
        unit: Some("100 years"),
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { min, max, unit } => {
                write!(f, "{min} to {max}")?;
                unit.map_or(Ok(()), |unit| write!(f, " ({unit})"))
            }
            Self::Share => f.write_str("0 to 1"),
        }
    }
}
