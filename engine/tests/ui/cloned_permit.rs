//! A permit cannot be copied.

use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::SendPermit;

async fn charge_with_a_copy(bank: &dyn Bank, permit: SendPermit) {
    bank.charge(permit.clone()).await;
    bank.charge(permit).await;
}

fn main() {}
