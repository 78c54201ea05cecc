//! One payment, and all that can act on it.

use std::hash::{Hash, Hasher};

use holdfast_core::*;

use super::bank::Verdict;
use super::machine::{Flaw, Machine};

/// How long after its mark became durable a request may still reach the bank, in ticks.
pub(crate) const DELAY_MAX: u64 = 1;

/// What a flight has heard and not yet made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Heard {
    Answer(Verdict),
    NotSent,
    Nothing,
    Found(Verdict),
    NotFound { asked_at: u64 },
    NoReply,
}

/// What a flight is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    /// Between steps.
    Steps,
    /// Waits for the answer to this attempt.
    Calls(u32),
    /// Has heard something.
    Records(Heard),
}

/// A flight, with the record as it last saw it: `None` before there was one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flight {
    pub(crate) view: Option<Operation>,
    pub(crate) doing: Doing,
}

/// A request on its way to the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sent {
    pub(crate) attempt: u32,
    pub(crate) marked_at: u64,
}

/// What the bank remembers of our reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    pub(crate) first_seen_at: u64,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) stored: Option<Operation>,
    /// The record as it first was final.
    pub(crate) finished: Option<Operation>,
    pub(crate) flights: [Option<Flight>; 2],
    pub(crate) on_the_way: Vec<Sent>,
    pub(crate) memory: Option<Memory>,
    pub(crate) debits: u8,
    pub(crate) crashes_left: u8,
    pub(crate) requests_left: u8,
    pub(crate) moments: Moments,
}

/// What happened on the way here, for what must be possible. It tells no two worlds apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) proven_unsent: bool,
    pub(crate) lost_a_race: bool,
    pub(crate) recovered: bool,
}

/// What of a record decides about what can follow: when it was admitted or changed last does not.
fn essence(payment: &Operation, into: &mut impl Hasher) {
    let Operation {
        state,
        attempts,
        version,
        ..
    } = payment;
    (state.name(), attempts, version).hash(into);
    match state {
        State::BankCalled(called) => {
            let BankCalled {
                phase,
                next_at,
                first_called_at,
                last_called_at,
                inquiries,
                exposed,
                mark,
                held_back,
                known,
            } = called;
            (phase, next_at.is_some(), inquiries, exposed).hash(into);
            (mark, held_back, known).hash(into);
            (first_called_at, last_called_at).hash(into);
        }
        State::Failed { reason, .. } => reason.hash(into),
        State::Received | State::Persisted | State::Settled { .. } => {}
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, into: &mut H) {
        let Self {
            now,
            stored,
            finished,
            flights,
            on_the_way,
            memory,
            debits,
            crashes_left,
            requests_left,
            moments: _,
        } = self;
        (now, on_the_way, memory, debits).hash(into);
        (crashes_left, requests_left).hash(into);
        for record in [stored, finished] {
            record.is_some().hash(into);
            if let Some(payment) = record {
                essence(payment, into);
            }
        }
        for flight in flights {
            flight.is_some().hash(into);
            if let Some(Flight { view, doing }) = flight {
                (view.is_some(), doing).hash(into);
                if let Some(payment) = view {
                    essence(payment, into);
                }
            }
        }
    }
}

