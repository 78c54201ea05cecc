//! Log and traces, as configured.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::ConfigError;
use super::options::Values;
use crate::telemetry::{TelemetryOptions, TraceOptions};

impl TelemetryOptions {
    pub(super) fn of(values: &Values) -> Result<Self, ConfigError> {
        let log = &values.log;
        let no_filter = |problem: String| ConfigError::Log {
            log: log.clone(),
            problem,
        };
        // A word alone would be taken for a target, and a misspelt level would silence everything else.
        let alone = log.split(',').map(str::trim);
        let mut alone = alone.filter(|part| !part.is_empty() && !part.contains(['=', '[', ':']));
        if let Some(word) = alone.find(|word| word.parse::<LevelFilter>().is_err()) {
            return Err(no_filter(format!("{word} is not a level")));
        }
        let filter = EnvFilter::try_new(log).map_err(|error| no_filter(error.to_string()))?;
        Ok(Self {
            filter,
            format: values.log_format,
            traces: traces(values)?,
        })
    }
}

fn traces(values: &Values) -> Result<Option<TraceOptions>, ConfigError> {
    let Some(written) = &values.otlp_endpoint else {
        return Ok(None);
    };
    let ratio = values.otlp_ratio;
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
