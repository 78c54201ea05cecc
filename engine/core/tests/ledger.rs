//! The books: whatever happens to payments, debits and credits agree, each payment holds once and
//! posts or voids once, and the journal alone leads to the same payments and balances.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_core::journal::{Replay, ReplayError, Replayed};
use holdfast_core::ledger::{Balance, Book, LedgerError, SIDE_MAX, apply};
use holdfast_core::*;
use proptest::prelude::*;

fn mark() -> Arc<Mark> {
    Arc::new(Mark {
        bank: BankName::new("default").unwrap(),
        address: BankAddress::new("http://bank.example:80").unwrap(),
        capability: Capability::Neither,
        tenure: None,
    })
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn request(amount: u64, debtor: &str, creditor: &str, currency: &str) -> Request {
    let request = PaymentRequest::new(
        Amount::new(amount).unwrap(),
        Currency::from_code(currency).unwrap(),
        AccountId::new(debtor).unwrap(),
        AccountId::new(creditor).unwrap(),
        None,
        Metadata::new(BTreeMap::new()).unwrap(),
    );
    Request::from(request.unwrap())
}

fn received(n: u8, amount: u64) -> Operation {
    let (merchant, currency) = if n.is_multiple_of(2) {
        ("even", "EUR")
    } else {
        ("odd", "JPY")
    };
    let key = OperationKey {
        merchant: Merchant::new(merchant).unwrap(),
        idempotency_key: IdempotencyKey::new(&format!("k{n}")).unwrap(),
    };
    let (debtor, creditor) = (format!("d{}", n % 3), format!("c{}", n % 2));
    let request = request(amount, &debtor, &creditor, currency);
    Operation::received(
        OperationId::from_uuid(uuid::Uuid::from_u128(n.into())),
        key,
        request,
        at(0),
    )
}

/// Any event, whether it fits or not.
fn events() -> impl Strategy<Value = Event> {
    let transaction = || BankTransactionId::new("b_1").unwrap();
    let resolution = |outcome| {
        let resolution = Resolution {
            outcome,
            evidence: EvidenceText::new("seen").unwrap(),
            operator: OperatorName::new("olga").unwrap(),
        };
        Event::Resolve {
            resolution,
            watched: true,
        }
    };
    let declined = Decision::Declined {
        code: DeclineCode::new("no").unwrap(),
        message: DeclineMessage::new("No.").unwrap(),
    };
    let confirmed = Decision::Confirmed {
        bank_transaction_id: transaction(),
    };
    let decided = |decision| Event::Decided {
        decision,
        evidence: Evidence::Answer,
    };
    let next_at = at(5);
    proptest::sample::select(vec![
        Event::Admit,
        Event::Dispatch(mark()),
        Event::Dispatch(mark()),
        decided(confirmed),
        decided(declined),
        Event::NotSent { next_at },
        Event::HeldBack { next_at },
        Event::EndWatch,
        Event::OutcomeUnknown {
            next_at,
            interruption: Interruption::NoAnswer,
        },
        Event::InquiryInconclusive { next_at },
        Event::ProvenUnsent { next_at },
        Event::GiveUp,
        Event::Escalate,
        Event::Cancel,
        Event::Expire,
        resolution(ResolvedOutcome::Failed),
        resolution(ResolvedOutcome::Settled {
            bank_transaction_id: transaction(),
        }),
    ])
}

proptest! {
    #[test]
    fn any_sequence_of_transitions_keeps_the_sums_and_replays_to_its_state(
        amounts in prop::collection::vec(1..=Amount::MAX, 6),
        steps in prop::collection::vec((0..6_u8, events()), 0..120),
    ) {
        let mut payments: Vec<_> = (0..6).map(|n| received(n, amounts[usize::from(n)])).collect();
        let (mut book, mut replay) = (Book::default(), Replay::default());
        let mut movements: BTreeMap<OperationId, Vec<MovementKind>> = BTreeMap::new();
        let mut finished: BTreeMap<OperationId, Operation> = BTreeMap::new();
        let mut sequence = 0;
        for (which, event) in steps {
            let payment = &mut payments[usize::from(which)];
            let Ok(step) = transition(payment, &event, at(sequence)) else {
                continue;
            };
            sequence += 1;
            if let Some(movement) = &step.entries[0].movement {
                book.apply(&step.entries[0].merchant, movement).unwrap();
                movements.entry(payment.id).or_default().push(movement.kind);
            }
            match replay.apply(sequence, &step.entries[0]).unwrap() {
                Replayed::Finished(rebuilt) => {
                    prop_assert_eq!(&*rebuilt, &step.operation);
                    finished.insert(rebuilt.id, *rebuilt);
                }
                Replayed::Open(id) => prop_assert_eq!(replay.open(id), Some(&step.operation)),
                Replayed::Note(id) => prop_assert_eq!(finished.get(&id), Some(&step.operation)),
            }
            *payment = step.operation;
            prop_assert!(book.sums().values().all(|sums| sums.agree()));
            prop_assert_eq!(&book, replay.book());
        }
        for payment in &payments {
            let moved = movements.get(&payment.id).cloned().unwrap_or_default();
            let expected: &[MovementKind] = match payment.state.name() {
                StateName::Received => &[],
                StateName::Persisted | StateName::BankCalled => &[MovementKind::Hold],
                StateName::Settled => &[MovementKind::Hold, MovementKind::Post],
                StateName::Failed => &[MovementKind::Hold, MovementKind::Void],
            };
            prop_assert_eq!(moved, expected);
        }
        let unfinished = payments.iter().filter(|payment| {
            !payment.is_finished() && payment.state != State::Received
        });
        prop_assert_eq!(replay.all_open().count(), unfinished.count());
    }

    /// Whoever takes an entry out, puts one in twice or changes one is found out.
    #[test]
    fn a_journal_that_was_changed_does_not_replay(at_index: prop::sample::Index, how in 0..5_u8) {
        let mut entries = Vec::new();
        for n in 0..3 {
            let mut payment = received(n, 100);
            let confirmed = Event::Decided {
                decision: Decision::Confirmed {
                    bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
                },
                evidence: Evidence::Answer,
            };
            for event in [Event::Admit, Event::Dispatch(mark()), confirmed] {
                let step = transition(&payment, &event, at(1)).unwrap();
                entries.extend(step.entries);
                payment = step.operation;
            }
        }
        let untouched = run(&entries).unwrap();
        let index = at_index.index(entries.len());
        match how {
            0 => { entries.remove(index); }
            1 => entries.insert(index, entries[index].clone()),
            2 => entries[index].version += 1,
            3 => entries[index].at = at(2),
            _ => entries[index].movement = match entries[index].movement.take() {
                Some(mut movement) => {
                    movement.amount = Amount::new(101).unwrap();
                    Some(movement)
                }
                None => Some(request(1, "a", "b", "EUR").movement(MovementKind::Hold)),
            },
        }
        // Either it makes no sense any more, or its digest is another one.
        if let Ok(changed) = run(&entries) {
            prop_assert_ne!(changed.head(), untouched.head());
        }
    }
}

fn run(entries: &[JournalEntry]) -> Result<Replay, ReplayError> {
    let mut replay = Replay::default();
    for (sequence, entry) in (1..).zip(entries) {
        replay.apply(sequence, entry)?;
    }
    Ok(replay)
}

#[test]
fn an_account_that_is_full_refuses_the_hold_and_what_was_held_can_still_be_posted() {
    assert_eq!(SIDE_MAX, 9_007_199_254_740_991, "2^53 - 1");
    let movement = |kind, amount| request(amount, "a", "b", "EUR").movement(kind);
    let near = Balance {
        credits_posted: SIDE_MAX - 100,
        ..Balance::default()
    };
    let refused = apply(
        &movement(MovementKind::Hold, 101),
        [Balance::default(), near],
    );
    assert!(matches!(refused, Err(LedgerError::Full { account, .. }) if account.as_str() == "b"));
    let held = apply(
        &movement(MovementKind::Hold, 100),
        [Balance::default(), near],
    )
    .unwrap();
    let posted = apply(&movement(MovementKind::Post, 100), held).unwrap();
    assert_eq!(posted[1].credits_posted, SIDE_MAX);
    let never_held = apply(&movement(MovementKind::Void, 1), posted);
    assert!(
        matches!(never_held, Err(LedgerError::NotHeld { account, .. }) if account.as_str() == "a")
    );
}
