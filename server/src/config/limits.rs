//! What clients may take of the service.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{ConfigError, Options, at_least_one};
use crate::accept::ConnectionLimits;
use crate::api::{BodyLimits, RateOptions, RequestLimits};

/// All limits on clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: ConnectionLimits,
    pub(crate) request: RequestLimits,
    pub(crate) rate: Option<RateOptions>,
}

/// hyper asks for as much room at least.
const HEAD_BYTES_MIN: usize = 8 * 1024;

/// A larger rate is none.
const PER_SECOND_MAX: u32 = 1_000_000;

/// Most seconds that a bucket may take to fill: beyond that a burst is a rate of its own.
const BURST_SECONDS_MAX: u32 = 3_600;

impl Limits {
    pub(super) fn of(options: &Options) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let (connections, request) = (defaults.connections, defaults.request);
        let headers_max = options.headers_max.unwrap_or(request.headers_max);
        let ms = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
        let limits = Self {
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
        };
        at_least_one([
            ("connections_max", limits.connections.connections_max == 0),
            ("head_timeout_ms", limits.connections.head_timeout.is_zero()),
            (
                "answer_timeout_ms",
                limits.connections.answer_timeout.is_zero(),
            ),
            ("headers_max", limits.request.headers_max == 0),
            ("body_bytes_max", limits.request.body.bytes_max == 0),
            ("body_timeout_ms", limits.request.body.timeout.is_zero()),
        ])?;
        let head_bytes_max = limits.connections.head_bytes_max;
        if head_bytes_max < HEAD_BYTES_MIN {
            return Err(ConfigError::HeadBytes { head_bytes_max });
        }
        Ok(limits)
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
    let positive = |name, number| NonZeroU32::new(number).ok_or(ConfigError::Zero { name });
    let (per_second, burst) = (
        positive("rate_per_second", per_second)?,
        positive("rate_burst", burst)?,
    );
    if per_second.get() > PER_SECOND_MAX {
        return Err(ConfigError::Rate { per_second });
    }
    if burst.get() / per_second > BURST_SECONDS_MAX {
        return Err(ConfigError::Burst { burst, per_second });
    }
    Ok(Some(RateOptions { per_second, burst }))
}
