//! What must hold, and what must be possible.

use holdfast_core::*;
use stateright::{Model, Property};

use super::machine::Machine;
use super::world::World;

/// All properties, for a bank with this capability.
pub(crate) fn of(capability: Capability) -> Vec<Property<Machine>> {
    let mut properties = must_hold();
    properties.extend(must_be_possible());
    if capability != Capability::Neither {
        properties.push(Property::sometimes(
            "it is proven unsent",
            |_, world: &World| world.moments.proven_unsent,
        ));
    }
    properties
}

/// What must hold in every world.
fn must_hold() -> Vec<Property<Machine>> {
    vec![
        Property::always("at most one debit", |_, world: &World| world.debits <= 1),
        Property::always("failed is not debited", |_, world: &World| {
            world.debits == 0 || !world.stands(|state| matches!(state, State::Failed { .. }))
        }),
        Property::always("settled is debited", |_, world: &World| {
            world.debits == 1 || !world.stands(|state| matches!(state, State::Settled { .. }))
        }),
        Property::always("final is final", |_, world: &World| {
            world.finished.is_none() || world.finished == world.stored
        }),
        Property::always("the bank hears of what is durable", |_, world: &World| {
            let durable = world.stored.as_ref().map_or(0, |payment| payment.attempts);
            world.on_the_way.iter().all(|sent| sent.attempt <= durable)
        }),
        Property::always("no attempt is sent twice", |_, world: &World| {
            let pairs = world.on_the_way.windows(2);
            pairs
                .into_iter()
                .all(|pair| pair[0].attempt != pair[1].attempt)
        }),
        Property::always("budgets hold", |machine: &Machine, world: &World| {
            let payment = world.stored.as_ref();
            payment.is_none_or(|payment| {
                payment.attempts <= machine.budgets.attempts_max
                    && !matches!(&payment.state, State::BankCalled(called)
                            if called.inquiries > machine.budgets.inquiries_max)
            })
        }),
        Property::always(
            "whoever is left has something to do",
            |machine: &Machine, world: &World| {
                let mut actions = Vec::new();
                machine.actions(world, &mut actions);
                world.flights.iter().enumerate().all(|(n, flight)| {
                    flight.is_none() || actions.iter().any(|action| action.is_of(n))
                })
            },
        ),
    ]
}

/// What must happen in at least one world.
fn must_be_possible() -> Vec<Property<Machine>> {
    vec![
        Property::sometimes("the bank declines", |_, world: &World| {
            world.failed(|reason| matches!(reason, FailureReason::Declined { .. }))
        }),
        Property::sometimes("a client cancels", |_, world: &World| {
            world.failed(|reason| *reason == FailureReason::Cancelled)
        }),
        Property::sometimes("it expires", |_, world: &World| {
            world.failed(|reason| *reason == FailureReason::Expired)
        }),
        Property::sometimes("it is given up unsent", |_, world: &World| {
            world.failed(|reason| *reason == FailureReason::NotSent)
        }),
        Property::sometimes("an operator says that it failed", |_, world: &World| {
            world.failed(|reason| *reason == FailureReason::Resolved)
        }),
        Property::sometimes("it settles at once", |_, world: &World| {
            world.stands(|state| matches!(state, State::Settled { .. })) && world.now == 0
        }),
        Property::sometimes("it settles after a second attempt", |_, world: &World| {
            world.stands(|state| matches!(state, State::Settled { .. }))
                && world
                    .stored
                    .as_ref()
                    .is_some_and(|payment| payment.attempts == 2)
        }),
        Property::sometimes("it goes to review", |_, world: &World| {
            world.stands(
                |state| matches!(state, State::BankCalled(called) if called.phase == Phase::Review),
            )
        }),
        Property::sometimes("two flights race", |_, world: &World| {
            world.moments.lost_a_race
        }),
        Property::sometimes("recovery closes an attempt", |_, world: &World| {
            world.moments.recovered
        }),
    ]
}
