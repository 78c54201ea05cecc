//! The limits of the service and of its calls to the bank, drawn from a seed.

use holdfast_core::Budgets;
use holdfast_core::retry::Backoff;
use holdfast_engine::lanes::{BreakerOptions, LaneOptions};
use holdfast_engine::service::ServiceOptions;

use crate::chaos::random::Draw;

pub(super) fn lane(draw: Draw) -> LaneOptions {
    LaneOptions {
        calls_max: usize::try_from(draw.stream("bulkhead").pick(&[1, 2, 8, 64, 256]))
            .expect("a small number"),
        timeout_ms: draw.stream("timeout").pick(&[50, 200, 500, 1_000]),
        breaker: BreakerOptions {
            failures_max: u32::try_from(draw.stream("breaker").pick(&[2, 5, 10, 1_000]))
                .expect("a small number"),
            open_ms: draw.stream("open").pick(&[50, 200, 1_000]),
            open_ms_max: draw.stream("open-max").pick(&[1_000, 3_000]),
        },
    }
}

pub(super) fn options(draw: Draw) -> ServiceOptions {
    ServiceOptions {
        cache_bytes: draw.stream("cache").pick(&[0, 4_000, 40_000, 64 << 20]),
        flights_max: usize::try_from(draw.stream("flights").pick(&[4, 16, 20_000, 20_000]))
            .expect("a small number"),
        backoff: Backoff {
            base_ms: draw.stream("backoff").pick(&[10, 50, 200]),
            cap_ms: draw.stream("cap").pick(&[500, 2_000, 5_000]),
        },
        budgets: Budgets {
            attempts_max: u32::try_from(draw.stream("attempts").pick(&[2, 5, 20]))
                .expect("a small number"),
            inquiries_max: u32::try_from(draw.stream("inquiries").pick(&[3, 10, 50]))
                .expect("a small number"),
        },
        batch_max: usize::try_from(draw.stream("batch").pick(&[1, 4, 64, 256]))
            .expect("a small number"),
        expire_after_ms: draw.stream("expire").pick(&[2_000, 20_000, 3_600_000]),
    }
}
