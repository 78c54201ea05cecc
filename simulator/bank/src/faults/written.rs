//! Profiles as people write them: in a TOML file, or as JSON to a bank that runs.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::built_in::{CUSTOM, PROFILES};
use super::profile::FaultProfile;
use super::rates::{Range, Rate, Timed};

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidProfile {
    /// No such name.
    #[error("there is no profile {name:?}; there are {}", PROFILES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
}

/// A profile as people write it: a name, or a base and the differences.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// The base profile; `healthy` when left out.
    profile: Option<String>,
    latency_ms: Option<Range>,
    lost_before: Option<WrittenTimed>,
    lost_after: Option<WrittenTimed>,
    reset_mid_answer: Option<WrittenTimed>,
    unreadable: Option<WrittenTimed>,
    error_before: Option<WrittenTimed>,
    error_after: Option<WrittenTimed>,
    throttled: Option<WrittenTimed>,
    slow: Option<WrittenTimed>,
    late: Option<WrittenTimed>,
    declined: Option<WrittenTimed>,
    outage: Option<WrittenTimed>,
    duplicate: Option<WrittenTimed>,
    stray: Option<WrittenTimed>,
    gateway: Option<WrittenTimed>,
    repeat_refused: Option<WrittenTimed>,
    inquiry_not_found: Option<WrittenTimed>,
    #[serde(deserialize_with = "given")]
    key_window_ms: Option<Given<Option<u64>>>,
}

/// A value that was given, even if it is null.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Given<T>(T);

fn given<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Given<Option<u64>>>, D::Error> {
    Option::deserialize(deserializer).map(|value| Some(Given(value)))
}

/// `0.1`, or `{ rate = 0.1, ms = [100, 200] }`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct WrittenTimed {
    rate: Option<Rate>,
    ms: Option<Range>,
}

impl WrittenTimed {
    fn onto_rate(self, rate: &mut Rate) {
        *rate = self.rate.unwrap_or(*rate);
    }

    fn onto(self, timed: &mut Timed) {
        timed.rate = self.rate.unwrap_or(timed.rate);
        timed.ms = self.ms.unwrap_or(timed.ms);
    }
}

impl TryFrom<Written> for FaultProfile {
    type Error = InvalidProfile;

    fn try_from(written: Written) -> Result<Self, InvalidProfile> {
        let mut profile = match written.profile {
            // What is shown of a profile can be given back as it is.
            Some(name) if name == CUSTOM => Self::default(),
            Some(name) => Self::named(&name).ok_or(InvalidProfile::Unknown { name })?,
            None => Self::default(),
        };
        if let Some(latency_ms) = written.latency_ms {
            profile.latency_ms = latency_ms;
        }
        if let Some(Given(key_window_ms)) = written.key_window_ms {
            profile.key_window_ms = key_window_ms;
        }
        for (given, rate) in [
            (written.lost_before, &mut profile.lost_before),
            (written.lost_after, &mut profile.lost_after),
            (written.reset_mid_answer, &mut profile.reset_mid_answer),
            (written.unreadable, &mut profile.unreadable),
            (written.error_before, &mut profile.error_before),
            (written.error_after, &mut profile.error_after),
            (written.declined, &mut profile.declined),
            (written.duplicate, &mut profile.duplicate),
            (written.stray, &mut profile.stray),
            (written.gateway, &mut profile.gateway),
            (written.repeat_refused, &mut profile.repeat_refused),
        ] {
            if let Some(given) = given {
                given.onto_rate(rate);
            }
        }
        for (given, timed) in [
            (written.throttled, &mut profile.throttled),
            (written.slow, &mut profile.slow),
            (written.late, &mut profile.late),
            (written.outage, &mut profile.outage),
            (written.inquiry_not_found, &mut profile.inquiry_not_found),
        ] {
            if let Some(given) = given {
                given.onto(timed);
            }
        }
        Ok(profile)
    }
}

impl<'de> Deserialize<'de> for FaultProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        written.try_into().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(de::Error::custom(format!(
                "a rate is from 0 to 1, not {rate}"
            )))
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (min_ms, max_ms) = <(u64, u64)>::deserialize(deserializer)?;
        if min_ms > max_ms {
            return Err(de::Error::custom(format!(
                "a range is [min, max], not [{min_ms}, {max_ms}]"
            )));
        }
        if max_ms > Self::LATEST_MS {
            let latest_ms = Self::LATEST_MS;
            return Err(de::Error::custom(format!(
                "a range ends within 30 days ({latest_ms} ms), not at {max_ms}"
            )));
        }
        Ok(Self(min_ms, max_ms))
    }
}

