//! What a number may be. Outside of it a value is refused here, and nothing behind can overflow on it.

use serde_json::{Map, Value};

use super::{ConfigError, Mistakes, Options};

/// A number and its bounds.
struct Bounds {
    name: &'static str,
    min: u64,
    max: u64,
    /// The largest in words.
    unit: Option<&'static str>,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

const fn count(name: &'static str, min: u64, max: u64) -> Bounds {
    Bounds {
        name,
        min,
        max,
        unit: None,
    }
}

/// A time that is waited: at most 30 days.
const fn wait_ms(name: &'static str, min: u64) -> Bounds {
    Bounds {
        name,
        min,
        max: 30 * DAY_MS,
        unit: Some("30 days"),
    }
}

/// A time that is remembered or held against a clock: at most a century, which stands for "for ever".
const fn memory_ms(name: &'static str, min: u64) -> Bounds {
    Bounds {
        name,
        min,
        max: 36_525 * DAY_MS,
        unit: Some("100 years"),
    }
}

/// Every number that can be set.
const BOUNDS: [Bounds; 26] = [
    memory_ms("bank_window_ms", 0),
    wait_ms("bank_grace_ms", 0),
    wait_ms("bank_timeout_ms", 1),
    wait_ms("bank_connect_timeout_ms", 1),
    count("bank_calls_max", 1, 100_000),
    wait_ms("bank_latency_ms", 0),
    count("attempts_max", 1, 1_000_000),
    count("inquiries_max", 0, 1_000_000),
    wait_ms("backoff_base_ms", 1),
    wait_ms("backoff_cap_ms", 1),
    count("breaker_failures_max", 1, 1_000_000),
    wait_ms("breaker_open_ms", 1),
    wait_ms("breaker_open_ms_max", 1),
    memory_ms("expire_after_ms", 0),
    count("flights_max", 1, 10_000_000),
    count("connections_max", 1, 1_000_000),
    wait_ms("head_timeout_ms", 1),
    wait_ms("answer_timeout_ms", 1),
    // hyper asks for as much room at least.
    count("head_bytes_max", 8 * 1024, 16 * 1024 * 1024),
    // Twice as many are parsed, and a map of headers holds 24,576 at most.
    count("headers_max", 1, 8_192),
    count("body_bytes_max", 1, 16 * 1024 * 1024),
    wait_ms("body_timeout_ms", 1),
    // A larger rate is none.
    count("rate_per_second", 1, 1_000_000),
    count("rate_burst", 1, 3_600_000_000),
    // In MiB, so a PiB.
    count("cache_mib", 0, 1 << 30),
    // sled takes no cache of 256 TiB or more.
    count("store_cache_mib", 0, 1 << 26),
];

/// The options without what is out of its bounds, which is noted.
pub(super) fn within(mut options: Options, mistakes: &mut Mistakes) -> Options {
    // The one that is no integer, and may be none at all (NaN).
    if let Some(ratio) = options
        .otlp_ratio
        .filter(|ratio| !(0.0..=1.0).contains(ratio))
    {
        options.otlp_ratio = None;
        mistakes.note(ConfigError::OtlpRatio { ratio });
    }
    let written = serde_json::to_value(&options).map_err(ConfigError::from);
    let Some(Value::Object(mut written)) = mistakes.take(written) else {
        return Options::default();
    };
    let before = written.len();
    for bounds in &BOUNDS {
        check(bounds, &mut written, mistakes);
    }
    let empty = |value: &Value| value.as_str().is_some_and(str::is_empty);
    let names: Vec<_> = written
        .iter()
        .filter(|(_, value)| empty(value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        written.shift_remove(&name);
        mistakes.leave_out(&name);
        mistakes.note(ConfigError::Empty { name });
    }
    if written.len() == before {
        return options;
    }
    let mut kept: Options = serde_json::from_value(Value::Object(written))
        .expect("what was written by this type is read by it");
    kept.api_keys = options.api_keys;
    kept
}

fn check(bounds: &Bounds, written: &mut Map<String, Value>, mistakes: &mut Mistakes) {
    let &Bounds {
        name,
        min,
        max,
        unit,
    } = bounds;
    let Some(given) = written.get(name).and_then(Value::as_u64) else {
        return;
    };
    if (min..=max).contains(&given) {
        return;
    }
    written.shift_remove(name);
    mistakes.leave_out(name);
    mistakes.note(if given < min {
        ConfigError::TooSmall { name, min, given }
    } else {
        ConfigError::TooLarge {
            name,
            max,
            unit,
            given,
        }
    });
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::config::ServeArgs;

    fn parse(flag: &str, value: u64) -> Result<ServeArgs, clap::Error> {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let flag = format!("--{}={value}", flag.replace('_', "-"));
        let bank = "--bank=http://127.0.0.1:9";
        let rate = "--rate-per-second=1000000";
        let mut flags = vec!["serve", bank, &flag];
        if flag.contains("rate-burst") {
            flags.push(rate);
        }
        ServeArgs::from_arg_matches(&command.try_get_matches_from(flags)?)
    }

    #[test]
    fn every_number_has_bounds() {
        let numbers = serde_json::to_value(Options::defaults(&Options::default())).unwrap();
        let numbers = numbers.as_object().unwrap().clone();
        for (name, value) in numbers {
            let bounded = BOUNDS.iter().any(|bounds| bounds.name == name);
            // A rate has no default: there is none.
            let is_number = value.is_u64() || name.starts_with("rate_");
            assert_eq!(bounded, is_number, "{name}: {value}");
        }
    }

    #[test]
    fn numbers_outside_their_bounds_are_refused_and_the_bounds_taken() {
        for &Bounds { name, min, max, .. } in &BOUNDS {
            let outside = [max + 1, i64::MAX as u64, u64::MAX];
            let below = (min > 0).then(|| min - 1);
            for value in outside.into_iter().chain(below) {
                // What does not fit its type is wrong usage by itself.
                let Ok(args) = parse(name, value) else {
                    continue;
                };
                let said = args.read().unwrap_err().to_string();
                assert!(
                    said.contains(name) && said.contains(&value.to_string()),
                    "{said}"
                );
            }
            for value in [min, max] {
                let args = parse(name, value).unwrap();
                let written = args
                    .read()
                    .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
                // What goes together with others is told of them too; but nothing is out of range.
                if let Err(error) = written.settings() {
                    let said = error.to_string();
                    assert!(!said.contains(", and is "), "{said}");
                }
            }
        }
    }
}
