//! The seeded source of ids and jitter: the same seed and calls give the same values.

use std::sync::{Mutex, PoisonError};

use holdfast_core::{OperationId, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Uuid;

/// Makes payment ids and jitter from one seed.
#[derive(Debug)]
pub struct SeededSource {
    ids: Mutex<Ids>,
    jitter_seed: u64,
}

#[derive(Debug)]
struct Ids {
    random: StdRng,
    /// Millisecond and counter of the latest id: ids of one process never go backwards, even when
    /// the clock does (RFC 9562, section 6.2, method 1).
    latest: (u64, u16),
}

/// The counter has 12 bits (`rand_a` of UUIDv7); it starts in the lower half to leave room.
const COUNTER_MAX: u16 = 0x0fff;
const COUNTER_START_MAX: u16 = 0x07ff;

impl SeededSource {
    /// A source whose whole output follows from `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        let jitter_seed = random.next_u64();
        Self {
            ids: Mutex::new(Ids {
                random,
                latest: (0, 0),
            }),
            jitter_seed,
        }
    }

    /// The next payment id for a payment admitted at `now`.
    pub fn operation_id(&self, now: Timestamp) -> OperationId {
        // A poisoned lock only means that another caller panicked between two plain assignments.
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (latest_ms, latest_counter) = ids.latest;
        let now_ms = now.as_unix_ms();
        let (ms, counter) = if now_ms > latest_ms {
            (now_ms, ids.random.random_range(0..=COUNTER_START_MAX))
        } else if latest_counter < COUNTER_MAX {
            (latest_ms, latest_counter + 1)
        } else {
            (
                latest_ms + 1,
                ids.random.random_range(0..=COUNTER_START_MAX),
            )
        };
        ids.latest = (ms, counter);
        let mut bytes = [0_u8; 10];
        ids.random.fill_bytes(&mut bytes);
        [bytes[0], bytes[1]] = counter.to_be_bytes();
        OperationId::from_uuid(uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid())
    }

    /// Another id that is a valid UUIDv7, for requests and the like.
    pub fn request_id(&self, now: Timestamp) -> Uuid {
        self.operation_id(now).as_uuid()
    }

    /// A number in `0.0..1.0` that depends only on the seed, the payment and the attempt. So a replayed simulation has
    /// the same waits, whatever else it drew.
    pub fn jitter(&self, payment: OperationId, attempt: u32) -> f64 {
        let (high, low) = payment.as_uuid().as_u64_pair();
        let mut seed = [0_u8; 32];
        seed[..8].copy_from_slice(&self.jitter_seed.to_le_bytes());
        seed[8..16].copy_from_slice(&high.to_le_bytes());
        seed[16..24].copy_from_slice(&low.to_le_bytes());
        seed[24..28].copy_from_slice(&attempt.to_le_bytes());
        StdRng::from_seed(seed).random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_seed_and_rise_even_when_the_clock_goes_back() {
        let draw = || {
            let source = SeededSource::new([7; 32]);
            // Ten thousand ids within one millisecond overflow the 12-bit counter.
            let times = std::iter::repeat_n(1_000_000, 10_000).chain([999_000, 1_000_500]);
            times
                .map(|ms| source.operation_id(Timestamp::from_unix_ms(ms)))
                .collect::<Vec<_>>()
        };
        let ids = draw();
        assert!(ids.is_sorted_by(|a, b| a < b), "strictly rising");
        assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
        assert_eq!(ids, draw());
    }

    #[test]
    fn jitter_depends_on_payment_and_attempt_only() {
        let source = SeededSource::new([1; 32]);
        let id = source.operation_id(Timestamp::from_unix_ms(1));
        let first = source.jitter(id, 1);
        source.operation_id(Timestamp::from_unix_ms(2));
        assert_eq!(first.to_bits(), source.jitter(id, 1).to_bits());
        assert_ne!(first.to_bits(), source.jitter(id, 2).to_bits());
        assert!((0.0..1.0).contains(&first));
    }
}