struct WrittenTimedVisitor;

impl<'de> Deserialize<'de> for WrittenTimed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenTimedVisitor)
    }
}

impl<'de> Visitor<'de> for WrittenTimedVisitor {
    type Value = WrittenTimed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate from 0 to 1, or a rate and a range: {rate, ms: [min, max]}")
    }

    fn visit_f64<E: de::Error>(self, rate: f64) -> Result<WrittenTimed, E> {
        let rate = Rate::deserialize(de::value::F64Deserializer::new(rate))?;
        Ok(WrittenTimed {
            rate: Some(rate),
            ms: None,
        })
    }

    fn visit_u64<E: de::Error>(self, rate: u64) -> Result<WrittenTimed, E> {
        self.visit_f64(u32::try_from(rate).map_or(f64::INFINITY, f64::from))
    }

    fn visit_i64<E: de::Error>(self, rate: i64) -> Result<WrittenTimed, E> {
        self.visit_f64(i32::try_from(rate).map_or(f64::INFINITY, f64::from))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenTimed, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            rate: Option<Rate>,
            ms: Option<Range>,
        }
        let Members { rate, ms } =
            Members::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(WrittenTimed { rate, ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<FaultProfile, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_built_in_profile_is_valid_and_reads_back_as_it_is_shown() {
        for name in PROFILES {
            let profile = FaultProfile::named(name).unwrap();
            let shown = serde_json::to_string(&profile).unwrap();
            assert_eq!(read(&shown).unwrap(), profile, "{name}");
            assert_eq!(
                read(&format!("{{\"profile\":\"{name}\"}}")).unwrap(),
                profile
            );
            assert_eq!(profile.name(), name);
        }
    }

    #[test]
    fn a_profile_is_a_base_and_what_differs_from_it() {
        let chaos = FaultProfile::named("chaos").unwrap();
        let written = r#"{"profile": "chaos", "slow": 0, "late": {"ms": [1, 2]},
            "outage": {"rate": 0.3, "ms": [3, 4]}, "key_window_ms": 9, "lost_before": 0.25}"#;
        let expected = FaultProfile {
            slow: Timed {
                rate: Rate(0.0),
                ..chaos.slow
            },
            late: Timed {
                ms: Range(1, 2),
                ..chaos.late
            },
            outage: Timed::new(0.3, 3, 4),
            key_window_ms: Some(9),
            lost_before: Rate(0.25),
            ..chaos
        };
        assert_eq!(read(written).unwrap(), expected);
        assert_eq!(expected.name(), "custom");
        let for_ever = read(r#"{"profile": "chaos", "key_window_ms": null}"#).unwrap();
        assert_eq!(for_ever.key_window_ms, None);
        let toml = "profile = \"flaky\"\nlost_after = 1\nlost_before = 0\nreset_mid_answer = 0\n\
                    unreadable = 0\nerror_before = 0\nerror_after = 0\nthrottled = 0\n";
        let flaky: FaultProfile = toml::from_str(toml).unwrap();
        assert_eq!(flaky.lost_after, Rate(1.0));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (written, reason) in [
            (
                r#"{"profile": "mild"}"#,
                "there is no profile \"mild\"; there are healthy,",
            ),
            (r#"{"lost_before": 1.5}"#, "a rate is from 0 to 1, not 1.5"),
            (r#"{"lost_before": -1}"#, "a rate is from 0 to 1, not -1"),
            (
                r#"{"slow": {"rate": 0.1, "ms": [9, 1]}}"#,
                "a range is [min, max], not [9, 1]",
            ),
            (
                r#"{"outage": {"rate": 1, "ms": [1, 2592000001]}}"#,
                "a range ends within 30 days (2592000000 ms), not at 2592000001",
            ),
            (r#"{"lost": 0.6}"#, "unknown field `lost`"),
            (
                r#"{"slow": "often"}"#,
                "a rate from 0 to 1, or a rate and a range",
            ),
        ] {
            let error = read(written).unwrap_err();
            assert!(error.contains(reason), "{written}: {error}");
        }
    }
}
