//! The whole machine in one pure function: every (state, event) pair is decided here, none by
//! default, so a new state or event does not compile until each pair is thought about.

use super::{
    Admission, BankCalled, BankTransactionId, Cause, DeclineCode, DeclineMessage, FailureReason,
    JournalEntry, Movement, MovementKind, Payment, Phase, State, StateName, Timestamp,
};

/// Something that happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request was accepted: the intent becomes durable, the hold is placed.
    Admit,
    /// The next attempt is about to be sent.
    Dispatch,
    /// The bank confirmed the debit.
    Confirmed {
        /// The bank's id for it.
        bank_transaction_id: BankTransactionId,
        /// How we know.
        evidence: Evidence,
    },
    /// The bank declined: no debit happened.
    Declined {
        /// The bank's code.
        code: DeclineCode,
        /// The bank's words.
        message: DeclineMessage,
        /// How we know.
        evidence: Evidence,
    },
    /// The attempt under way provably was not processed; try again at `next_at`.
    NotSent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// The attempt under way ended without an answer; look again at `next_at`.
    OutcomeUnknown {
        /// When the next step is due.
        next_at: Timestamp,
        /// What ended it.
        interruption: Interruption,
    },
    /// An inquiry decided nothing; look again at `next_at`.
    InquiryInconclusive {
        /// When the next step is due.
        next_at: Timestamp,
    },
    /// An inquiry proved that no attempt was processed and none will be.
    ProvenUnsent {
        /// When the next attempt is due.
        next_at: Timestamp,
    },
    /// Every attempt is proven unsent and no more are allowed.
    GiveUp,
    /// The outcome is unknown and no automatic option is left.
    Escalate,
    /// The client wants it undone before the bank is called.
    Cancel,
    /// It waited too long for its turn.
    Expire,
}

/// How the bank's decision became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It answered the attempt.
    Answer,
    /// It answered an inquiry by our reference.
    Inquiry,
}

/// What ended an attempt without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Timeout, reset, 5xx or an unreadable answer.
    NoAnswer,
    /// The process stopped while the attempt was under way.
    Restart,
}

/// A legal transition as data: the next record and its journal entry, ledger movement included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The payment after the transition.
    pub payment: Payment,
    /// What the journal says of it.
    pub entry: JournalEntry,
}

/// Why an event cannot happen to a payment in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Settled and Failed never change.
    #[error("the payment is finished and never changes")]
    Final,
    /// Nothing is durable yet.
    #[error("the intent is not durable yet")]
    NotAdmitted,
    /// It was admitted before.
    #[error("the payment was admitted before")]
    AlreadyAdmitted,
    /// No attempt was ever made durable.
    #[error("the bank was never called")]
    NeverCalled,
    /// The bank may have it, so it can no longer be undone here.
    #[error("the bank may have it")]
    MayBeAtBank,
    /// A call is under way; its end comes first.
    #[error("a call is under way")]
    CallUnderWay,
    /// No call is under way.
    #[error("no call is under way")]
    NoCallUnderWay,
    /// The outcome is not in question.
    #[error("the outcome is not in question")]
    NotInQuestion,
    /// Some attempt may have reached the bank.
    #[error("some attempt may have been processed")]
    Exposed,
    /// An operator decides.
    #[error("the payment is in review")]
    InReview,
}

/// What the machine decides for one pair, before it is dressed as a [`Step`].
struct Move {
    to: State,
    cause: Cause,
    movement: Option<MovementKind>,
}

/// Applies `event` to `payment` at `now`.
///
/// # Errors
/// When the event cannot happen in the payment's state; nothing changes then.
pub fn transition(payment: &Payment, event: &Event, now: Timestamp) -> Result<Step, Illegal> {
    let decided = match &payment.state {
        State::Received => from_received(event),
        State::Persisted => from_persisted(event, now),
        State::BankCalled(called) => from_bank_called(called, event, now),
        State::Settled { .. } | State::Failed { .. } => Err(Illegal::Final),
    }?;
    Ok(dress(payment, event, decided, now))
}

