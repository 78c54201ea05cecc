//! Which world to run.

use super::plan::{Mask, Scenario};
use super::sabotage::Sabotage;

/// Which world to run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The seed. Everything follows from it.
    pub seed: u64,
    /// The scenario.
    pub scenario: Scenario,
    /// The planted bug, if there is one.
    pub sabotage: Option<Sabotage>,
    /// The parts that are left out.
    pub mask: Mask,
}
