//! The ways that compile: a permit that came with a durable intent is used up by one call.

use holdfast_core::{Dispatch, Step};
use holdfast_engine::bank::Bank;
use holdfast_engine::pipeline::{Admitted, Dispatched, Pipeline};

#[expect(dead_code)]
async fn charge(pipeline: &Pipeline, bank: &dyn Bank, intent: Step) {
    if let Ok(Admitted::Admitted { permit: Some(permit), .. }) = pipeline.admit(intent).await {
        bank.charge(permit).await;
    }
}

#[expect(dead_code)]
async fn charge_again(pipeline: &Pipeline, bank: &dyn Bank, dispatch: Dispatch) {
    if let Ok(Dispatched::Cleared { permit, .. }) = pipeline.dispatch(dispatch).await {
        bank.charge(permit).await;
    }
}

fn main() {}
