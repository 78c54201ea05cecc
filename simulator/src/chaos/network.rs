//! Clients, and the network between them and the service.

use bytes::Bytes;

use super::auditor::{Asked, Standing};
use super::event::Event;
use super::message::{Answer, Message};
use super::moments::Sometimes;
use super::plan::Action;
use super::random::Draw;
use super::trace::Track;
use super::world::World;

impl World<'_> {
    fn draw_for(&self, message: Message, leg: &str) -> Draw {
        self.ground
            .draw("network")
            .with(message.operation.into())
            .with(message.attempt.into())
            .with(message.copy.into())
            .stream(leg)
    }

    fn happened(&self, moment: Sometimes, fault: &'static str) {
        let mut state = self.ground.lock();
        state.happened(moment);
        state.injected(fault);
    }

    /// The transit time of a message.
    fn delay_ms(&self, draw: Draw) -> u64 {
        let rates = &self.ground.plan.network;
        if self.network_is_faulty() && draw.stream("slow").happens(rates.slow) {
            self.ground.lock().injected("network_slow");
            draw.stream("slow-ms").between(1, rates.slow_ms)
        } else {
            draw.stream("ms").between(0, 3)
        }
    }

    pub(super) fn send(&mut self, message: Message) {
        let Some(effort) = self.clients.efforts.get(&message.operation).copied() else {
            return;
        };
        if effort.done {
            return;
        }
        let action = effort.operation.action;
        self.ground
            .note(Track::Client, Some(action.key()), message, || {
                format!(
                    "sends: {action} (attempt {}, copy {})",
                    message.attempt + 1,
                    message.copy + 1
                )
            });
        if message.copy == 0 {
            self.plan_in(effort.operation.policy.timeout_ms, Event::TimeUp(message));
        }
        let draw = self.draw_for(message, "request");
        let rates = self.ground.plan.network;
        if self.network_is_faulty() && draw.stream("lost").happens(rates.lost) {
            self.happened(Sometimes::RequestLost, "request_lost");
            self.ground
                .note(Track::Network, Some(action.key()), message, || {
                    "the request is lost".to_owned()
                });
            return;
        }
        self.plan_in(self.delay_ms(draw), Event::Arrive(message));
        if self.network_is_faulty() && draw.stream("repeated").happens(rates.repeated) {
            self.happened(Sometimes::RequestRepeated, "request_repeated");
            let repeat = Message {
                copy: message.copy + 100,
                ..message
            };
            self.plan_in(self.delay_ms(draw.with(1)), Event::Arrive(repeat));
        }
        if self.network_is_faulty() && draw.stream("reset").happens(rates.reset) {
            let after = draw.stream("reset-ms").between(1, 60);
            self.plan_in(after, Event::Reset(message));
        }
    }

    pub(super) fn arrive(&mut self, message: Message) {
        let Some(effort) = self.clients.efforts.get(&message.operation).copied() else {
            return;
        };
        let action = effort.operation.action;
        let key = action.key();
        let Some(request) = self.request(action) else {
            return;
        };
        if self.life.is_none() {
            // No process is listening.
            self.ground.note(Track::Network, Some(key), message, || {
                "connection refused".to_owned()
            });
            self.broken(message);
            return;
        }
        let floor = {
            let mut state = self.ground.lock();
            let known = state.auditor.of_key(key);
            let standing = known.map(super::auditor::Known::standing);
            if matches!(action, Action::Pay { .. }) && standing.is_some_and(Standing::is_final) {
                state.happened(Sometimes::LateDuplicate);
            } else if standing.is_some() && state.recovering.contains(&key) {
                state.happened(Sometimes::JoinedRecovery);
            }
            state.auditor.floor(key)
        };
        self.floors.insert(message, floor);
        self.ground.note(Track::Network, Some(key), message, || {
            format!("arrives: {action}")
        });
        if let Some(life) = &mut self.life {
            life.serve(message, request);
        }
    }

    /// An answer leaves the service: the auditor sees it first.
    pub(super) fn answered(&mut self, answer: Answer) {
        let message = answer.message;
        if let Some(life) = &mut self.life {
            life.at_work.remove(&message);
        }
        let Some(action) = self.clients.action(message) else {
            return;
        };
        let floor = self.floors.remove(&message).unwrap_or(0);
        let key = action.key();
        {
            let mut state = self.ground.lock();
            let in_flight = state
                .auditor
                .of_key(key)
                .is_some_and(|known| !known.standing().is_final());
            state
                .auditor
                .answered(Asked { action, floor }, answer.status, &answer.body);
            let life = state.auditor.life;
            let finished_before = state
                .auditor
                .of_key(key)
                .is_some_and(|known| known.finished_in.is_some_and(|finished| finished < life));
            let is_pay = matches!(action, Action::Pay { .. });
            match answer.status {
                201 | 402 if is_pay && answer.replayed && finished_before => {
                    state.happened(Sometimes::ReplayedAfterRestart);
                }
                202 => state.happened(Sometimes::Accepted),
                409 if is_pay => state.happened(Sometimes::StrictRefused),
                409 if matches!(action, Action::Cancel { .. }) => {
                    state.happened(Sometimes::CancelTooLate);
                }
                422 if in_flight => state.happened(Sometimes::MismatchInFlight),
                422 => state.happened(Sometimes::Mismatch),
                503 => state.happened(Sometimes::AtCapacity),
                _ => {}
            }
        }
        self.ground.note(
            Track::Service,
            Some(key),
            (message, answer.status, &answer.body),
            || format!("answers {} {}", answer.status, summary(&answer.body)),
        );
        let draw = self.draw_for(message, "answer");
        if self.network_is_faulty()
            && draw
                .stream("lost")
                .happens(self.ground.plan.network.answer_lost)
        {
            self.happened(Sometimes::AnswerLost, "answer_lost");
            self.ground.note(Track::Network, Some(key), message, || {
                "the answer is lost".to_owned()
            });
            return;
        }
        self.plan_in(self.delay_ms(draw), Event::Hear(answer));
    }

    /// The connection of a request breaks while the service works on it.
    pub(super) fn reset(&mut self, message: Message) {
        let was_at_work = self.life.as_mut().is_some_and(|life| life.reset(message));
        if was_at_work {
            self.happened(Sometimes::ConnectionReset, "connection_reset");
            let key = self.clients.action(message).map(Action::key);
            self.ground.note(Track::Network, key, message, || {
                "the connection breaks".to_owned()
            });
            self.floors.remove(&message);
            self.broken(message);
        }
    }

    /// A client learns immediately that its request gets no answer.
    pub(super) fn broken(&mut self, message: Message) {
        self.floors.remove(&message);
        self.retry(message, 0);
    }

    pub(super) fn hear(&mut self, answer: &Answer) {
        let message = answer.message;
        let Some(effort) = self.clients.efforts.get_mut(&message.operation) else {
            return;
        };
        let more = matches!(answer.status, 202 | 503)
            || (answer.status == 409 && matches!(effort.operation.action, Action::Pay { .. }));
        effort.done |= !more;
        let key = effort.operation.action.key();
        self.ground
            .note(Track::Client, Some(key), (message, answer.status), || {
                format!("receives {}", answer.status)
            });
        if more {
            self.retry(message, 20);
        }
    }

    pub(super) fn time_up(&mut self, message: Message) {
        let waiting = self
            .clients
            .efforts
            .get(&message.operation)
            .is_some_and(|effort| !effort.done && effort.attempt == message.attempt);
        if waiting {
            let key = self.clients.action(message).map(Action::key);
            self.ground.lock().happened(Sometimes::ClientTimeout);
            self.ground.note(Track::Client, key, message, || {
                "gives up waiting".to_owned()
            });
            self.retry(message, 0);
        }
    }

    fn retry(&mut self, message: Message, at_least_ms: u64) {
        let Some(effort) = self.clients.efforts.get_mut(&message.operation) else {
            return;
        };
        let policy = effort.operation.policy;
        let latest = effort.attempt == message.attempt;
        if effort.done || !latest || effort.attempt >= policy.retries {
            return;
        }
        effort.attempt += 1;
        let next = Message {
            attempt: effort.attempt,
            copy: 0,
            ..message
        };
        let wait_ms = policy.backoff_ms << effort.attempt.min(6);
        self.plan_in(wait_ms.max(at_least_ms), Event::Send(next));
    }
}

/// The state in an answer, for people.
fn summary(body: &Bytes) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let payment = value.get("payment").unwrap_or(&value);
    let text = |name: &str| {
        payment
            .get(name)
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    text("state")
        .map(|state| format!("{state}, version {}", payment["version"]))
        .or_else(|| {
            value
                .get("type")
                .and_then(|kind| kind.as_str().map(str::to_owned))
        })
        .unwrap_or_default()
}
