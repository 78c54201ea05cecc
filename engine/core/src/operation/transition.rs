//! The whole machine in one pure function: every (state, event) pair is decided here, none by
//! default, so a new state or event does not compile until each pair is decided.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::event::{Event, Evidence, Illegal, Interruption};
use super::mark::Mark;
use super::resolution::{Decision, Resolution, ResolvedOutcome};
use super::state::{BankCalled, FailureReason, Operation, Phase, State, StateName};
use super::step::{Attempt, Guard, Step};
use crate::journal::{Admission, Cause, JournalEntry};
use crate::ledger::MovementKind;
use crate::time::Timestamp;

/// The decision for one pair, before it becomes a [`Step`].
struct Move {
    to: State,
    cause: Cause,
    movement: Option<MovementKind>,
}

/// Applies `event` to `operation` at `now`.
///
/// # Errors
/// When the event cannot happen in the operation's state; nothing changes then.
pub fn transition(operation: &Operation, event: &Event, now: Timestamp) -> Result<Step, Illegal> {
    let decided = match &operation.state {
        State::Received => from_received(event),
        State::Persisted => from_persisted(event, now),
        State::BankCalled(called) => from_bank_called(called, event, now),
        State::Settled { .. } | State::Failed { .. } => {
            return note(operation, event, now);
        }
    }?;
    Ok(dress(operation, event, decided, now))
}

fn from_received(event: &Event) -> Result<Move, Illegal> {
    match event {
        Event::Admit => Ok(Move {
            to: State::Persisted,
            cause: Cause::Request,
            movement: Some(MovementKind::Hold),
        }),
        Event::Dispatch(_)
        | Event::Decided { .. }
        | Event::NotSent { .. }
        | Event::HeldBack { .. }
        | Event::OutcomeUnknown { .. }
        | Event::InquiryInconclusive { .. }
        | Event::ProvenUnsent { .. }
        | Event::GiveUp
        | Event::Escalate
        | Event::Cancel
        | Event::Expire
        | Event::Resolve { .. }
        | Event::EndWatch => Err(Illegal::NotAdmitted),
    }
}

fn from_persisted(event: &Event, now: Timestamp) -> Result<Move, Illegal> {
    match event {
        Event::Dispatch(mark) => Ok(Move {
            to: State::BankCalled(BankCalled {
                phase: Phase::Awaiting,
                next_at: None,
                first_called_at: now,
                last_called_at: now,
                inquiries: 0,
                exposed: false,
                mark: Some(mark.clone()),
                held_back: 0,
                known: false,
            }),
            cause: Cause::Dispatch,
            movement: None,
        }),
        Event::Cancel => Ok(fail(FailureReason::Cancelled, Cause::Cancel, now)),
        Event::Expire => Ok(fail(FailureReason::Expired, Cause::Timer, now)),
        Event::Admit => Err(Illegal::AlreadyAdmitted),
        Event::Decided { .. }
        | Event::NotSent { .. }
        | Event::HeldBack { .. }
        | Event::OutcomeUnknown { .. }
        | Event::InquiryInconclusive { .. }
        | Event::ProvenUnsent { .. }
        | Event::GiveUp
        | Event::Escalate
        | Event::Resolve { .. }
        | Event::EndWatch => Err(Illegal::NeverCalled),
    }
}

fn from_bank_called(called: &BankCalled, event: &Event, now: Timestamp) -> Result<Move, Illegal> {
    match event {
        Event::Admit => Err(Illegal::AlreadyAdmitted),
        // The bank's word on our reference decides, whenever it comes.
        Event::Decided { decision, evidence } => Ok(decide(decision, cause_of(*evidence), now)),
        Event::Dispatch(mark) => dispatch_again(called, mark, now),
        Event::NotSent { next_at } => not_sent(called, *next_at),
        Event::HeldBack { next_at } => {
            let mut decided = not_sent(called, *next_at)?;
            if let State::BankCalled(next) = &mut decided.to {
                next.held_back = called.held_back.saturating_add(1);
            }
            Ok(decided)
        }
        Event::OutcomeUnknown {
            next_at,
            interruption,
        } => {
            call_under_way(called)?;
            let cause = match interruption {
                Interruption::NoAnswer => Cause::NoAnswer,
                Interruption::Known => Cause::Known,
                Interruption::Restart => Cause::Recovery,
            };
            let mut decided = wait(called, Phase::Unknown, true, *next_at, cause);
            if let State::BankCalled(next) = &mut decided.to {
                next.known |= *interruption == Interruption::Known;
            }
            Ok(decided)
        }
        Event::InquiryInconclusive { next_at } => {
            in_question(called)?;
            let mut decided = wait(called, Phase::Unknown, true, *next_at, Cause::Inquiry);
            if let State::BankCalled(next) = &mut decided.to {
                next.inquiries = called.inquiries.saturating_add(1);
            }
            Ok(decided)
        }
        Event::ProvenUnsent { next_at } => {
            in_question(called)?;
            // By the bank's own word it has the operation.
            if called.known {
                return Err(Illegal::Exposed);
            }
            Ok(wait(
                called,
                Phase::Awaiting,
                false,
                *next_at,
                Cause::Inquiry,
            ))
        }
        Event::GiveUp => {
            no_call_under_way(called)?;
            if called.exposed {
                return Err(Illegal::Exposed);
            }
            Ok(fail(FailureReason::NotSent, Cause::BudgetSpent, now))
        }
        Event::Escalate => {
            in_question(called)?;
            Ok(Move {
                to: State::BankCalled(BankCalled {
                    phase: Phase::Review,
                    next_at: None,
                    ..called.clone()
                }),
                cause: Cause::BudgetSpent,
                movement: None,
            })
        }
        Event::Resolve {
            resolution,
            watched,
        } => resolve(called, resolution, *watched, now),
        Event::Cancel | Event::Expire => Err(Illegal::MayBeAtBank),
        Event::EndWatch => Err(Illegal::NotWatched),
    }
}

