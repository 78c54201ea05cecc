//! What a bank, or whatever stands in front of it, may answer.

use std::cell::LazyCell;

use holdfast_core::Decision;
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_server::bank_client::{Answer, Reading, charge_outcome, inquiry_outcome};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Longest wait that is ever taken from a bank, in milliseconds.
const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1000;

/// Our reference.
const REFERENCE: &str = "hf_00000000000000000000000000000007";

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        Builder::new_current_thread().enable_time().build().expect("a runtime can be built")
    });
}

/// The input's first line is the status, then come headers, an empty line and the body.
///
/// # Panics
/// When an answer is taken to prove what it does not say.
pub fn bank_answer(input: &[u8]) {
    let (mut head, body) = super::head_and_body(input);
    let status = head
        .next()
        .and_then(|line| http::StatusCode::from_bytes(line).ok());
    let Some(status) = status else {
        return;
    };
    let headers: http::HeaderMap = head.filter_map(super::header).collect();
    let answer = || {
        let mut answer = http::Response::new(bytes::Bytes::copy_from_slice(body));
        *answer.status_mut() = status;
        answer.headers_mut().clone_from(&headers);
        Answer::from(answer)
    };
    let (charged, found) = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            (
                charge_outcome(answer(), REFERENCE, &Reading::default()).await,
                inquiry_outcome(answer(), REFERENCE, &Reading::default()).await,
            )
        })
    });
    match &charged {
        ChargeOutcome::Decided(decision) => {
            assert_eq!(status, 200);
            says(body, decision);
            assert_eq!(found, InquiryOutcome::Decided(decision.clone()));
        }
        ChargeOutcome::Throttled { retry_after_ms } => {
            assert!(matches!(status.as_u16(), 429 | 503), "{status}");
            assert!(*retry_after_ms <= RETRY_AFTER_MS_MAX, "{retry_after_ms}");
            is_marked(body, "not_processed");
        }
        ChargeOutcome::Known => {
            assert_eq!(status, 200);
            assert!(matches!(
                &found,
                InquiryOutcome::Decided(Decision::Declined { .. })
            ));
        }
        ChargeOutcome::Unknown => {}
        ChargeOutcome::NotSent => panic!("an answer came, so something was sent"),
    }
    match &found {
        InquiryOutcome::Decided(decision) => {
            assert!(
                charged == ChargeOutcome::Decided(decision.clone())
                    || charged == ChargeOutcome::Known
            );
        }
        InquiryOutcome::NotFound => {
            assert_eq!(status, 404);
            is_marked(body, "not_found");
        }
        InquiryOutcome::Unknown => {}
    }
}

/// The body has the bank's own mark, of our reference.
fn is_marked(body: &[u8], mark: &str) {
    let said: Value = serde_json::from_slice(body).expect("a mark is JSON");
    assert_eq!(
        (&said["code"], &said["bank_reference"]),
        (&mark.into(), &REFERENCE.into())
    );
}

/// The body says this decision, to whoever reads it as JSON.
fn says(body: &[u8], decision: &Decision) {
    let said: Value = serde_json::from_slice(body).expect("a decision is JSON");
    match decision {
        Decision::Confirmed {
            bank_transaction_id,
        } => {
            assert_eq!(said["status"], "confirmed");
            assert_eq!(said["transaction_id"], bank_transaction_id.as_str());
        }
        Decision::Declined { code, message } => {
            assert_eq!(said["status"], "declined");
            assert_eq!(
                (&said["code"], &said["message"]),
                (&Value::from(code.as_str()), &Value::from(message.as_str()))
            );
        }
    }
}
