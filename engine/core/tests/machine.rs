//! The whole machine: every state with every event, as one table. A change of any cell shows.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod sample;

use std::fmt::Write;

use holdfast_core::*;
use sample::{mark, received};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn called(phase: Phase, next_at: Option<u64>, exposed: bool) -> Operation {
    let state = State::BankCalled(BankCalled {
        phase,
        next_at: next_at.map(at),
        first_called_at: at(10),
        last_called_at: at(20),
        inquiries: 1,
        exposed,
        mark: None,
        held_back: 0,
        known: false,
    });
    Operation {
        state,
        attempts: 2,
        version: 5,
        ..received()
    }
}

/// Every state, with each shape of its data that matters.
fn states() -> Vec<(&'static str, Operation)> {
    let bank_transaction_id = BankTransactionId::new("b_1").unwrap();
    let settled = State::Settled {
        bank_transaction_id,
        at: at(30),
    };
    let failed = State::Failed {
        reason: FailureReason::Cancelled,
        at: at(30),
    };
    vec![
        ("received", received()),
        (
            "persisted",
            Operation {
                state: State::Persisted,
                version: 1,
                ..received()
            },
        ),
        ("calling", called(Phase::Awaiting, None, false)),
        (
            "calling, exposed before",
            called(Phase::Awaiting, None, true),
        ),
        (
            "waiting, never exposed",
            called(Phase::Awaiting, Some(50), false),
        ),
        ("unknown", called(Phase::Unknown, Some(50), true)),
        ("review", called(Phase::Review, None, true)),
        (
            "settled",
            Operation {
                state: settled,
                attempts: 1,
                version: 3,
                ..received()
            },
        ),
        (
            "failed",
            Operation {
                state: failed,
                version: 2,
                ..received()
            },
        ),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let confirmed = |id: &str| Decision::Confirmed {
        bank_transaction_id: BankTransactionId::new(id).unwrap(),
    };
    let resolve = |outcome| {
        let resolution = Resolution {
            outcome,
            evidence: EvidenceText::new("statement, line 14").unwrap(),
            operator: OperatorName::new("olga").unwrap(),
        };
        Event::Resolve {
            resolution,
            watched: true,
        }
    };
    vec![
        ("admit", Event::Admit),
        ("dispatch", Event::Dispatch(mark())),
        (
            "confirmed",
            Event::Decided {
                decision: confirmed("b_2"),
                evidence: Evidence::Answer,
            },
        ),
        (
            "confirmed (asked)",
            Event::Decided {
                decision: confirmed("b_2"),
                evidence: Evidence::Inquiry,
            },
        ),
        (
            "confirmed as known",
            Event::Decided {
                decision: confirmed("b_1"),
                evidence: Evidence::Answer,
            },
        ),
        (
            "declined",
            Event::Decided {
                decision: Decision::Declined {
                    code: DeclineCode::new("insufficient_funds").unwrap(),
                    message: DeclineMessage::new("no").unwrap(),
                },
                evidence: Evidence::Answer,
            },
        ),
        ("not sent", Event::NotSent { next_at: at(200) }),
        (
            "no answer",
            Event::OutcomeUnknown {
                next_at: at(200),
                interruption: Interruption::NoAnswer,
            },
        ),
        ("held back", Event::HeldBack { next_at: at(200) }),
        (
            "known",
            Event::OutcomeUnknown {
                next_at: at(200),
                interruption: Interruption::Known,
            },
        ),
        (
            "restart",
            Event::OutcomeUnknown {
                next_at: at(200),
                interruption: Interruption::Restart,
            },
        ),
        (
            "inconclusive",
            Event::InquiryInconclusive { next_at: at(200) },
        ),
        ("proven unsent", Event::ProvenUnsent { next_at: at(200) }),
        ("give up", Event::GiveUp),
        ("escalate", Event::Escalate),
        ("cancel", Event::Cancel),
        ("expire", Event::Expire),
        (
            "resolve: settled",
            resolve(ResolvedOutcome::Settled {
                bank_transaction_id: BankTransactionId::new("b_3").unwrap(),
            }),
        ),
        ("resolve: failed", resolve(ResolvedOutcome::Failed)),
        ("end watch", Event::EndWatch),
    ]
}

fn describe(step: &Step) -> String {
    let Step {
        operation, entries, ..
    } = step;
    let [entry] = entries.as_slice() else {
        panic!("a transition has one entry");
    };
    let mut text = match &operation.state {
        State::Received => "received".to_owned(),
        State::Persisted => "persisted".to_owned(),
        State::BankCalled(called) => {
            let next = called
                .next_at
                .map_or_else(|| "-".into(), |at| at.as_unix_ms().to_string());
            format!(
                "bank_called {:?} next={next} first={} last={} inquiries={} exposed={}",
                called.phase,
                called.first_called_at.as_unix_ms(),
                called.last_called_at.as_unix_ms(),
                called.inquiries,
                called.exposed
            )
        }
        State::Settled {
            bank_transaction_id,
            ..
        } => format!("settled {bank_transaction_id}"),
        State::Failed { reason, .. } => format!("failed {reason:?}"),
    };
    let movement = entry
        .movement
        .as_ref()
        .map_or_else(|| "-".into(), |m| format!("{:?}", m.kind));
    write!(
        text,
        " | {:?} {movement} attempts={}",
        entry.cause, operation.attempts
    )
    .unwrap();
    text
}

#[test]
fn every_state_with_every_event() {
    let mut table = String::new();
    for (state, payment) in states() {
        writeln!(table, "{state}").unwrap();
        for (name, event) in events() {
            let cell = match transition(&payment, &event, at(100)) {
                Ok(step) => describe(&step),
                Err(illegal) => format!("× {illegal}"),
            };
            writeln!(table, "    {name:<18} {cell}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_step_moves_the_version_by_one_and_its_entry_tells_the_same_story() {
    for (_, payment) in states() {
        for (_, event) in events() {
            let Ok(step) = transition(&payment, &event, at(100)) else {
                continue;
            };
            let (step, effect) = step.into_parts();
            let Step {
                operation: next,
                entries,
                guards,
                ..
            } = step;
            let [entry] = entries.into_inner().unwrap();
            if entry.cause.is_note() {
                assert_eq!(next, payment, "a finished payment never changes");
                assert_eq!(entry.movement, None);
            } else {
                assert_eq!(next.version, payment.version + 1);
            }
            assert_eq!(entry.version, next.version);
            assert_eq!(entry.to, next.state);
            assert_eq!(entry.attempts, next.attempts);
            assert_eq!(entry.at, at(100));
            assert_eq!(
                (next.id, &next.key, &next.request),
                (payment.id, &payment.key, &payment.request)
            );
            let first = payment.state == State::Received;
            assert_eq!(entry.from, (!first).then(|| payment.state.name()));
            assert_eq!(
                entry.admission.is_some(),
                first,
                "the request stands in the admission only"
            );
            // A hold at the admission, a post or void at the end, nothing between.
            let expected = match (&payment.state, &next.state) {
                (before, _) if before.name().is_final() => None,
                (State::Received, _) => Some(MovementKind::Hold),
                (_, State::Settled { .. }) => Some(MovementKind::Post),
                (_, State::Failed { .. }) => Some(MovementKind::Void),
                _ => None,
            };
            assert_eq!(entry.movement.map(|movement| movement.kind), expected);
            // What is held must have room; nothing else can be refused.
            let holds = expected == Some(MovementKind::Hold);
            assert_eq!(guards[..] == [Guard::AccountsHaveRoom], holds, "{guards:?}");
            // The bank may be called after a dispatch, once, with this attempt; after nothing else.
            let sends = matches!(event, Event::Dispatch(_));
            assert_eq!(effect.is_some(), sends);
            if let Some(Attempt { number, order, .. }) = effect {
                assert_eq!(number, next.attempts);
                assert_eq!(order.bank_reference, payment.bank_reference());
                assert_eq!(order.request, payment.request);
            }
        }
    }
}

/// The edges are named once, beside the machine: each transition takes one of them, and none is named that no transition
/// takes.
#[test]
fn the_legal_edges_are_those_that_transitions_take() {
    const NAMES: [StateName; 5] = [
        StateName::Received,
        StateName::Persisted,
        StateName::BankCalled,
        StateName::Settled,
        StateName::Failed,
    ];
    let mut taken = std::collections::BTreeSet::new();
    for (_, operation) in states() {
        for (_, event) in events() {
            if let Ok(step) = transition(&operation, &event, at(100))
                && !step.entries[0].cause.is_note()
            {
                taken.insert((operation.state.name(), step.operation.state.name()));
            }
        }
    }
    let pairs = NAMES
        .into_iter()
        .flat_map(|from| NAMES.map(|to| (from, to)));
    let named: std::collections::BTreeSet<_> =
        pairs.filter(|(from, to)| from.may_become(*to)).collect();
    assert_eq!(taken, named);
}

/// What each kind of bank leads to once the outcome is in question.
#[test]
fn the_recovery_policy_follows_from_what_the_bank_can_do() {
    let keyed = |window_ms, grace_ms| Capability::Keyed {
        window_ms,
        grace_ms,
    };
    let capabilities = [
        ("keyed, window open", keyed(1000, 0)),
        ("keyed, window over", keyed(90, 0)),
        ("keyed, might arrive late", keyed(1000, 910)),
        ("inquiry only", Capability::InquiryOnly { grace_ms: 1000 }),
        ("neither", Capability::Neither),
    ];
    let budgets = [
        (
            "budgets left",
            Budgets {
                attempts_max: 3,
                inquiries_max: 2,
            },
        ),
        (
            "no attempts left",
            Budgets {
                attempts_max: 2,
                inquiries_max: 2,
            },
        ),
        (
            "nothing left",
            Budgets {
                attempts_max: 2,
                inquiries_max: 1,
            },
        ),
    ];
    let mut table = String::new();
    for (state, payment) in states() {
        let State::BankCalled(called) = &payment.state else {
            continue;
        };
        if called.next_at.is_none() && called.phase == Phase::Awaiting {
            continue;
        }
        writeln!(table, "{state}").unwrap();
        for (capability_name, capability) in capabilities {
            for (budget_name, budgets) in budgets {
                let next = next_step(capability, budgets, &payment, called, at(100));
                writeln!(
                    table,
                    "    {capability_name:<20} {budget_name:<18} {next:?}"
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}