fn decide(decision: &Decision, cause: Cause, now: Timestamp) -> Move {
    match decision {
        Decision::Confirmed {
            bank_transaction_id,
        } => Move {
            to: State::Settled {
                bank_transaction_id: bank_transaction_id.clone(),
                at: now,
            },
            cause,
            movement: Some(MovementKind::Post),
        },
        Decision::Declined { code, message } => {
            let reason = FailureReason::Declined {
                code: code.clone(),
                message: message.clone(),
            };
            fail(reason, cause, now)
        }
    }
}

/// An operator may decide only a payment whose outcome is unknown, and not while an attempt is under way.
fn resolve(
    called: &BankCalled,
    resolution: &Resolution,
    watched: bool,
    now: Timestamp,
) -> Result<Move, Illegal> {
    match called.phase {
        Phase::Unknown | Phase::Review => {}
        Phase::Awaiting => return Err(Illegal::NotInQuestion),
    }
    let cause = Cause::Resolution {
        operator: resolution.operator.clone(),
        evidence: resolution.evidence.clone(),
        watched,
    };
    Ok(match &resolution.outcome {
        ResolvedOutcome::Settled {
            bank_transaction_id,
        } => {
            let decision = Decision::Confirmed {
                bank_transaction_id: bank_transaction_id.clone(),
            };
            decide(&decision, cause, now)
        }
        ResolvedOutcome::Failed => fail(FailureReason::Resolved, cause, now),
    })
}

/// Evidence against a finished operation is added to the journal and never changes the record. The same is true for
/// the end of a watch.
fn note(operation: &Operation, event: &Event, now: Timestamp) -> Result<Step, Illegal> {
    let cause = match event {
        Event::Decided { decision, .. } if agrees(&operation.state, decision) => {
            return Err(Illegal::Final);
        }
        Event::Decided { decision, .. } => Cause::Contradiction(decision.clone()),
        Event::EndWatch => Cause::WatchEnded,
        Event::Admit
        | Event::Dispatch(_)
        | Event::NotSent { .. }
        | Event::HeldBack { .. }
        | Event::OutcomeUnknown { .. }
        | Event::InquiryInconclusive { .. }
        | Event::ProvenUnsent { .. }
        | Event::GiveUp
        | Event::Escalate
        | Event::Cancel
        | Event::Expire
        | Event::Resolve { .. } => return Err(Illegal::Final),
    };
    let entry = JournalEntry {
        merchant: operation.key.merchant.clone(),
        operation_id: operation.id,
        version: operation.version,
        from: Some(operation.state.name()),
        to: operation.state.clone(),
        attempts: operation.attempts,
        cause,
        at: now,
        movement: None,
        admission: None,
    };
    Ok(Step {
        operation: operation.clone(),
        entries: smallvec![entry],
        guards: SmallVec::new(),
        effect: None,
    })
}

/// Whether a finished operation ended as the bank says.
fn agrees(state: &State, decision: &Decision) -> bool {
    match (state, decision) {
        (
            State::Settled {
                bank_transaction_id: known,
                ..
            },
            Decision::Confirmed {
                bank_transaction_id,
            },
        ) => known == bank_transaction_id,
        (State::Failed { .. }, Decision::Declined { .. }) => true,
        (
            State::Received
            | State::Persisted
            | State::BankCalled(_)
            | State::Settled { .. }
            | State::Failed { .. },
            Decision::Confirmed { .. } | Decision::Declined { .. },
        ) => false,
    }
}

