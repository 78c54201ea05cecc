//! Runs one world for the page, and lists the choices that the page offers.

use std::collections::BTreeMap;

use holdfast_simulator::chaos::{Family, Line, Mask, Sabotage, Scenario, Setup};
use serde::{Deserialize, Serialize};

use crate::chaos::door::RealFrontDoor;
use crate::chaos::runner::{self, Wrong};
use crate::chaos::{names, picture, say};

/// The world that somebody wants to see.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorldWanted {
    seed: u64,
    scenario: String,
    sabotage: Option<String>,
    without: Vec<String>,
}

impl WorldWanted {
    /// Which world that is; else the field that is wrong, and why.
    pub(super) fn setup(&self) -> Result<Setup, (&'static str, String)> {
        let scenario = names::scenario(&self.scenario).map_err(|why| ("scenario", why))?;
        let sabotage = self.sabotage.as_deref().map(names::sabotage).transpose();
        let families = self.without.iter().map(|name| names::family(name));
        let families: Result<_, _> = families.collect();
        Ok(Setup {
            seed: self.seed,
            scenario,
            sabotage: sabotage.map_err(|why| ("sabotage", why))?,
            mask: Mask {
                families: families.map_err(|why| ("without", why))?,
                ..Mask::default()
            },
        })
    }
}

/// Something that can be asked for.
#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    text: &'static str,
}

/// All that can be asked for.
#[derive(Debug, Serialize)]
pub(super) struct Catalogue {
    scenarios: Vec<Named>,
    sabotages: Vec<Named>,
    families: Vec<&'static str>,
}

pub(super) fn catalogue() -> Catalogue {
    let scenarios = Scenario::ALL.iter();
    let sabotages = Sabotage::ALL.iter();
    Catalogue {
        scenarios: scenarios
            .map(|one| Named {
                name: one.name(),
                text: one.description(),
            })
            .collect(),
        sabotages: sabotages
            .map(|one| Named {
                name: one.name(),
                text: one.description(),
            })
            .collect(),
        families: Family::ALL.iter().map(|one| one.name()).collect(),
    }
}

/// What came of a world.
#[derive(Debug, Serialize)]
pub(super) struct WorldShown {
    held: bool,
    verdict: String,
    command: String,
    virtual_ms: u64,
    payments: u64,
    checks: u64,
    faults: BTreeMap<&'static str, u64>,
    /// The sequence, as an SVG document.
    picture: String,
    lines: Vec<Line>,
}

/// Runs a world on this thread.
pub(super) fn show_world(setup: &Setup) -> WorldShown {
    runner::keep_panics();
    // What the simulated service logs is not about the one that runs here.
    let quiet = tracing::subscriber::NoSubscriber::default();
    let (outcome, wrong) = tracing::subscriber::with_default(quiet, || {
        runner::run_one(setup, &RealFrontDoor::new(), true)
    });
    let verdict = match &wrong {
        None => "Every promise held in this world.".to_owned(),
        Some(Wrong::Panic(text)) => format!("A part of the service panicked: {text}"),
        Some(Wrong::Violation(violation)) => format!(
            "Broken promise: {}. It broke after {} ms of virtual time. Observed: {}.",
            violation.invariant.text(),
            violation.at_ms,
            violation.detail
        ),
    };
    // Of a world that ended in a panic nothing else is known.
    let outcome = outcome.unwrap_or_default();
    WorldShown {
        held: wrong.is_none(),
        verdict,
        command: say::command(setup.seed, setup),
        virtual_ms: outcome.virtual_ms,
        payments: outcome.payments,
        checks: outcome.checks,
        faults: outcome.faults,
        picture: picture::picture(&outcome.lines, wrong.as_ref()),
        lines: outcome.lines,
    }
}