impl World {
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now)
    }

    /// Commits one step: a compare-and-swap on the version.
    pub(crate) fn commit(&mut self, machine: &Machine, step: &Step) -> bool {
        let stands = self.stored.as_ref().map_or(0, |payment| payment.version);
        let fits = stands == step.expected_version();
        if !fits && machine.flaw != Some(Flaw::BlindWrites) {
            self.moments.lost_a_race = true;
            return false;
        }
        if self.finished.is_none() && step.operation.is_finished() {
            self.finished = Some(step.operation.clone());
        }
        self.moments.proven_unsent |= step.entries[0].cause == Cause::Inquiry
            && matches!(&step.operation.state, State::BankCalled(called) if !called.exposed);
        self.moments.recovered |= step.entries[0].cause == Cause::Recovery;
        self.stored = Some(step.operation.clone());
        true
    }

    /// Commits what `event` leads to from what the flight has seen, and takes up what stands then.
    pub(crate) fn advance(
        &mut self,
        machine: &Machine,
        flight: usize,
        event: &Event,
    ) -> Option<()> {
        let view = self.flights[flight].as_ref()?.view.clone()?;
        let step = transition(&view, event, self.at()).ok()?;
        let applied = self.commit(machine, &step);
        if (applied || machine.flaw == Some(Flaw::SpeaksFirst))
            && matches!(event, Event::Dispatch(_))
        {
            self.send(flight, step.operation);
        } else {
            self.reload(flight);
        }
        Some(())
    }

    pub(crate) fn send(&mut self, flight: usize, marked: Operation) {
        self.on_the_way.push(Sent {
            attempt: marked.attempts,
            marked_at: self.now,
        });
        self.on_the_way.sort_unstable();
        self.flights[flight] = Some(Flight {
            doing: Doing::Calls(marked.attempts),
            view: Some(marked),
        });
    }

    /// The flight goes on from what is durable; it lands when nothing is left to do.
    pub(crate) fn reload(&mut self, flight: usize) {
        let rests = self.stored.as_ref().is_some_and(|payment| {
            payment.is_finished()
                || matches!(&payment.state, State::BankCalled(called) if called.phase == Phase::Review)
        });
        self.flights[flight] = (!rests).then(|| Flight {
            view: self.stored.clone(),
            doing: Doing::Steps,
        });
    }

    pub(crate) fn hears(&mut self, attempt: u32, heard: Heard) {
        for flight in self.flights.iter_mut().flatten() {
            if flight.doing == Doing::Calls(attempt) {
                flight.doing = Doing::Records(heard);
            }
        }
    }

    pub(crate) fn step(&mut self, machine: &Machine, flight: usize) -> Option<()> {
        let view = self.flights[flight].as_ref()?.view.clone()?;
        let event = match &view.state {
            State::Persisted => machine.dispatch(),
            State::BankCalled(called) if called.next_at.is_none() => Event::OutcomeUnknown {
                next_at: self.at(),
                interruption: Interruption::Restart,
            },
            State::BankCalled(called) => match machine.next(&view, called, self.at()) {
                NextStep::Send => machine.dispatch(),
                NextStep::Escalate => Event::Escalate,
                NextStep::GiveUp => Event::GiveUp,
                // The bank's reply is an action of its own.
                NextStep::Inquire | NextStep::Rest => return None,
            },
            State::Received | State::Settled { .. } | State::Failed { .. } => return None,
        };
        self.advance(machine, flight, &event)
    }

    pub(crate) fn record(&mut self, machine: &Machine, flight: usize, heard: Heard) -> Option<()> {
        let next_at = self.at();
        let decided = |verdict: Verdict, evidence| Event::Decided {
            decision: verdict.decision(),
            evidence,
        };
        let unknown = Event::OutcomeUnknown {
            next_at,
            interruption: Interruption::NoAnswer,
        };
        let event = match heard {
            Heard::Answer(verdict) => decided(verdict, Evidence::Answer),
            Heard::NotSent => Event::NotSent { next_at },
            Heard::Nothing if machine.flaw == Some(Flaw::TimeoutIsRefusal) => {
                Event::NotSent { next_at }
            }
            Heard::Nothing => unknown,
            Heard::Found(verdict) => decided(verdict, Evidence::Inquiry),
            Heard::NotFound { asked_at } => {
                let view = self.flights[flight].as_ref()?.view.as_ref()?;
                let State::BankCalled(called) = &view.state else {
                    return None;
                };
                let age_from = match machine.flaw {
                    Some(Flaw::OldNotFoundIsProof) => self.now,
                    _ => asked_at,
                };
                let age = age_from - called.last_called_at.as_unix_ms();
                let proof = machine
                    .capability
                    .grace_ms()
                    .is_some_and(|grace| age >= grace);
                if proof || machine.flaw == Some(Flaw::NotFoundIsProof) {
                    Event::ProvenUnsent { next_at }
                } else {
                    Event::InquiryInconclusive { next_at }
                }
            }
            Heard::NoReply => Event::InquiryInconclusive { next_at },
        };
        self.advance(machine, flight, &event)
    }

    pub(crate) fn process(&mut self, machine: &Machine, sent: Sent, verdict: Verdict) -> Verdict {
        let known = self.memory.filter(|memory| match machine.capability {
            Capability::Keyed { window_ms, .. } => self.now - memory.first_seen_at < window_ms,
            Capability::InquiryOnly { .. } | Capability::Neither => false,
        });
        let verdict = if let Some(memory) = known {
            memory.verdict
        } else {
            self.debits += u8::from(verdict == Verdict::Confirms);
            let debited = self.debits > 0;
            self.memory = Some(Memory {
                first_seen_at: self.now,
                verdict: if debited { Verdict::Confirms } else { verdict },
            });
            verdict
        };
        self.on_the_way.retain(|other| *other != sent);
        verdict
    }
}

impl World {
    pub(crate) fn stands(&self, is: fn(&State) -> bool) -> bool {
        self.stored
            .as_ref()
            .is_some_and(|payment| is(&payment.state))
    }

    pub(crate) fn failed(&self, why: fn(&FailureReason) -> bool) -> bool {
        let state = self.stored.as_ref().map(|payment| &payment.state);
        matches!(state, Some(State::Failed { reason, .. }) if why(reason))
    }
}
