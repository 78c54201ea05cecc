//! The example payment at each point of its life, made by the real state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_core::{
    AccountId, Amount, BankAddress, BankName, BankTransactionId, Capability, Currency, Decision,
    DeclineCode, DeclineMessage, Event, Evidence, EvidenceText, IdempotencyKey, Interruption,
    JournalEntry, Mark, Merchant, Metadata, Operation, OperationId, OperationKey, OperatorName,
    PaymentRequest, Reference, Resolution, ResolvedOutcome, Timestamp, transition,
};
use uuid::Uuid;

/// Payments at each point of one life, and its journal.
pub(super) struct Life {
    pub(super) called: Operation,
    pub(super) settled: Operation,
    pub(super) declined: Operation,
    pub(super) cancelled: Operation,
    pub(super) unknown: Operation,
    pub(super) resolved: Operation,
    pub(super) contradiction: JournalEntry,
    pub(super) journal: Vec<JournalEntry>,
}

/// The life that all examples tell of.
pub(super) fn life() -> Life {
    let at = |ms: u64| Timestamp::from_unix_ms(1_767_225_600_000 + ms);
    let id = Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0001);
    let key = OperationKey {
        merchant: Merchant::default_merchant(),
        idempotency_key: IdempotencyKey::new("8e03978e-40d5-43dd-bc93-6894a57f9324")
            .expect("a UUID is a key"),
    };
    let mark = Mark {
        bank: BankName::new("default").expect("a name"),
        address: BankAddress::new("https://bank.example:443").expect("an address"),
        capability: Capability::Keyed {
            window_ms: 86_400_000,
            grace_ms: 60_000,
        },
        tenure: None,
    };
    let received = Operation::received(OperationId::from_uuid(id), key, request().into(), at(0))
        .for_bank(mark.bank.clone());
    let step = |payment: &Operation, event: Event, ms| {
        transition(payment, &event, at(ms)).expect("a legal life")
    };
    let admitted = step(&received, Event::Admit, 0);
    let called = step(&admitted.operation, Event::Dispatch(Arc::new(mark)), 0);
    let bank_transaction_id =
        || BankTransactionId::new("b_019b76daa80070008000000000000001").expect("a transaction id");
    let answer = |decision| Event::Decided {
        decision,
        evidence: Evidence::Answer,
    };
    let confirmed = Decision::Confirmed {
        bank_transaction_id: bank_transaction_id(),
    };
    let declined = Decision::Declined {
        code: DeclineCode::new("insufficient_funds").expect("a code"),
        message: DeclineMessage::new("The account has not enough funds.").expect("a message"),
    };
    let unknown = Event::OutcomeUnknown {
        next_at: at(10_000),
        interruption: Interruption::NoAnswer,
    };
    let resolution = |outcome| {
        let resolution = Resolution {
            outcome,
            evidence: EvidenceText::new("Statement of 2026-01-02, line 14").expect("evidence"),
            operator: OperatorName::new("default").expect("a name"),
        };
        Event::Resolve {
            resolution,
            watched: true,
        }
    };
    let settled = step(&called.operation, answer(confirmed.clone()), 120);
    let unknown = step(&called.operation, unknown, 10_000).operation;
    let resolved = resolution(ResolvedOutcome::Settled {
        bank_transaction_id: bank_transaction_id(),
    });
    let failed = step(&unknown, resolution(ResolvedOutcome::Failed), 3_600_000).operation;
    Life {
        declined: step(&called.operation, answer(declined), 120).operation,
        resolved: step(&unknown, resolved, 3_600_000).operation,
        contradiction: step(&failed, answer(confirmed), 3_601_000)
            .entries
            .remove(0),
        unknown,
        cancelled: step(&admitted.operation, Event::Cancel, 900).operation,
        settled: settled.operation,
        called: called.operation,
        journal: [admitted.entries, called.entries, settled.entries].concat(),
    }
}

fn request() -> PaymentRequest {
    let metadata = BTreeMap::from([("cart".to_owned(), "77".to_owned())]);
    PaymentRequest::new(
        Amount::new(1999).expect("an amount"),
        Currency::from_code("EUR").expect("a currency"),
        AccountId::new("acct_alice").expect("an account"),
        AccountId::new("acct_shop").expect("an account"),
        Some(Reference::new("order 1001").expect("a reference")),
        Metadata::new(metadata).expect("metadata"),
    )
    .expect("two parties")
}
