//! The examples of the generated document, made by the code that makes real answers.

mod life;
mod problems;

use holdfast_core::ledger::Book;
use holdfast_core::{Operation, Request};
use serde_json::{Value, json};

use crate::api::problem::Problem;
use crate::api::routes;
use crate::api::views::account::AccountView;
use crate::api::views::event::{EventPageView, EventView, JournalPageView};
use crate::api::views::payment::{PaymentPageView, PaymentView};
use life::{Life, life};
use problems::problems;

/// One named example of an answer.
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) value: Value,
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

fn payment(name: &'static str, payment: &Operation) -> Example {
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
    let route = routes::of_operation(operation).expect("every operation is in the table of routes");
    let path = match operation {
        "getAccount" => route.path.replace("{}", "acct_alice"),
        _ => route.path.replace("{}", &life.settled.id.to_string()),
    };
    match (operation, status) {
        ("createPayment", "201") | ("getPayment", "200") => vec![payment("settled", &life.settled)],
        ("createPayment", "202") => vec![payment("in_flight", &life.called)],
        ("cancelPayment", "200") => vec![payment("cancelled", &life.cancelled)],
        ("listPayments", "200") => vec![payment_page(&life)],
        ("listPaymentEvents" | "followEvents", "200") => vec![event_page(&life)],
        ("resolvePayment", "200") => vec![payment("settled", &life.resolved)],
        ("getAccount", "200") => vec![account(&life)],
        ("readJournal", "200") => vec![journal_page(&life)],
        ("listContradictions", "200") => vec![contradiction_page(&life)],
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
            .map(|refused| problem(&path, refused))
            .filter(|example| operation == "createPayment" || !example.is_about_keys())
            .collect(),
    }
}

/// A page of payments.
fn payment_page(life: &Life) -> Example {
    let data = vec![PaymentView::of(&life.settled)];
    let page = PaymentPageView {
        data,
        next_cursor: None,
    };
    Example {
        name: "one_payment",
        value: value(page),
    }
}

/// A page of events.
fn event_page(life: &Life) -> Example {
    let events = (15..).zip(&life.journal);
    let data = events
        .map(|(sequence, entry)| EventView::of(sequence, entry))
        .collect();
    let page = EventPageView {
        data,
        next_cursor: None,
    };
    Example {
        name: "a_settled_payment",
        value: value(page),
    }
}

/// An account.
fn account(life: &Life) -> Example {
    let mut book = Book::default();
    for entry in &life.journal {
        if let Some(movement) = &entry.movement {
            book.apply(&entry.merchant, movement)
                .expect("the books fit");
        }
    }
    let Request::Payment(request) = &life.settled.request;
    let debtor = request.debtor();
    let balances = book.account(&life.settled.key.merchant, debtor);
    Example {
        name: "one_payment",
        value: value(AccountView::of(debtor, &balances)),
    }
}

/// A page of the journal in full.
fn journal_page(life: &Life) -> Example {
    let data = (1_u64..).zip(&life.journal).take(1);
    let page = JournalPageView {
        read_to: 1,
        data: data
            .map(|(sequence, entry)| json!({"sequence": sequence, "entry": entry}))
            .collect(),
        next_cursor: Some("1".to_owned()),
    };
    Example {
        name: "an_admission",
        value: value(page),
    }
}

/// A page of contradictions.
fn contradiction_page(life: &Life) -> Example {
    let page = EventPageView {
        data: vec![EventView::of(21, &life.contradiction)],
        next_cursor: None,
    };
    Example {
        name: "a_debit_after_all",
        value: value(page),
    }
}

impl Example {
    fn is_about_keys(&self) -> bool {
        self.name.starts_with("idempotency-key")
    }
}
