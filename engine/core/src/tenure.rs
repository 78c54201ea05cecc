//! Tenures: numbered periods in which one process is the writer of a journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One period in which a single process may write a journal. Each opening of an embedded store, and each takeover of a
/// replicated journal, has a higher number than all earlier ones.
///
/// An attempt record carries the tenure that made it. If that tenure is over, nobody can record the end of the attempt
/// any more, so its outcome is unknown. An attempt of a current tenure is left to its owner.
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

    /// The tenure that follows; `None` after the largest number.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
