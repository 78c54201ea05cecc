//! The sections of the documentation.

use poem_openapi::Tags;

/// The sections of the documentation.
#[derive(Tags)]
pub(super) enum Tag {
    /// Create, replay, look at and cancel payments.
    Payments,
    /// Balances, and the journal as a change feed.
    Books,
    /// Decide what no machine can, and see what the bank contradicted. Needs the role operator.
    Operators,
    /// For load balancers, orchestrators and Prometheus.
    Probes,
}
