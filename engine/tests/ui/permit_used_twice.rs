//! One permit is one call.

use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::SendPermit;

async fn charge_twice(bank: &dyn Bank, permit: SendPermit) {
    bank.charge(permit).await;
    bank.charge(permit).await;
}

fn main() {}
