//! The simulated bank's promises and faults, one at a time, in virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_bank_simulator::ChargeTerms;
use holdfast_bank_simulator::faults::{Delivery, Fault, FaultProfile, Rate, Timed};
use holdfast_bank_simulator::{Bank, BankAnswer, Charge, Mode, NamedAnswer, SimulatedBankOptions};

fn bank(mode: Mode, faults: FaultProfile) -> Bank {
    let options = SimulatedBankOptions {
        mode,
        faults,
        seed: 7,
        ..SimulatedBankOptions::default()
    };
    Bank::open(&options).unwrap()
}

fn charge(reference: &str) -> Charge {
    Charge {
        bank_reference: reference.to_owned(),
        terms: ChargeTerms {
            amount: 1999,
            currency: "EUR".into(),
            debtor: "acct_alice".into(),
            creditor: "acct_shop".into(),
        },
    }
}

/// The bank confirms `hf_1`.
fn confirmed(id: &str) -> NamedAnswer {
    let transaction_id = id.to_owned();
    NamedAnswer {
        answer: BankAnswer::Confirmed { transaction_id },
        bank_reference: "hf_1".to_owned(),
    }
}

async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn a_keyed_bank_repeats_its_first_answer_and_the_others_debit_again() {
    for (mode, debits) in [(Mode::Keyed, 1), (Mode::InquiryOnly, 2), (Mode::Neither, 2)] {
        let bank = bank(mode, FaultProfile::default());
        let first = bank.charge(&charge("hf_1")).unwrap().answer;
        assert_eq!(first, Some(confirmed("b_1")));
        let again = bank.charge(&charge("hf_1")).unwrap().answer;
        assert_eq!(again == first, debits == 1, "{mode:?}");
        assert_eq!(bank.debits(), debits);
        let known = bank.inquire("hf_1").answer;
        assert_eq!(known.is_some(), mode != Mode::Neither, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_keyed_bank_refuses_a_reference_that_stands_for_something_else() {
    let bank = bank(Mode::Keyed, FaultProfile::default());
    bank.charge(&charge("hf_1")).unwrap();
    let mut other = charge("hf_1");
    other.terms.amount = 1;
    assert!(bank.charge(&other).is_err());
    assert_eq!(bank.debits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_keyed_bank_forgets_after_its_window_and_debits_again() {
    let faults = FaultProfile {
        key_window_ms: Some(1_000),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::Keyed, faults);
    bank.charge(&charge("hf_1")).unwrap();
    pass(999).await;
    bank.charge(&charge("hf_1")).unwrap();
    assert_eq!((bank.debits(), bank.injected()[&Fault::Forgotten]), (1, 0));
    pass(1).await;
    assert_eq!(bank.injected()[&Fault::Forgotten], 1);
    assert_eq!(
        bank.charge(&charge("hf_1")).unwrap().answer,
        Some(confirmed("b_1_2"))
    );
    let (lines, next) = bank.audit(0, 10);
    assert_eq!((lines.len(), lines[0].debits, next), (1, 2, None));
    assert_eq!(
        bank.inquire("hf_1").answer,
        Some(confirmed("b_1")),
        "its books remember"
    );
}

#[tokio::test(start_paused = true)]
async fn a_debit_can_be_hidden_from_inquiries_for_a_while() {
    let faults = FaultProfile {
        inquiry_not_found: Timed::new(1.0, 500, 500),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::InquiryOnly, faults);
    bank.charge(&charge("hf_1")).unwrap();
    assert_eq!((bank.inquire("hf_1").answer, bank.debits()), (None, 1));
    assert_eq!(bank.injected()[&Fault::InquiryNotFound], 1);
    pass(500).await;
    assert_eq!(bank.inquire("hf_1").answer, Some(confirmed("b_1")));
}

#[tokio::test(start_paused = true)]
async fn what_is_processed_late_is_debited_late_and_nobody_hears_of_it() {
    let faults = FaultProfile {
        late: Timed::new(1.0, 700, 700),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::Keyed, faults);
    let reaction = bank.charge(&charge("hf_1")).unwrap();
    assert_eq!(
        (reaction.delivery, reaction.answer),
        (Delivery::Silence, None)
    );
    let (after_ms, deferred) = reaction.later.unwrap();
    assert_eq!((after_ms, bank.debits()), (700, 0));
    bank.process_late(&deferred);
    bank.process_late(&deferred);
    assert_eq!(bank.debits(), 1, "a keyed bank knows it by then");
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_with_one_call_and_takes_the_others_with_it() {
    let faults = FaultProfile {
        outage: Timed::new(1.0, 2_000, 2_000),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::Keyed, faults);
    assert_eq!(
        bank.charge(&charge("hf_1")).unwrap().delivery,
        Delivery::Broken
    );
    bank.set_faults(FaultProfile::default());
    assert_eq!(
        bank.charge(&charge("hf_1")).unwrap().delivery,
        Delivery::Whole
    );

    let outage = FaultProfile {
        outage: Timed::new(1.0, 2_000, 2_000),
        ..FaultProfile::default()
    };
    bank.set_faults(outage);
    bank.inquire("hf_1");
    pass(1_999).await;
    assert_eq!(
        bank.charge(&charge("hf_2")).unwrap().delivery,
        Delivery::Broken
    );
    assert_eq!((bank.debits(), bank.injected()[&Fault::Outage]), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_twice_is_debited_twice_only_without_any_deduplication() {
    for (mode, debits) in [(Mode::Keyed, 1), (Mode::InquiryOnly, 1), (Mode::Neither, 2)] {
        let faults = FaultProfile {
            duplicate: Rate::new(1.0),
            ..FaultProfile::default()
        };
        let bank = bank(mode, faults);
        assert_eq!(
            bank.charge(&charge("hf_1")).unwrap().answer,
            Some(confirmed("b_1"))
        );
        assert_eq!(bank.debits(), debits, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn declines_are_remembered_and_move_nothing() {
    let faults = FaultProfile {
        declined: Rate::new(1.0),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::Keyed, faults);
    let first = bank.charge(&charge("hf_1")).unwrap().answer;
    let said = first.clone().map(|named| named.answer);
    assert!(matches!(said, Some(BankAnswer::Declined { .. })));
    bank.set_faults(FaultProfile::default());
    assert_eq!(bank.charge(&charge("hf_1")).unwrap().answer, first);
    assert_eq!(bank.inquire("hf_1").answer, first);
    assert_eq!((bank.debits(), bank.audit(0, 10).0.len()), (0, 0));

    let mut by_name = charge("hf_2");
    by_name.terms.creditor = "acct_declined_1".into();
    let answer = bank.charge(&by_name).unwrap().answer.unwrap();
    let expected = BankAnswer::Declined {
        code: "insufficient_funds".into(),
        message: "The account has not enough funds.".into(),
    };
    assert_eq!(
        (answer.answer, answer.bank_reference.as_str()),
        (expected, "hf_2")
    );
}

#[tokio::test(start_paused = true)]
async fn a_stray_answer_is_about_another_reference() {
    let bank = bank(Mode::Keyed, FaultProfile::default());
    bank.charge(&charge("hf_1")).unwrap();
    bank.set_faults(FaultProfile {
        stray: Rate::new(1.0),
        ..FaultProfile::default()
    });
    let reaction = bank.charge(&charge("hf_2")).unwrap();
    assert_eq!(reaction.delivery, Delivery::Stray);
    assert_eq!(reaction.answer, Some(confirmed("b_1")));
    assert_eq!(bank.inquire("hf_2").answer, Some(confirmed("b_1")));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_answers_for_a_bank_that_has_processed_it() {
    let faults = FaultProfile {
        gateway: Rate::new(1.0),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::InquiryOnly, faults);
    assert_eq!(
        bank.charge(&charge("hf_1")).unwrap().delivery,
        Delivery::Gateway
    );
    assert_eq!((bank.debits(), bank.injected()[&Fault::Gateway]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_refuses_repeats_has_the_first_answer_for_who_asks() {
    let faults = FaultProfile {
        repeat_refused: Rate::new(1.0),
        ..FaultProfile::default()
    };
    let bank = bank(Mode::Keyed, faults);
    let first = bank.charge(&charge("hf_1")).unwrap().answer;
    assert_eq!(first, Some(confirmed("b_1")));
    let again = bank.charge(&charge("hf_1")).unwrap().answer;
    let refused = |named: NamedAnswer| match named.answer {
        BankAnswer::Declined { code, .. } => code,
        BankAnswer::Confirmed { .. } => "confirmed".to_owned(),
    };
    assert_eq!(again.map(refused).as_deref(), Some("duplicate_reference"));
    assert_eq!(bank.inquire("hf_1").answer, first);
    assert_eq!(bank.debits(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_audit_pages_through_every_debit_once() {
    let bank = bank(Mode::Keyed, FaultProfile::default());
    for n in 0..7 {
        bank.charge(&charge(&format!("hf_{n}"))).unwrap();
    }
    let mut seen = Vec::new();
    let mut place = Some(0);
    while let Some(from) = place {
        let (lines, next) = bank.audit(from, 3);
        seen.extend(lines.into_iter().map(|line| line.bank_reference));
        place = next;
    }
    let expected: Vec<_> = (0..7).map(|n| format!("hf_{n}")).collect();
    assert_eq!(seen, expected);
}
