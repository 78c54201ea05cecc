//! A permit cannot be put together by hand.

use holdfast_engine::bank::{Bank, ChargeOrder};
use holdfast_engine::pipeline::SendPermit;

async fn charge_without_intent(bank: &dyn Bank, order: ChargeOrder) {
    let permit = SendPermit { order, attempt: 1 };
    bank.charge(permit).await;
}

fn main() {}