/// The current attempt was not processed. An earlier attempt may still have been.
fn not_sent(called: &BankCalled, next_at: Timestamp) -> Result<Move, Illegal> {
    call_under_way(called)?;
    let phase = if called.exposed {
        Phase::Unknown
    } else {
        Phase::Awaiting
    };
    let cause = Cause::NotSent;
    Ok(wait(called, phase, called.exposed, next_at, cause))
}

fn dispatch_again(called: &BankCalled, mark: &Arc<Mark>, now: Timestamp) -> Result<Move, Illegal> {
    no_call_under_way(called)?;
    // What may have reached the bank before is judged by what was promised then, too.
    let mark = if called.exposed {
        Arc::new(Mark {
            capability: called.capability(mark.capability),
            ..Mark::clone(mark)
        })
    } else {
        mark.clone()
    };
    Ok(Move {
        to: State::BankCalled(BankCalled {
            phase: Phase::Awaiting,
            next_at: None,
            // If no attempt has reached the bank, it remembers nothing: its window starts again.
            first_called_at: if called.exposed {
                called.first_called_at
            } else {
                now
            },
            last_called_at: now,
            inquiries: 0,
            exposed: called.exposed,
            mark: Some(mark),
            held_back: called.held_back,
            known: called.known && called.exposed,
        }),
        cause: Cause::Dispatch,
        movement: None,
    })
}

fn wait(
    called: &BankCalled,
    phase: Phase,
    exposed: bool,
    next_at: Timestamp,
    cause: Cause,
) -> Move {
    Move {
        to: State::BankCalled(BankCalled {
            phase,
            next_at: Some(next_at),
            exposed,
            ..called.clone()
        }),
        cause,
        movement: None,
    }
}

fn fail(reason: FailureReason, cause: Cause, now: Timestamp) -> Move {
    Move {
        to: State::Failed { reason, at: now },
        cause,
        movement: Some(MovementKind::Void),
    }
}

const fn cause_of(evidence: Evidence) -> Cause {
    match evidence {
        Evidence::Answer => Cause::BankAnswer,
        Evidence::Inquiry => Cause::Inquiry,
    }
}

fn call_under_way(called: &BankCalled) -> Result<(), Illegal> {
    match (called.phase, called.next_at) {
        (Phase::Awaiting, None) => Ok(()),
        (Phase::Review, _) => Err(Illegal::InReview),
        (Phase::Awaiting, Some(_)) | (Phase::Unknown, _) => Err(Illegal::NoCallUnderWay),
    }
}

fn no_call_under_way(called: &BankCalled) -> Result<(), Illegal> {
    match (called.phase, called.next_at) {
        (Phase::Awaiting, None) => Err(Illegal::CallUnderWay),
        (Phase::Review, _) => Err(Illegal::InReview),
        (Phase::Awaiting, Some(_)) | (Phase::Unknown, _) => Ok(()),
    }
}

const fn in_question(called: &BankCalled) -> Result<(), Illegal> {
    match called.phase {
        Phase::Unknown => Ok(()),
        Phase::Awaiting => Err(Illegal::NotInQuestion),
        Phase::Review => Err(Illegal::InReview),
    }
}

fn dress(operation: &Operation, event: &Event, decided: Move, now: Timestamp) -> Step {
    let is_dispatch = matches!(event, Event::Dispatch(_));
    let attempts = operation.attempts + u32::from(is_dispatch);
    let from = operation.state.name();
    let admission = (from == StateName::Received).then(|| Admission {
        idempotency_key: operation.key.idempotency_key.clone(),
        request: operation.request.clone(),
        bank: operation.bank.clone(),
    });
    // Field by field, so that the state that is over is not copied.
    let next = Operation {
        id: operation.id,
        key: operation.key.clone(),
        request: operation.request.clone(),
        bank: operation.bank.clone(),
        state: decided.to,
        attempts,
        version: operation.version + 1,
        // The journal knows no other beginning than the admission.
        created_at: if admission.is_some() {
            now
        } else {
            operation.created_at
        },
        updated_at: now,
    };
    let entry = JournalEntry {
        merchant: next.key.merchant.clone(),
        operation_id: next.id,
        version: next.version,
        from: (from != StateName::Received).then_some(from),
        to: next.state.clone(),
        attempts,
        cause: decided.cause,
        at: now,
        movement: decided.movement.map(|kind| next.request.movement(kind)),
        admission,
    };
    let guards = match decided.movement {
        Some(MovementKind::Hold) => smallvec![Guard::AccountsHaveRoom],
        Some(MovementKind::Post | MovementKind::Void) | None => SmallVec::new(),
    };
    let effect = is_dispatch.then(|| Attempt::of(&next));
    Step {
        operation: next,
        entries: smallvec![entry],
        guards,
        effect,
    }
}
