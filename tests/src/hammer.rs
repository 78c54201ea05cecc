//! Clients that pay under keys of their own and of each other, until nobody answers; and ask again when
//! somebody does.

use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use http::StatusCode;

use crate::sample::{BODY, large_body};
use crate::{Client, Told};

/// Numbers that look random and follow from their place (the finaliser of `SplitMix64`).
pub const fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One client of one life of the service: new keys, duplicates of its neighbours' keys, and retries of old
/// ones, until the process is gone.
pub async fn hammer(http: &Client, told: &Mutex<Told>, life: u64, client: u64) {
    for n in 0.. {
        let dice = scatter(life << 32 | client << 24 | n);
        let key = match dice % 4 {
            // Shared by all clients of this life: concurrent duplicates.
            0 | 1 => format!("shared-{life}-{n}"),
            // From an earlier life: a late retry.
            2 if life > 0 => format!("shared-{}-{}", dice / 8 % life, dice / 1024 % 20),
            _ => format!("own-{life}-{client}-{n}"),
        };
        // Some do not wait for the end.
        let wait = if (dice / 4).is_multiple_of(8) {
            "wait=0"
        } else {
            "wait=10"
        };
        lock(told).send(&key);
        let Ok(answer) = http
            .pay_with(&key, &body_of(&key), &[("prefer", wait)])
            .await
        else {
            return;
        };
        lock(told).hear(&key, answer);
    }
}

/// Whether what is paid under a key has about as much metadata as a payment may have: one in four do, so that the log
/// grows fast.
pub fn is_large(key: &str) -> bool {
    let sum: u32 = key.bytes().map(u32::from).sum();
    sum.is_multiple_of(4)
}

fn body_of(key: &str) -> String {
    if is_large(key) {
        large_body()
    } else {
        BODY.to_owned()
    }
}

/// Requests that are repeated at once.
const AT_ONCE: usize = 32;

/// Asks for these keys once more. Each must settle, and [`Told`] hears what is said.
///
/// # Panics
/// When one does not.
pub async fn ask_again(http: &Client, told: &Mutex<Told>, keys: impl IntoIterator<Item = String>) {
    let repeats = keys.into_iter().map(|key| async move {
        let answer = http.pay(&key, &body_of(&key)).await;
        let answer = answer.expect("the service answers");
        assert_eq!(answer.status, StatusCode::CREATED, "{key}: {answer:?}");
        lock(told).hear(&key, answer);
    });
    let mut repeats = stream::iter(repeats).buffer_unordered(AT_ONCE);
    while repeats.next().await.is_some() {}
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
