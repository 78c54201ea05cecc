//! Profiles: how often each fault happens, and how long those last that last.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Fault;

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// A rate.
    ///
    /// # Panics
    /// When `rate` is not from 0 to 1.
    pub const fn new(rate: f64) -> Self {
        assert!(rate >= 0.0 && rate <= 1.0, "a rate is from 0 to 1");
        Self(rate)
    }

    pub(super) fn holds(self, drawn: f64) -> bool {
        drawn < self.0
    }
}

/// A range in milliseconds, both ends included; written as `[min, max]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Range(u64, u64);

impl Range {
    /// A range.
    ///
    /// # Panics
    /// When it ends before it begins.
    pub const fn new(min_ms: u64, max_ms: u64) -> Self {
        assert!(min_ms <= max_ms, "a range begins before it ends");
        Self(min_ms, max_ms)
    }

    pub(super) const fn min(self) -> u64 {
        self.0
    }

    /// The value at a share from 0 to 1 of the range.
    pub(super) fn at(self, share: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a span far below 2^52 milliseconds"
        )]
        let part = ((self.1 - self.0 + 1) as f64 * share) as u64;
        (self.0 + part).min(self.1)
    }
}

/// How often, and how long; written as `{ rate = 0.1, ms = [100, 200] }`, or as the rate alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timed {
    /// How often.
    pub rate: Rate,
    /// How long.
    pub ms: Range,
}

impl Timed {
    /// So often, so long.
    ///
    /// # Panics
    /// When `rate` is not from 0 to 1 or the range ends before it begins.
    pub const fn new(rate: f64, min_ms: u64, max_ms: u64) -> Self {
        Self {
            rate: Rate::new(rate),
            ms: Range::new(min_ms, max_ms),
        }
    }

    pub(super) fn holds(self, drawn: f64) -> bool {
        self.rate.holds(drawn)
    }
}

/// How a simulated bank misbehaves. Rates are per call; of `lost_before` to `late` and `outage` at
/// most one happens to a call, so their sum is at most 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultProfile {
    /// How long any call takes.
    pub latency_ms: Range,
    /// See [`Fault::LostBefore`].
    pub lost_before: Rate,
    /// See [`Fault::LostAfter`].
    pub lost_after: Rate,
    /// See [`Fault::ResetMidAnswer`].
    pub reset_mid_answer: Rate,
    /// See [`Fault::Unreadable`].
    pub unreadable: Rate,
    /// See [`Fault::ErrorBefore`].
    pub error_before: Rate,
    /// See [`Fault::ErrorAfter`].
    pub error_after: Rate,
    /// See [`Fault::Throttled`]; how long the caller is told to stay away.
    pub throttled: Timed,
    /// See [`Fault::Slow`]; how long the answer takes.
    pub slow: Timed,
    /// See [`Fault::Late`]; how long after the call it is processed.
    pub late: Timed,
    /// See [`Fault::Declined`].
    pub declined: Rate,
    /// See [`Fault::Outage`]; how long it lasts.
    pub outage: Timed,
    /// See [`Fault::Duplicate`].
    pub duplicate: Rate,
    /// See [`Fault::InquiryNotFound`]; how long a debit is hidden.
    pub inquiry_not_found: Timed,
    /// How long a keyed bank remembers a reference after it first processed it; null for ever.
    pub key_window_ms: Option<u64>,
}

impl Default for FaultProfile {
    /// Nothing goes wrong. The ranges are what a rate given alone comes with.
    fn default() -> Self {
        Self {
            latency_ms: Range::new(0, 0),
            lost_before: Rate(0.0),
            lost_after: Rate(0.0),
            reset_mid_answer: Rate(0.0),
            unreadable: Rate(0.0),
            error_before: Rate(0.0),
            error_after: Rate(0.0),
            throttled: Timed::new(0.0, 0, 1_000),
            slow: Timed::new(0.0, 1_500, 3_000),
            late: Timed::new(0.0, 500, 2_500),
            declined: Rate(0.0),
            outage: Timed::new(0.0, 500, 3_000),
            duplicate: Rate(0.0),
            inquiry_not_found: Timed::new(0.0, 200, 1_500),
            key_window_ms: None,
        }
    }
}

/// The names of the built-in profiles.
pub const PROFILES: [&str; 7] = [
    "healthy", "flaky", "slow", "outage", "amnesiac", "hostile", "chaos",
];

