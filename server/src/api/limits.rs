//! What a request may take.

use std::time::Duration;

/// What a request may take, beside its head, which is bounded before it gets here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestLimits {
    /// Most headers.
    pub(crate) headers_max: usize,
    /// What its body may take.
    pub(crate) body: BodyLimits,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            headers_max: 64,
            body: BodyLimits::default(),
        }
    }
}

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
