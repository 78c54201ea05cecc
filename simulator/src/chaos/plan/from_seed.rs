//! Draws a plan from a seed.

use super::Plan;
use super::rates::{Crashes, MediumRates, Mistakes, NetworkRates};
use super::scenario::Scenario;
use super::service_options::{lane, options};
use super::shapes::shape;
use super::swarm_faults::families;
use crate::chaos::random::Draw;
use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::FaultProfile;

impl Plan {
    /// Draws the world of a seed.
    pub fn draw(seed: u64, scenario: Scenario) -> Self {
        let draw = Draw::new(seed);
        let mut plan = Self {
            seed,
            scenario,
            families: families(draw.stream("families")),
            network: NetworkRates::default(),
            mode: Mode::Keyed,
            bank: FaultProfile::default(),
            grace_ms: 500,
            medium: MediumRates::default(),
            crashes: Crashes::default(),
            jumps: Vec::new(),
            stops: Vec::new(),
            mistakes: Mistakes::default(),
            options: options(draw.stream("options")),
            lane: lane(draw.stream("options")),
            operations: Vec::new(),
            heal_ms: draw.stream("heal").between(4_000, 12_000),
        };
        plan.mode = draw.stream("mode").pick(&[
            Mode::Keyed,
            Mode::InquiryOnly,
            Mode::Keyed,
            Mode::InquiryOnly,
            Mode::Neither,
        ]);
        shape(scenario, &mut plan, draw);
        plan
    }
}
