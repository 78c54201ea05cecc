//! The pure machine, explored whole: every order in which flights, crashes, clients, an operator and an
//! ambiguous bank can act on one payment, up to a bound.
//!
//! Two flights may drive the same payment at once, which the service never lets happen: the machine and
//! the compare-and-swap must be enough. Time moves in ticks, and anything may take any number of them, so
//! backoff needs no model: a flight that waits is one that is not chosen.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod action;
mod bank;
mod machine;
mod model;
mod properties;
#[path = "../sample/mod.rs"]
mod sample;
mod world;

use holdfast_core::Capability;
use machine::{Flaw, Machine};
use stateright::{Checker, HasDiscoveries, Model};
use world::DELAY_MAX;

/// "Not found" proves nothing up to this age of the last attempt: no request arrives later.
const GRACE: u64 = DELAY_MAX + 1;
/// The shortest memory of a bank in which a second attempt fits.
const WINDOW: u64 = GRACE + 2;

const KEYED: Capability = Capability::Keyed {
    window_ms: WINDOW,
    grace_ms: GRACE,
};
const INQUIRY_ONLY: Capability = Capability::InquiryOnly { grace_ms: GRACE };

/// Explores every state within the bound and prints how many there are.
fn explore(name: &str, machine: Machine) {
    let checker = machine.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} of them distinct, at most {} actions deep",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn with_a_keyed_bank_every_order_of_events_is_safe() {
    explore("keyed", Machine::with(KEYED));
}

#[test]
fn with_a_bank_that_can_only_be_asked_every_order_of_events_is_safe() {
    explore("inquiry only", Machine::with(INQUIRY_ONLY));
}

#[test]
fn with_a_bank_that_does_neither_every_order_of_events_is_safe() {
    explore("neither", Machine::with(Capability::Neither));
}

/// A model that finds nothing wrong proves something only if it would.
#[test]
fn each_flaw_is_found_by_the_property_it_breaks() {
    let flaws = [
        (Flaw::BlindWrites, KEYED, "final is final"),
        (
            Flaw::SpeaksFirst,
            KEYED,
            "the bank hears of what is durable",
        ),
        (Flaw::TimeoutIsRefusal, INQUIRY_ONLY, "at most one debit"),
        (Flaw::NotFoundIsProof, INQUIRY_ONLY, "at most one debit"),
        (Flaw::OldNotFoundIsProof, INQUIRY_ONLY, "at most one debit"),
        (Flaw::ResendsInQuestion, INQUIRY_ONLY, "at most one debit"),
        (Flaw::WindowForgotten, KEYED, "at most one debit"),
    ];
    for (flaw, capability, property) in flaws {
        let machine = Machine {
            flaw: Some(flaw),
            ..Machine::with(capability)
        };
        let wanted = HasDiscoveries::AllOf([property].into());
        let checker = machine.checker().threads(2).finish_when(wanted);
        let checker = checker.spawn_bfs().join();
        let found = checker.discovery(property);
        let found = found.unwrap_or_else(|| panic!("{flaw:?} does not break {property:?}"));
        println!(
            "{flaw:?}: {} actions break {property:?}",
            found.into_actions().len()
        );
    }
}
