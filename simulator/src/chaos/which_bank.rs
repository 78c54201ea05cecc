//! Which of the two banks of a world.

/// Which of the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum WhichBank {
    /// The one that is meant.
    #[default]
    Usual,
    /// The other one.
    Other,
}

impl WhichBank {
    /// The one that this is not.
    pub(super) const fn another(self) -> Self {
        match self {
            Self::Usual => Self::Other,
            Self::Other => Self::Usual,
        }
    }
}
