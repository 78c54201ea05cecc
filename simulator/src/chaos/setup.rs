//! Which world to run.

use super::plan::{Mask, Scenario};
use super::sabotage::Sabotage;

/// Which world to run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Everything follows from it.
    pub seed: u64,
    /// Its shape.
    pub scenario: Scenario,
    /// A planted bug.
    pub sabotage: Option<Sabotage>,
    /// What is left out.
    pub mask: Mask,
}
