//! Replaying a journal: entries that no state machine made are refused, each for what is wrong with it.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

mod sample;

use holdfast_core::journal::{Digest, Head};
use holdfast_core::journal::{Replay, ReplayError, Replayed};
use holdfast_core::ledger::{Balance, Book, Sums, accounts_of};
use holdfast_core::*;

use sample::{mark, received, request};

const NOW: Timestamp = Timestamp::from_unix_ms(1);

fn confirmed(id: &str) -> Event {
    Event::Decided {
        decision: Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new(id).unwrap(),
        },
        evidence: Evidence::Answer,
    }
}

/// Admission, dispatch, settlement, and a contradiction.
fn journal() -> Vec<JournalEntry> {
    let mut payment = received();
    let events = [
        Event::Admit,
        Event::Dispatch(mark()),
        confirmed("b_1"),
        confirmed("b_2"),
    ];
    let entries = events.map(|event| {
        let step = transition(&payment, &event, NOW).unwrap();
        payment = step.operation;
        step.entries
    });
    entries.concat()
}

/// What the replay says of the entry at `index`, when it was changed.
fn changed(index: usize, change: impl FnOnce(&mut JournalEntry)) -> Result<Replayed, ReplayError> {
    let mut entries = journal();
    change(&mut entries[index]);
    let mut replay = Replay::default();
    let mut last = None;
    for (sequence, entry) in (1..).zip(&entries[..=index]) {
        last = Some(replay.apply(sequence, entry));
    }
    last.unwrap()
}

fn problem(index: usize, change: impl FnOnce(&mut JournalEntry)) -> &'static str {
    match changed(index, change) {
        Err(ReplayError::Shape { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_machine_made_replays() {
    assert!(matches!(changed(0, |_| {}), Ok(Replayed::Open(_))));
    assert!(matches!(changed(1, |_| {}), Ok(Replayed::Open(_))));
    assert!(matches!(changed(2, |_| {}), Ok(Replayed::Finished(_))));
    assert!(matches!(changed(3, |_| {}), Ok(Replayed::Note(_))));
}

#[test]
fn an_entry_must_begin_where_its_payment_stands() {
    let begins = "it begins from another state than the payment is in";
    assert_eq!(
        problem(1, |entry| entry.from = Some(StateName::BankCalled)),
        begins
    );
    assert_eq!(problem(1, |entry| entry.from = None), begins);
    // The right state, of another merchant.
    let other = Merchant::new("other").unwrap();
    assert_eq!(problem(1, |entry| entry.merchant = other), begins);
}

#[test]
fn an_entry_must_follow_an_edge() {
    let settled = journal()[2].to.clone();
    let no_edge = "no transition leads from its state to the next";
    assert_eq!(problem(1, |entry| entry.to = settled), no_edge);
    assert_eq!(problem(1, |entry| entry.to = State::Persisted), no_edge);
}

#[test]
fn versions_and_attempts_must_follow() {
    let version = "its version is not the next one";
    assert_eq!(problem(1, |entry| entry.version = 3), version);
    let attempts = "its number of attempts does not follow";
    assert_eq!(problem(1, |entry| entry.attempts = 2), attempts);
    assert_eq!(problem(2, |entry| entry.attempts = 0), attempts);
}

#[test]
fn a_movement_must_fit_state_and_request() {
    let fit = "its movement does not fit its state and request";
    assert_eq!(problem(0, |entry| entry.movement = None), fit);
    assert_eq!(problem(2, |entry| entry.movement = None), fit);
    let hold = journal()[0].movement.clone();
    assert_eq!(problem(1, |entry| entry.movement = hold.clone()), fit);
    assert_eq!(problem(2, |entry| entry.movement = hold.clone()), fit);
}

#[test]
fn a_note_is_about_a_finished_payment_and_moves_nothing() {
    let note = "a note about a payment that is not finished";
    let (hold, admission) = (
        journal()[0].movement.clone(),
        journal()[0].admission.clone(),
    );
    let open = journal()[1].to.clone();
    assert_eq!(
        problem(3, |entry| entry.from = Some(StateName::Failed)),
        note
    );
    assert_eq!(problem(3, |entry| entry.movement = hold), note);
    assert_eq!(problem(3, |entry| entry.admission = admission), note);
    let unfinished = |entry: &mut JournalEntry| {
        entry.from = Some(StateName::BankCalled);
        entry.to = open;
    };
    assert_eq!(problem(3, unfinished), note);
}

#[test]
fn what_comes_after_damage_is_looked_at_all_the_same() {
    let entries = journal();
    let mut replay = Replay::default();
    let gap = replay.apply(3, &entries[0]);
    assert!(matches!(
        gap,
        Err(ReplayError::Gap {
            expected: 1,
            found: 3
        })
    ));
    replay.go_on_after(Head::default());
    assert_eq!(
        (replay.head(), replay.digest()),
        (Head::default(), Digest::GENESIS)
    );
    assert!(replay.apply(1, &entries[0]).is_ok());
}

#[test]
fn a_book_holds_what_its_movements_add_up_to() {
    let merchant = Merchant::default_merchant();
    let mut book = Book::default();
    for (amount, currency) in [(100, "EUR"), (7, "JPY")] {
        let request = request(amount, currency);
        let hold = request.movement(MovementKind::Hold);
        book.apply(&merchant, &hold).unwrap();
    }
    let [eur, jpy] = ["EUR", "JPY"].map(|code| Currency::from_code(code).unwrap());
    let alice = AccountId::new("alice").unwrap();
    let held = |amount| Balance {
        debits_pending: amount,
        ..Balance::default()
    };
    let expected = [(eur, held(100)), (jpy, held(7))];
    assert_eq!(book.account(&merchant, &alice), expected);
    let stranger = Merchant::new("other").unwrap();
    assert!(book.account(&stranger, &alice).is_empty());
    assert_eq!(book.iter().count(), 4);
    let sums = Sums {
        debits_pending: 100,
        credits_pending: 100,
        ..Sums::default()
    };
    assert_eq!(book.sums()[&eur], sums);
    assert!(sums.agree());
    // Set from outside, the books need not agree any more.
    let another = request(1, "EUR").movement(MovementKind::Hold);
    let [debited, _] = accounts_of(&merchant, &another);
    book.set([(debited.clone(), held(99))]);
    assert_eq!(book.balance(&debited), held(99));
    assert!(!book.sums()[&eur].agree());
    let posted_apart = Sums {
        debits_posted: 1,
        ..Sums::default()
    };
    assert!(!posted_apart.agree());
}
