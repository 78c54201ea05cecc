//! What a request may take.

use crate::web::body::BodyLimits;

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
