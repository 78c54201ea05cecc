//! A permit cannot be put together by hand.

use holdfast_core::Attempt;
use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::SendPermit;

async fn charge_without_intent(bank: &dyn Bank, attempt: Attempt) {
    let permit = SendPermit(attempt);
    bank.charge(permit).await;
}

fn main() {}
