//! A permit cannot be minted outside the commit pipeline.

use holdfast_core::Attempt;
use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::SendPermit;

async fn charge_before_durable(bank: &dyn Bank, attempt: Attempt) {
    let permit = SendPermit::mint(attempt);
    bank.charge(permit).await;
}

fn main() {}
