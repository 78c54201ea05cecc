//! What a request may take.

use std::time::Duration;

/// What the body of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyLimits {
    /// Most bytes.
    pub(crate) bytes_max: usize,
    /// It must have arrived after so long.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes_max: 16 * 1024,
            timeout: Duration::from_secs(20),
        }
    }
}
