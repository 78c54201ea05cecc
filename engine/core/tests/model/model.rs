//! The model: which actions are possible in a world, and what each leads to.

use holdfast_core::*;
use stateright::{Model, Property};

use super::action::Action;
use super::bank::Verdict;
use super::machine::Machine;
use super::properties;
use super::sample::received;
use super::world::{DELAY_MAX, Doing, Flight, Heard, Moments, Sent, World};

impl Machine {
    fn actions_of(&self, world: &World, n: usize, flight: &Flight, actions: &mut Vec<Action>) {
        let Some(view) = &flight.view else {
            return actions.extend([Action::Admit(n, true), Action::Admit(n, false)]);
        };
        match (flight.doing, &view.state) {
            (Doing::Calls(_), _) => actions.push(Action::TimeUp(n)),
            (Doing::Records(_), _) => actions.push(Action::Record(n)),
            (Doing::Steps, State::Persisted) => {
                actions.extend([Action::Step(n), Action::Expire(n)]);
            }
            (Doing::Steps, State::BankCalled(called))
                if called.next_at.is_some()
                    && self.next(view, called, world.at()) == NextStep::Inquire =>
            {
                actions.extend([Action::Reply(n, true), Action::Reply(n, false)]);
            }
            (Doing::Steps, _) => actions.push(Action::Step(n)),
        }
    }
}

impl Machine {
    /// An operator who has seen the bank's books decides.
    fn resolve(&self, world: &mut World) -> Option<()> {
        let outcome = if world.debits > 0 {
            ResolvedOutcome::Settled {
                bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
            }
        } else {
            ResolvedOutcome::Failed
        };
        let resolution = Resolution {
            outcome,
            evidence: EvidenceText::new("the bank's books").unwrap(),
            operator: OperatorName::new("olga").unwrap(),
        };
        let event = Event::Resolve {
            resolution,
            watched: false,
        };
        let step = transition(world.stored.as_ref()?, &event, world.at());
        world.commit(self, &step.ok()?);
        Some(())
    }
}

impl Model for Machine {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            stored: None,
            finished: None,
            flights: [None, None],
            on_the_way: Vec::new(),
            memory: None,
            debits: 0,
            crashes_left: self.crashes,
            requests_left: self.requests,
            moments: Moments::default(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // A request arrives in time or never.
        let arrives_in_time = |sent: &Sent| world.now < sent.marked_at + DELAY_MAX;
        let over = world.finished.is_some()
            && world.on_the_way.is_empty()
            && world.flights.iter().all(Option::is_none);
        if !over && world.now < self.time && world.on_the_way.iter().all(arrives_in_time) {
            actions.push(Action::Tick);
        }
        for (n, flight) in world.flights.iter().enumerate() {
            match flight {
                // The second place is for a second flight beside the first, and for a finished payment, which
                // is only shown, none opens.
                None if (n == 0 || world.flights[0].is_some())
                    && world.requests_left > 0
                    && world.finished.is_none() =>
                {
                    actions.push(Action::Open(n));
                }
                None => {}
                Some(flight) => self.actions_of(world, n, flight, actions),
            }
        }
        for n in 0..world.on_the_way.len() {
            actions.extend([Action::Lose(n), Action::Refuse(n)]);
            for verdict in [Verdict::Confirms, Verdict::Declines] {
                for heard in [true, false] {
                    actions.push(Action::Process(n, verdict, heard));
                }
            }
        }
        let state = world.stored.as_ref().map(|payment| &payment.state);
        match state {
            Some(State::Persisted) => actions.push(Action::Cancel),
            Some(State::BankCalled(called))
                if called.phase != Phase::Awaiting && world.on_the_way.is_empty() =>
            {
                actions.push(Action::Resolve);
            }
            _ => {}
        }
        if world.crashes_left > 0 && world.flights.iter().any(Option::is_some) {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Tick => world.now += 1,
            Action::Open(n) => {
                world.requests_left -= 1;
                world.reload(n);
            }
            Action::Admit(n, with_a_turn) => {
                let admitted = transition(&received(), &Event::Admit, world.at()).ok()?;
                if world.commit(self, &admitted) && with_a_turn {
                    let flight = world.flights[n].as_mut()?;
                    flight.view.clone_from(&world.stored);
                    world.advance(self, n, &self.dispatch())?;
                } else {
                    world.reload(n);
                }
            }
            Action::Step(n) => world.step(self, n)?,
            Action::Expire(n) => world.advance(self, n, &Event::Expire)?,
            Action::TimeUp(n) => {
                world.flights[n].as_mut()?.doing = Doing::Records(Heard::Nothing);
            }
            Action::Reply(n, replies) => {
                let heard = match world.memory {
                    _ if !replies => Heard::NoReply,
                    Some(memory) => Heard::Found(memory.verdict),
                    None => Heard::NotFound {
                        asked_at: world.now,
                    },
                };
                world.flights[n].as_mut()?.doing = Doing::Records(heard);
            }
            Action::Record(n) => {
                let Doing::Records(heard) = world.flights[n].as_ref()?.doing else {
                    return None;
                };
                world.record(self, n, heard)?;
            }
            Action::Lose(n) => {
                world.on_the_way.remove(n);
            }
            Action::Refuse(n) => {
                let sent = world.on_the_way.remove(n);
                world.hears(sent.attempt, Heard::NotSent);
            }
            Action::Process(n, verdict, heard) => {
                let sent = world.on_the_way[n];
                let verdict = world.process(self, sent, verdict);
                if heard {
                    world.hears(sent.attempt, Heard::Answer(verdict));
                }
            }
            Action::Cancel => {
                let step = transition(world.stored.as_ref()?, &Event::Cancel, world.at());
                world.commit(self, &step.ok()?);
            }
            Action::Resolve => self.resolve(&mut world)?,
            Action::Crash => {
                world.crashes_left -= 1;
                // Recovery opens a flight for what is unfinished, whoever asks.
                world.flights = [None, None];
                if world.stored.is_some() {
                    world.reload(0);
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self.capability)
    }
}
