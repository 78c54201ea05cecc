//! The types of options: how each is parsed as a flag, and which of its values are rejected.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{EnumValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::ConfigError;
use super::bounds::Bounds;
use crate::bank_client::Marks;
use crate::capability::CapabilityName;
use crate::telemetry::LogFormat;

/// The type of an option.
pub(super) trait OptionValue: Clone + Send + Sync + 'static {
    /// How clap parses one value.
    fn parser() -> ValueParser;

    /// The flag, ready to be parsed.
    fn arg(arg: Arg) -> Arg {
        arg.value_parser(Self::parser())
    }

    /// The value on the command line or in the environment.
    fn given(matches: &ArgMatches, key: &str) -> Option<Self> {
        matches.get_one::<Self>(key).cloned()
    }

    /// What is wrong with the value, if anything.
    fn mistake(&self, _key: &'static str, _bounds: Option<Bounds>) -> Option<ConfigError> {
        None
    }

    /// Whether the value asks for anything: `false` does not.
    fn asks(&self) -> bool {
        true
    }
}

fn empty(key: &'static str, is_empty: bool) -> Option<ConfigError> {
    is_empty.then(|| ConfigError::Empty {
        name: key.to_owned(),
    })
}

impl OptionValue for String {
    fn parser() -> ValueParser {
        ValueParser::string()
    }

    fn mistake(&self, key: &'static str, _: Option<Bounds>) -> Option<ConfigError> {
        empty(key, self.is_empty())
    }
}

impl OptionValue for PathBuf {
    fn parser() -> ValueParser {
        ValueParser::path_buf()
    }

    fn mistake(&self, key: &'static str, _: Option<Bounds>) -> Option<ConfigError> {
        empty(key, self.as_os_str().is_empty())
    }
}

impl OptionValue for SocketAddr {
    fn parser() -> ValueParser {
        value_parser!(SocketAddr).into()
    }
}

impl OptionValue for bool {
    fn parser() -> ValueParser {
        ValueParser::bool()
    }

    fn arg(arg: Arg) -> Arg {
        arg.value_parser(Self::parser())
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    }

    fn asks(&self) -> bool {
        *self
    }
}

impl OptionValue for Vec<String> {
    fn parser() -> ValueParser {
        ValueParser::string()
    }

    fn arg(arg: Arg) -> Arg {
        arg.value_parser(Self::parser())
            .action(ArgAction::Append)
            .value_delimiter(',')
    }

    fn given(matches: &ArgMatches, key: &str) -> Option<Self> {
        Some(matches.get_many::<String>(key)?.cloned().collect())
    }
}

impl OptionValue for f64 {
    fn parser() -> ValueParser {
        value_parser!(f64).into()
    }

    fn mistake(&self, key: &'static str, bounds: Option<Bounds>) -> Option<ConfigError> {
        match bounds? {
            // Not a number is no share either.
            Bounds::Share if !(0.0..=1.0).contains(self) => Some(ConfigError::NoShare {
                name: key,
                given: *self,
            }),
            Bounds::Share | Bounds::Whole { .. } => None,
        }
    }
}

fn outside(given: u64, name: &'static str, bounds: Bounds) -> Option<ConfigError> {
    let Bounds::Whole { min, max, unit } = bounds else {
        return None;
    };
    if given < min {
        Some(ConfigError::TooSmall { name, min, given })
    } else if given > max {
        Some(ConfigError::TooLarge {
            name,
            max,
            unit,
            given,
        })
    } else {
        None
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl OptionValue for $number {
            fn parser() -> ValueParser {
                value_parser!($number).into()
            }

            fn mistake(&self, key: &'static str, bounds: Option<Bounds>) -> Option<ConfigError> {
                outside(u64::try_from(*self).unwrap_or(u64::MAX), key, bounds?)
            }
        }
    )*};
}

whole_numbers!(u32, u64, usize);

macro_rules! words {
    ($($word:ty),*) => {$(
        impl OptionValue for $word {
            fn parser() -> ValueParser {
                EnumValueParser::<$word>::new().into()
            }
        }
    )*};
}

words!(CapabilityName, Marks, LogFormat);
