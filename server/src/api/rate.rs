//! How many requests a merchant may send: a token bucket for each, and what its answers say of it.
//!
//! Source: draft-ietf-httpapi-ratelimit-headers-10 for the headers; the bucket is the generic cell rate algorithm.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use holdfast_core::Merchant;
use poem::Request;
use poem::http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::problem::{Kind, Problem};

/// The name of the policy in the headers.
const POLICY: &str = "merchant";

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What each merchant may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateOptions {
    /// Requests per second, sustained.
    pub(crate) per_second: NonZeroU32,
    /// Requests at once.
    pub(crate) burst: NonZeroU32,
}

type Limiter =
    RateLimiter<Merchant, HashMapStateStore<Merchant>, MonotonicClock, StateInformationMiddleware>;

/// The buckets of all merchants. There are as many as merchants with an API key.
#[derive(Clone)]
pub(crate) struct Rates {
    options: RateOptions,
    limiter: Arc<Limiter>,
}

/// What a request was told of its merchant's bucket: put into the request by the edge, filled by whoever knows the merchant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<OnceLock<Left>>);

/// What is left in a bucket.
#[derive(Debug, Clone, Copy)]
struct Left {
    requests: u32,
    /// Until the bucket is full again, or, when nothing is left, until the next request may come.
    wait: Duration,
}

impl Rates {
    pub(crate) fn new(options: RateOptions) -> Self {
        let quota = Quota::per_second(options.per_second).allow_burst(options.burst);
        let store = HashMapStateStore::default();
        let limiter: Limiter = RateLimiter::new(quota, store, MonotonicClock);
        Self {
            options,
            limiter: Arc::new(limiter),
        }
    }

    /// Takes one request out of the merchant's bucket.
    pub(crate) fn take(&self, merchant: &Merchant, request: &Request) -> Result<(), Problem> {
        let told: Option<&Told> = request.extensions().get();
        let tell = |left: Left| told.map(|told| told.0.set(left));
        match self.limiter.check_key(merchant) {
            Ok(state) => {
                let requests = state.remaining_burst_capacity();
                let missing = self.options.burst.get().saturating_sub(requests);
                tell(Left {
                    requests,
                    wait: Duration::from_secs(missing.into()) / self.options.per_second.get(),
                });
                Ok(())
            }
            Err(refused) => {
                let wait = refused.wait_time_from(MonotonicClock.now());
                let wait = wait.max(Duration::from_millis(1));
                tell(Left { requests: 0, wait });
                let RateOptions { per_second, burst } = self.options;
                let detail = format!(
                    "This merchant may send {per_second} requests per second, and {burst} at once. This request did \
                     nothing; send it again in {} s.",
                    seconds(wait)
                );
                Err(Problem::new(Kind::RateLimited, detail).retry_after(wait))
            }
        }
    }

    /// Says in the headers of an answer what its request was told.
    pub(crate) fn describe(&self, told: &Told, headers: &mut HeaderMap) {
        let Some(left) = told.0.get() else {
            return;
        };
        let RateOptions { per_second, burst } = self.options;
        // How long a full bucket takes to fill, for the field takes whole seconds.
        let window = burst.get().div_ceil(per_second.get());
        let policy = format!("\"{POLICY}\";q={burst};w={window}");
        let limit = format!("\"{POLICY}\";r={};t={}", left.requests, seconds(left.wait));
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            headers.insert(
                name,
                HeaderValue::try_from(value).expect("digits and ASCII"),
            );
        }
    }
}

/// Whole seconds, so many that the wait is over.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
