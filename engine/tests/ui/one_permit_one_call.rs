//! The one way that compiles: the permit that came with a durable intent is used up by one call.

use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::{Committed, Pipeline};
use holdfast_engine::store::Write;

#[expect(dead_code)]
async fn charge(pipeline: &Pipeline, bank: &dyn Bank, intent: Write) {
    if let Ok(Committed::Applied { permit: Some(permit), .. }) = pipeline.commit(intent).await {
        bank.charge(permit).await;
    }
}

fn main() {}
