//! An attempt cannot be put on a step that does not mark it, and cannot be made by hand.

use holdfast_core::{Attempt, Order, Step};

fn allow(step: &mut Step, attempt: Attempt) {
    step.effect = Some(attempt);
}

fn again(attempt: &Attempt, order: Order) -> Attempt {
    Attempt {
        number: attempt.number + 1,
        order,
    }
}

fn main() {}
