//! What can happen next, and what follows.

use std::sync::Arc;

use holdfast_core::*;
use stateright::{Model, Property};

use super::properties;
use super::sample::{mark, received};
use super::world::{DELAY_MAX, Doing, Flight, Heard, Moments, Sent, Verdict, World};

/// A bug to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    /// A write applies whatever version it expects.
    BlindWrites,
    /// An attempt is sent whether its mark became durable or not.
    SpeaksFirst,
    /// A timeout counts as "not sent".
    TimeoutIsRefusal,
    /// "Not found" counts at once.
    NotFoundIsProof,
    /// "Not found" counts by the time at which it was heard, not at which it was asked for.
    OldNotFoundIsProof,
    /// An outcome in question is sent again though the bank does not deduplicate.
    ResendsInQuestion,
    /// The bank is trusted to deduplicate for ever.
    WindowForgotten,
}

/// The bound, and the bank.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) capability: Capability,
    pub(crate) budgets: Budgets,
    /// How often the process ends without a word.
    pub(crate) crashes: u8,
    /// How many requests of clients make a flight.
    pub(crate) requests: u8,
    /// Ticks.
    pub(crate) time: u64,
    pub(crate) flaw: Option<Flaw>,
}

impl Machine {
    pub(crate) fn with(capability: Capability) -> Self {
        Self {
            capability,
            budgets: Budgets {
                attempts_max: 2,
                inquiries_max: 2,
            },
            crashes: 1,
            requests: 3,
            time: 5,
            flaw: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    /// A client's request, a duplicate or recovery opens this flight.
    Open(usize),
    /// The flight admits the payment; with a turn at the bank, its first attempt too.
    Admit(usize, bool),
    /// The flight does what its record calls for.
    Step(usize),
    /// The flight waited for its turn too long.
    Expire(usize),
    /// A flight no longer waits for an answer.
    TimeUp(usize),
    /// The bank answers an inquiry of the flight, or does not.
    Reply(usize, bool),
    /// The flight makes durable what it has heard.
    Record(usize),
    /// A request is lost, or never left.
    Lose(usize),
    /// The bank refuses a request without processing it, and says so.
    Refuse(usize),
    /// The bank processes a request; its answer arrives, or not.
    Process(usize, Verdict, bool),
    Cancel,
    /// An operator who has seen the bank's books decides.
    Resolve,
    Crash,
}

impl Machine {
    /// The next attempt is about to be sent.
    pub(crate) fn dispatch(&self) -> Event {
        Event::Dispatch(Arc::new(Mark {
            capability: self.believed(),
            ..Mark::clone(&mark())
        }))
    }

    /// What the service takes the bank to promise.
    fn believed(&self) -> Capability {
        let never_forgets = Capability::Keyed {
            window_ms: u64::MAX,
            grace_ms: 0,
        };
        match self.flaw {
            Some(Flaw::ResendsInQuestion | Flaw::WindowForgotten) => never_forgets,
            _ => self.capability,
        }
    }

    pub(crate) fn next(
        &self,
        payment: &Operation,
        called: &BankCalled,
        now: Timestamp,
    ) -> NextStep {
        next_step(self.believed(), self.budgets, payment, called, now)
    }
}

impl Action {
    /// Whether this flight acts.
    pub(crate) fn is_of(self, flight: usize) -> bool {
        match self {
            Self::Admit(n, _)
            | Self::Step(n)
            | Self::Expire(n)
            | Self::TimeUp(n)
            | Self::Reply(n, _)
            | Self::Record(n) => n == flight,
            Self::Tick
            | Self::Open(_)
            | Self::Lose(_)
            | Self::Refuse(_)
            | Self::Process(..)
            | Self::Cancel
            | Self::Resolve
            | Self::Crash => false,
        }
    }
}

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
            Action::Resolve => {
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
            }
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
