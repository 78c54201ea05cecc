//! What clients may take of the service.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{ConfigError, Options};
use crate::accept::ConnectionLimits;
use crate::api::{BodyLimits, RateOptions, RequestLimits};

/// All limits on clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: ConnectionLimits,
    pub(crate) request: RequestLimits,
    pub(crate) rate: Option<RateOptions>,
}

/// Most seconds that a bucket may take to fill: beyond that a burst is a rate of its own.
const BURST_SECONDS_MAX: u32 = 3_600;

impl Limits {
    pub(super) fn of(options: &Options) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let (connections, request) = (defaults.connections, defaults.request);
        let headers_max = options.headers_max.unwrap_or(request.headers_max);
        let ms = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
        Ok(Self {
            connections: ConnectionLimits {
                connections_max: options
                    .connections_max
                    .unwrap_or(connections.connections_max),
                head_timeout: ms(options.head_timeout_ms, connections.head_timeout),
                head_bytes_max: options.head_bytes_max.unwrap_or(connections.head_bytes_max),
                answer_timeout: ms(options.answer_timeout_ms, connections.answer_timeout),
                headers_parsed_max: headers_max
                    .saturating_mul(2)
                    .max(connections.headers_parsed_max),
            },
            request: RequestLimits {
                headers_max,
                body: BodyLimits {
                    bytes_max: options.body_bytes_max.unwrap_or(request.body.bytes_max),
                    timeout: ms(options.body_timeout_ms, request.body.timeout),
                },
            },
            rate: rate(options)?,
        })
    }
}

fn rate(options: &Options) -> Result<Option<RateOptions>, ConfigError> {
    let Some(per_second) = options.rate_per_second else {
        return match options.rate_burst {
            None => Ok(None),
            Some(_) => Err(ConfigError::BurstAlone),
        };
    };
    let burst = options.rate_burst.unwrap_or(per_second);
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let (per_second, burst) = (positive(per_second), positive(burst));
    if burst.get() / per_second > BURST_SECONDS_MAX {
        return Err(ConfigError::Burst { burst, per_second });
    }
    Ok(Some(RateOptions { per_second, burst }))
}
