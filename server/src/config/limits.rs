//! The limits on clients.

use std::num::NonZeroU32;
use std::time::Duration;

use super::ConfigError;
use super::options::Values;
use crate::accept::ConnectionLimits;
use crate::api::{BodyLimits, RateOptions, RequestLimits};

/// All limits on clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: ConnectionLimits,
    pub(crate) request: RequestLimits,
    pub(crate) rate: Option<RateOptions>,
}

/// Most seconds that a burst may take to refill: a larger one would be a rate of its own.
const BURST_SECONDS_MAX: u32 = 3_600;

impl Limits {
    pub(super) fn of(values: &Values) -> Result<Self, ConfigError> {
        let ConnectionLimits {
            headers_parsed_max, ..
        } = ConnectionLimits::default();
        Ok(Self {
            connections: ConnectionLimits {
                connections_max: values.connections_max,
                head_timeout: Duration::from_millis(values.head_timeout_ms),
                head_bytes_max: values.head_bytes_max,
                answer_timeout: Duration::from_millis(values.answer_timeout_ms),
                headers_parsed_max: values.headers_max.saturating_mul(2).max(headers_parsed_max),
            },
            request: RequestLimits {
                headers_max: values.headers_max,
                body: BodyLimits {
                    bytes_max: values.body_bytes_max,
                    timeout: Duration::from_millis(values.body_timeout_ms),
                },
            },
            rate: rate(values)?,
        })
    }
}

fn rate(values: &Values) -> Result<Option<RateOptions>, ConfigError> {
    let Some(per_second) = values.rate_per_second else {
        return match values.rate_burst {
            None => Ok(None),
            Some(_) => Err(ConfigError::BurstAlone),
        };
    };
    let burst = values.rate_burst.unwrap_or(per_second);
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let (per_second, burst) = (positive(per_second), positive(burst));
    if burst.get() / per_second > BURST_SECONDS_MAX {
        return Err(ConfigError::Burst { burst, per_second });
    }
    Ok(Some(RateOptions { per_second, burst }))
}
