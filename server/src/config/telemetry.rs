//! What the service says of itself.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::{ConfigError, Options};
use crate::telemetry::{TelemetryOptions, TraceOptions};

/// What the log takes unless told otherwise.
pub(super) const LOG: &str = "info";

/// The share of traces that is recorded unless told otherwise.
pub(super) const OTLP_RATIO: f64 = 1.0;

impl TelemetryOptions {
    pub(super) fn of(options: &Options) -> Result<Self, ConfigError> {
        let log = options.log.as_deref().unwrap_or(LOG);
        let no_filter = |problem: String| ConfigError::Log {
            log: log.to_owned(),
            problem,
        };
        // A word alone would be taken for a target, and a misspelt level would silence everything else.
        let alone = log.split(',').map(str::trim);
        let mut alone = alone.filter(|part| !part.is_empty() && !part.contains(['=', '[', ':']));
        if let Some(word) = alone.find(|word| word.parse::<LevelFilter>().is_err()) {
            return Err(no_filter(format!("{word} is no level")));
        }
        let filter = EnvFilter::try_new(log).map_err(|error| no_filter(error.to_string()))?;
        Ok(Self {
            filter,
            format: options.log_format.unwrap_or_default(),
            traces: traces(options)?,
        })
    }
}

fn traces(options: &Options) -> Result<Option<TraceOptions>, ConfigError> {
    let ratio = options.otlp_ratio.unwrap_or(OTLP_RATIO);
    if !(0.0..=1.0).contains(&ratio) {
        return Err(ConfigError::OtlpRatio { ratio });
    }
    let Some(written) = &options.otlp_endpoint else {
        return Ok(None);
    };
    let collector = reqwest::Url::parse(written).ok();
    let collector = collector.filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain
    });
    match collector {
        Some(collector) => Ok(Some(TraceOptions { collector, ratio })),
        None => Err(ConfigError::OtlpEndpoint),
    }
}