fn from_received(event: &Event) -> Result<Move, Illegal> {
    match event {
        Event::Admit => Ok(Move {
            to: State::Persisted,
            cause: Cause::Request,
            movement: Some(MovementKind::Hold),
        }),
        Event::Dispatch
        | Event::Confirmed { .. }
        | Event::Declined { .. }
        | Event::NotSent { .. }
        | Event::OutcomeUnknown { .. }
        | Event::InquiryInconclusive { .. }
        | Event::ProvenUnsent { .. }
        | Event::GiveUp
        | Event::Escalate
        | Event::Cancel
        | Event::Expire => Err(Illegal::NotAdmitted),
    }
}

fn from_persisted(event: &Event, now: Timestamp) -> Result<Move, Illegal> {
    match event {
        Event::Dispatch => Ok(Move {
            to: State::BankCalled(BankCalled {
                phase: Phase::Awaiting,
                next_at: None,
                first_called_at: now,
                last_called_at: now,
                inquiries: 0,
                exposed: false,
            }),
            cause: Cause::Dispatch,
            movement: None,
        }),
        Event::Cancel => Ok(fail(FailureReason::Cancelled, Cause::Cancel, now)),
        Event::Expire => Ok(fail(FailureReason::Expired, Cause::Timer, now)),
        Event::Admit => Err(Illegal::AlreadyAdmitted),
        Event::Confirmed { .. }
        | Event::Declined { .. }
        | Event::NotSent { .. }
        | Event::OutcomeUnknown { .. }
        | Event::InquiryInconclusive { .. }
        | Event::ProvenUnsent { .. }
        | Event::GiveUp
        | Event::Escalate => Err(Illegal::NeverCalled),
    }
}

fn from_bank_called(called: &BankCalled, event: &Event, now: Timestamp) -> Result<Move, Illegal> {
    match event {
        Event::Admit => Err(Illegal::AlreadyAdmitted),
        // The bank's word on our reference decides, whenever it comes.
        Event::Confirmed {
            bank_transaction_id,
            evidence,
        } => Ok(Move {
            to: State::Settled {
                bank_transaction_id: bank_transaction_id.clone(),
                at: now,
            },
            cause: cause_of(*evidence),
            movement: Some(MovementKind::Post),
        }),
        Event::Declined {
            code,
            message,
            evidence,
        } => {
            let reason = FailureReason::Declined {
                code: code.clone(),
                message: message.clone(),
            };
            Ok(fail(reason, cause_of(*evidence), now))
        }
        Event::Dispatch => dispatch_again(called, now),
        Event::NotSent { next_at } => {
            call_under_way(called)?;
            // What an earlier attempt may have done stays in question.
            let phase = if called.exposed {
                Phase::Unknown
            } else {
                Phase::Awaiting
            };
            Ok(wait(
                called,
                phase,
                called.exposed,
                *next_at,
                Cause::NotSent,
            ))
        }
        Event::OutcomeUnknown {
            next_at,
            interruption,
        } => {
            call_under_way(called)?;
            let cause = match interruption {
                Interruption::NoAnswer => Cause::NoAnswer,
                Interruption::Restart => Cause::Recovery,
            };
            Ok(wait(called, Phase::Unknown, true, *next_at, cause))
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
        Event::Cancel | Event::Expire => Err(Illegal::MayBeAtBank),
    }
}

fn dispatch_again(called: &BankCalled, now: Timestamp) -> Result<Move, Illegal> {
    no_call_under_way(called)?;
    Ok(Move {
        to: State::BankCalled(BankCalled {
            phase: Phase::Awaiting,
            next_at: None,
            first_called_at: called.first_called_at,
            last_called_at: now,
            inquiries: 0,
            exposed: called.exposed,
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

fn dress(payment: &Payment, event: &Event, decided: Move, now: Timestamp) -> Step {
    let attempts = payment.attempts + u32::from(*event == Event::Dispatch);
    let from = payment.state.name();
    let admission = (from == StateName::Received).then(|| Admission {
        idempotency_key: payment.key.idempotency_key.clone(),
        request: payment.request.clone(),
    });
    let next = Payment {
        state: decided.to,
        attempts,
        version: payment.version + 1,
        updated_at: now,
        ..payment.clone()
    };
    let entry = JournalEntry {
        merchant: next.key.merchant.clone(),
        payment_id: next.id,
        version: next.version,
        from: (from != StateName::Received).then_some(from),
        to: next.state.clone(),
        attempts,
        cause: decided.cause,
        at: now,
        movement: decided
            .movement
            .map(|kind| Movement::of(kind, &next.request)),
        admission,
    };
    Step {
        payment: next,
        entry,
    }
}