impl FaultProfile {
    /// A built-in profile.
    pub fn named(name: &str) -> Option<Self> {
        let healthy = Self::default();
        Some(match name {
            "healthy" => healthy,
            "flaky" => Self {
                latency_ms: Range::new(5, 50),
                lost_before: Rate(0.03),
                lost_after: Rate(0.03),
                reset_mid_answer: Rate(0.02),
                unreadable: Rate(0.01),
                error_before: Rate(0.04),
                error_after: Rate(0.02),
                throttled: Timed::new(0.04, 0, 1_000),
                declined: Rate(0.02),
                ..healthy
            },
            "slow" => Self {
                latency_ms: Range::new(100, 1_500),
                slow: Timed::new(0.1, 8_000, 20_000),
                late: Timed::new(0.02, 5_000, 15_000),
                ..healthy
            },
            "outage" => Self {
                latency_ms: Range::new(5, 50),
                outage: Timed::new(0.01, 2_000, 8_000),
                throttled: Timed::new(0.05, 1_000, 3_000),
                ..healthy
            },
            "amnesiac" => Self {
                lost_after: Rate(0.15),
                error_after: Rate(0.05),
                inquiry_not_found: Timed::new(0.5, 500, 5_000),
                key_window_ms: Some(60_000),
                ..healthy
            },
            "hostile" => Self {
                latency_ms: Range::new(0, 200),
                lost_before: Rate(0.08),
                lost_after: Rate(0.12),
                reset_mid_answer: Rate(0.08),
                unreadable: Rate(0.08),
                error_before: Rate(0.06),
                error_after: Rate(0.08),
                throttled: Timed::new(0.06, 0, 2_000),
                slow: Timed::new(0.05, 2_000, 15_000),
                late: Timed::new(0.08, 1_000, 10_000),
                declined: Rate(0.1),
                outage: Timed::new(0.005, 1_000, 5_000),
                duplicate: Rate(0.05),
                inquiry_not_found: Timed::new(0.4, 500, 5_000),
                key_window_ms: Some(60_000),
            },
            "chaos" => Self {
                latency_ms: Range::new(0, 20),
                lost_before: Rate(0.03),
                lost_after: Rate(0.04),
                reset_mid_answer: Rate(0.04),
                unreadable: Rate(0.03),
                error_before: Rate(0.04),
                error_after: Rate(0.04),
                throttled: Timed::new(0.04, 0, 1_000),
                slow: Timed::new(0.02, 1_500, 3_000),
                late: Timed::new(0.03, 500, 2_500),
                declined: Rate(0.05),
                outage: Timed::new(0.001, 300, 1_500),
                duplicate: Rate(0.03),
                inquiry_not_found: Timed::new(0.3, 200, 1_500),
                key_window_ms: Some(30_000),
            },
            _ => return None,
        })
    }

    /// The name of the built-in profile it is; `custom` when it is none.
    pub fn name(&self) -> &'static str {
        let same = |name: &&str| Self::named(name).as_ref() == Some(self);
        PROFILES.into_iter().find(same).unwrap_or(CUSTOM)
    }

    /// The faults of which at most one happens to a call, in the order they are drawn.
    pub(super) fn exclusive(&self) -> [(Fault, f64); 11] {
        [
            (Fault::LostBefore, self.lost_before.0),
            (Fault::LostAfter, self.lost_after.0),
            (Fault::ResetMidAnswer, self.reset_mid_answer.0),
            (Fault::Unreadable, self.unreadable.0),
            (Fault::ErrorBefore, self.error_before.0),
            (Fault::ErrorAfter, self.error_after.0),
            (Fault::Throttled, self.throttled.rate.0),
            (Fault::Slow, self.slow.rate.0),
            (Fault::Late, self.late.rate.0),
            (Fault::Outage, self.outage.rate.0),
            (Fault::Duplicate, self.duplicate.0),
        ]
    }

    /// Whether nothing ever goes wrong, so that nothing need be drawn.
    pub(crate) fn is_healthy(&self) -> bool {
        self.exclusive().iter().all(|(_, rate)| *rate == 0.0)
            && self.declined.0 == 0.0
            && self.inquiry_not_found.rate.0 == 0.0
            && self.latency_ms.0 == self.latency_ms.1
    }

    fn validate(self) -> Result<Self, InvalidProfile> {
        let sum: f64 = self.exclusive().iter().map(|(_, rate)| rate).sum();
        if sum > 1.0 + 1e-9 {
            return Err(InvalidProfile::Sum { sum });
        }
        Ok(self)
    }
}

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidProfile {
    /// No such name.
    #[error("there is no profile {name:?}; there are {}", PROFILES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// More than one fault per call.
    #[error(
        "the rates of lost_before to late, outage and duplicate add up to {sum}, but at most one of \
         them can happen to a call"
    )]
    Sum {
        /// To what they add up.
        sum: f64,
    },
}

/// A profile as people write it: a name, or a base and what differs from it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// What the rest differs from; `healthy` when left out.
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
    inquiry_not_found: Option<WrittenTimed>,
    #[serde(deserialize_with = "given")]
    key_window_ms: Option<Given<Option<u64>>>,
}

/// Something that was given, be it null.
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

/// The name of a profile that is none of the built-in ones.
const CUSTOM: &str = "custom";

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
        profile.validate()
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
        if min_ms <= max_ms {
            Ok(Self(min_ms, max_ms))
        } else {
            Err(de::Error::custom(format!(
                "a range is [min, max], not [{min_ms}, {max_ms}]"
            )))
        }
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
            let profile = FaultProfile::named(name).unwrap().validate().unwrap();
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
                r#"{"lost_before": 0.6, "lost_after": 0.6}"#,
                "add up to 1.2",
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
