//! A permit cannot be minted outside the commit pipeline.

use holdfast_engine::bank::Bank;
use holdfast_engine::payment::Payment;
use holdfast_engine::pipeline::SendPermit;

async fn charge_before_durable(bank: &dyn Bank, payment: &Payment) {
    let permit = SendPermit::mint(payment);
    bank.charge(permit).await;
}

fn main() {}
