//! The examples of the generated document, made by the code that makes real answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_engine::ledger::Book;
use holdfast_engine::payment::{
    AccountId, Amount, BankAddress, BankName, BankTransactionId, Capability, Currency, Decision,
    DeclineCode, DeclineMessage, Event, Evidence, EvidenceText, IdempotencyKey, Interruption,
    JournalEntry, Mark, Merchant, Metadata, OperatorName, Payment, PaymentId, PaymentKey,
    PaymentRequest, Reference, Resolution, ResolvedOutcome, Timestamp, transition,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::account_view::AccountView;
use super::event_view::{EventPageView, EventView, JournalPageView};
use super::payment_answers::PAYMENTS_PATH;
use super::problem::{FieldError, Kind, Problem};
use super::view::{PaymentPageView, PaymentView};
use crate::web::same_origin;

/// One named example of an answer.
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// Payments at each point of one life, and its journal.
pub(super) struct Life {
    pub(super) called: Payment,
    pub(super) settled: Payment,
    pub(super) declined: Payment,
    pub(super) cancelled: Payment,
    pub(super) unknown: Payment,
    pub(super) resolved: Payment,
    pub(super) contradiction: JournalEntry,
    journal: Vec<JournalEntry>,
}

/// The life that all examples tell of.
pub(super) fn life() -> Life {
    let at = |ms: u64| Timestamp::from_unix_ms(1_767_225_600_000 + ms);
    let id = Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0001);
    let key = PaymentKey {
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
    };
    let received = Payment::received(PaymentId::from_uuid(id), key, Arc::new(request()), at(0))
        .for_bank(mark.bank.clone());
    let step = |payment: &Payment, event: Event, ms| {
        transition(payment, &event, at(ms)).expect("a legal life")
    };
    let admitted = step(&received, Event::Admit, 0);
    let called = step(&admitted.payment, Event::Dispatch(Arc::new(mark)), 0);
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
    let settled = step(&called.payment, answer(confirmed.clone()), 120);
    let unknown = step(&called.payment, unknown, 10_000).payment;
    let resolved = resolution(ResolvedOutcome::Settled {
        bank_transaction_id: bank_transaction_id(),
    });
    let failed = step(&unknown, resolution(ResolvedOutcome::Failed), 3_600_000).payment;
    Life {
        declined: step(&called.payment, answer(declined), 120).payment,
        resolved: step(&unknown, resolved, 3_600_000).payment,
        contradiction: step(&failed, answer(confirmed), 3_601_000).entry,
        unknown,
        cancelled: step(&admitted.payment, Event::Cancel, 900).payment,
        settled: settled.payment,
        called: called.payment,
        journal: vec![admitted.entry, called.entry, settled.entry],
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

/// The body of a create.
pub(super) fn create_body() -> Value {
    json!({
        "amount": 1999, "currency": "EUR", "debtor": "acct_alice", "creditor": "acct_shop",
        "reference": "order 1001", "metadata": {"cart": "77"},
    })
}

/// The body of an operation that takes one.
pub(super) fn body_of(operation: &str) -> Value {
    match operation {
        "resolvePayment" => json!({
            "outcome": "settled", "evidence": "Statement of 2026-01-02, line 14",
            "bank_transaction_id": "b_019b76daa80070008000000000000001",
        }),
        _ => create_body(),
    }
}

/// An excerpt of the feed as server-sent events.
pub(super) fn event_stream() -> Value {
    let life = life();
    let last = life.journal.len() as u64;
    let view = EventView::of(last, &life.journal[life.journal.len() - 1]);
    let data = serde_json::to_string(&view).expect("a view is plain data");
    format!("id: {last}\nevent: transition\ndata: {data}\n\n").into()
}

fn value(view: impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("a view is plain data")
}

fn payment(name: &'static str, payment: &Payment) -> Example {
    Example {
        name,
        value: value(PaymentView::of(payment)),
    }
}

fn problem(path: &str, problem: Problem) -> Example {
    Example {
        name: problem.kind.name(),
        value: value(problem.view(path)),
    }
}

/// The examples of an operation's answer with `status`.
pub(super) fn of(operation: &str, status: &str) -> Vec<Example> {
    let life = life();
    let one = format!("{PAYMENTS_PATH}/{}", life.settled.id);
    let path = match operation {
        "createPayment" | "listPayments" => PAYMENTS_PATH.to_owned(),
        "getPayment" => one.clone(),
        "listPaymentEvents" => format!("{one}/events"),
        "cancelPayment" => format!("{one}/cancel"),
        "resolvePayment" => format!("{one}/resolve"),
        "listContradictions" => "/v1/contradictions".to_owned(),
        "getAccount" => "/v1/accounts/acct_alice".to_owned(),
        "followEvents" => "/v1/events".to_owned(),
        "readJournal" => "/v1/journal".to_owned(),
        other => format!("/{other}"),
    };
    match (operation, status) {
        ("createPayment", "201") | ("getPayment", "200") => vec![payment("settled", &life.settled)],
        ("createPayment", "202") => vec![payment("in_flight", &life.called)],
        ("cancelPayment", "200") => vec![payment("cancelled", &life.cancelled)],
        ("listPayments", "200") => {
            let data = vec![PaymentView::of(&life.settled)];
            let page = PaymentPageView {
                data,
                next_cursor: None,
            };
            vec![Example {
                name: "one_payment",
                value: value(page),
            }]
        }
        ("listPaymentEvents" | "followEvents", "200") => {
            let events = (15..).zip(&life.journal);
            let data = events
                .map(|(sequence, entry)| EventView::of(sequence, entry))
                .collect();
            let page = EventPageView {
                data,
                next_cursor: None,
            };
            vec![Example {
                name: "a_settled_payment",
                value: value(page),
            }]
        }
        ("resolvePayment", "200") => vec![payment("settled", &life.resolved)],
        ("getAccount", "200") => {
            let mut book = Book::default();
            for entry in &life.journal {
                if let Some(movement) = &entry.movement {
                    book.apply(&entry.merchant, movement)
                        .expect("the books fit");
                }
            }
            let debtor = life.settled.request.debtor();
            let balances = book.account(&life.settled.key.merchant, debtor);
            vec![Example {
                name: "one_payment",
                value: value(AccountView::of(debtor, &balances)),
            }]
        }
        ("readJournal", "200") => {
            let data = (1_u64..).zip(&life.journal).take(1);
            let page = JournalPageView {
                read_to: 1,
                data: data
                    .map(|(sequence, entry)| json!({"sequence": sequence, "entry": entry}))
                    .collect(),
                next_cursor: Some("1".to_owned()),
            };
            vec![Example {
                name: "an_admission",
                value: value(page),
            }]
        }
        ("listContradictions", "200") => {
            let page = EventPageView {
                data: vec![EventView::of(21, &life.contradiction)],
                next_cursor: None,
            };
            vec![Example {
                name: "a_debit_after_all",
                value: value(page),
            }]
        }
        ("livez" | "readyz", "200") => vec![Example {
            name: "ok",
            value: "ok\n".into(),
        }],
        ("metrics", "200") => {
            let text = "# HELP holdfast_flights Open flights.\n# TYPE holdfast_flights gauge\n\
                        holdfast_flights 3\n";
            vec![Example {
                name: "excerpt",
                value: text.into(),
            }]
        }
        (_, status) => problems(status, &path, &life)
            .into_iter()
            .filter(|example| operation == "createPayment" || !example.is_about_keys())
            .collect(),
    }
}

impl Example {
    fn is_about_keys(&self) -> bool {
        self.name.starts_with("idempotency-key")
    }
}

#[expect(clippy::too_many_lines, reason = "one table, by status")]
fn problems(status: &str, path: &str, life: &Life) -> Vec<Example> {
    let field = |field: &str, message: &str| {
        Problem::validation(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    };
    let is_create = path == PAYMENTS_PATH;
    let is_resolve = path.ends_with("/resolve");
    let problems = match status {
        "400" if is_create => {
            vec![
            field("amount", "must be an integer from 1 to 999999999999 in minor units")
                .new_key_safe(true),
            Problem::new(
                Kind::KeyMissing,
                "Send an Idempotency-Key header that names this intent to pay, for example a UUID.",
            )
            .new_key_safe(true),
            Problem::new(
                Kind::KeyInvalid,
                "The Idempotency-Key header is malformed: the closing quote is missing.",
            )
            .new_key_safe(true),
        ]
        }
        "400" if is_resolve => vec![field("evidence", "is required")],
        "400" if path.starts_with("/v1/payments/") && !path.ends_with("/events") => {
            vec![field(
                "If-Match",
                "must be a list of entity tags, or *: If-Match: \"3\"",
            )]
        }
        "400" => vec![field("limit", "must be an integer from 1 to 100")],
        "401" => vec![Problem::new(
            Kind::Unauthorized,
            "Send `Authorization: Bearer hf_...` with an API key of this service.",
        )],
        "402" => vec![
            Problem::new(
                Kind::PaymentFailed,
                "insufficient_funds: The account has not enough funds.",
            )
            .instance(format!("{PAYMENTS_PATH}/{}", life.declined.id))
            .new_key_safe(true)
            .payment(PaymentView::of(&life.declined)),
        ],
        "403" if is_create || path.ends_with("/cancel") => {
            vec![Problem::new(Kind::Forbidden, same_origin::REFUSED)]
        }
        "403" => vec![Problem::new(
            Kind::Forbidden,
            "This API key has the role merchant; this needs the role operator.",
        )],
        "404" if path.starts_with("/v1/accounts/") => vec![Problem::new(
            Kind::NotFound,
            "There is no such account: nothing ever moved.",
        )],
        "404" => vec![Problem::new(Kind::NotFound, "There is no such payment.")],
        "409" if is_create => vec![Problem::new(
            Kind::InProgress,
            format!("The payment {} is still in flight.", life.called.id),
        )],
        "409" if is_resolve => vec![
            Problem::new(Kind::NotResolvable, "The payment is settled.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.settled.id))
                .payment(PaymentView::of(&life.settled)),
        ],
        "412" => vec![
            Problem::new(Kind::VersionStale, "The payment has version 3 by now.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.unknown.id))
                .payment(PaymentView::of(&life.unknown)),
        ],
        "428" => vec![Problem::new(
            Kind::VersionRequired,
            "Send the payment's version in If-Match, for example If-Match: \"3\".",
        )],
        "409" => vec![
            Problem::new(Kind::NotCancellable, "The payment is settled.")
                .instance(format!("{PAYMENTS_PATH}/{}", life.settled.id))
                .payment(PaymentView::of(&life.settled)),
        ],
        "413" => vec![
            Problem::new(
                Kind::ContentTooLarge,
                "The body may have at most 16384 bytes.",
            )
            .new_key_safe(true),
        ],
        "415" => vec![
            Problem::new(
                Kind::UnsupportedMediaType,
                "Send the body as JSON in UTF-8, with Content-Type: application/json.",
            )
            .new_key_safe(true),
        ],
        "422" => vec![
            Problem::new(
                Kind::KeyReused,
                "The key stands for a payment with another amount. Nothing was changed.",
            )
            .mismatched_fields(&["amount"]),
            Problem::new(
                Kind::AccountFull,
                "The account acct_shop cannot take more in EUR. Nothing was changed.",
            )
            .new_key_safe(true),
        ],
        "408" => vec![
            Problem::new(Kind::RequestTimeout, "The body did not arrive within 20 s.")
                .new_key_safe(true),
        ],
        "429" => vec![Problem::new(
            Kind::RateLimited,
            "This merchant may send 100 requests a second, and 200 at once. This one did nothing; send it again \
                 in 1 s.",
        )],
        "431" => vec![Problem::new(
            Kind::TooManyHeaders,
            "The request may have at most 64 headers.",
        )],
        "500" => vec![Problem::new(
            Kind::InternalError,
            "Something went wrong inside Holdfast; the log has it under this X-Request-Id.",
        )],
        "503" => vec![holdfast_engine::service::Unavailable::Draining.into()],
        _ => Vec::new(),
    };
    problems.into_iter().map(|p| problem(path, p)).collect()
}
