//! Tenures: the lives of the writer of a journal, numbered.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One life of the only writer of a journal. Each opening of an embedded store, and each takeover of a journal that
/// replicas share, has a higher number than every one before.
///
/// A mark "about to call" carries the tenure that made it. An attempt whose tenure is over has nobody left who could
/// record its end, so its outcome is unknown. An attempt of a living tenure is left to its owner.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Tenure(u64);

impl Tenure {
    /// The tenure before the first one.
    pub const NONE: Self = Self(0);

    /// The tenure with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The tenure that follows.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
