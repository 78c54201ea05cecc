//! Which bank to use, and how.

use std::fmt;
use std::net::IpAddr;

use holdfast_core::{BankName, Capability, DeclineCode};
use reqwest::Url;

use super::declare::When;
use super::options::{Options, SIMULATED, SIMULATED_NAME, Values, declared};
use super::{ConfigError, Mistakes};
use crate::bank_client::{BankClientOptions, Reading};
use crate::capability::CapabilityName;

/// The bank that was asked for.
#[derive(Debug)]
pub(crate) enum BankSettings {
    /// The one in this process.
    Simulated {
        capability: CapabilityName,
        latency_ms: u64,
    },
    /// One behind a URL.
    Http(Box<BankClientOptions>),
}

impl fmt::Display for BankSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated { .. } => f.write_str("the simulated bank"),
            Self::Http(bank) => write!(
                f,
                "the bank {} at {} ({})",
                bank.name, bank.url, bank.capability
            ),
        }
    }
}

/// Longest host of a bank, in characters: as DNS has it.
const HOST_CHARS_MAX: usize = 253;

/// The configured name.
fn name(values: &Values) -> Result<BankName, ConfigError> {
    let name = &values.bank_name;
    let simulated = values.bank == SIMULATED;
    if (name == SIMULATED_NAME) != simulated {
        let name = name.clone();
        return Err(ConfigError::BankName { name, simulated });
    }
    BankName::new(name).map_err(|_| ConfigError::InvalidBankName(name.clone()))
}

fn reading(values: &Values) -> Result<Reading, ConfigError> {
    let codes = values.bank_duplicate_codes.iter();
    let codes = codes
        .map(|code| DeclineCode::new(code).map_err(|_| ConfigError::DuplicateCode(code.clone())));
    Ok(Reading {
        not_found: values.bank_not_found,
        throttle: values.bank_throttle,
        duplicate_codes: codes.collect::<Result<_, _>>()?,
        reuse_connections: values.bank_reuse_connections,
    })
}

impl BankSettings {
    /// `None` when something is wrong, which is noted. `set` is what the values come from.
    pub(super) fn of(values: &Values, set: &Options, mistakes: &mut Mistakes) -> Option<Self> {
        let name = mistakes.take(name(values));
        if values.bank == SIMULATED {
            return name.map(|_| Self::Simulated {
                capability: values.bank_capability,
                latency_ms: values.bank_latency_ms,
            });
        }
        let url = mistakes.take(url(&values.bank));
        if let Some(url) = url
            .as_ref()
            .filter(|url| url.scheme() == "http" && !is_loopback(url))
        {
            tracing::warn!(
                %url,
                "the connection to the bank is not encrypted: anyone on the network path can read and change the requests. \
                 Use an https:// URL"
            );
        }
        let timeout_ms = values.bank_timeout_ms;
        let connect_timeout_ms = match set.bank_connect_timeout_ms {
            Some(connect_ms) if connect_ms >= timeout_ms => Err(ConfigError::ConnectTimeout {
                connect_ms,
                timeout_ms,
            }),
            Some(_) | None => Ok(values.bank_connect_timeout_ms),
        };
        let connect_timeout_ms = mistakes.take(connect_timeout_ms);
        let reading = mistakes.take(reading(values));
        let capability = mistakes.take(capability(values));
        Some(Self::Http(Box::new(BankClientOptions {
            name: name?,
            reading: reading?,
            url: url?,
            capability: capability?,
            connect_timeout_ms: connect_timeout_ms?,
            connections_idle_max: values.bank_calls_max,
            ca: values.bank_ca.clone(),
            identity: values.bank_identity.clone(),
            token_file: values.bank_token_file.clone(),
        })))
    }
}

/// Warnings about options that were set and have no effect with the chosen bank, each with the reason.
pub(super) fn meaningless(values: &Values, set: &Options) -> Vec<String> {
    let set = set.given();
    let asks = |key| set.contains(&(key, true));
    let asking = declared().iter().filter(|option| asks(option.key));
    let without_effect = asking.filter_map(|option| {
        let why = option.when.iter().find_map(|when| missing(*when, values))?;
        Some(format!("{} has no effect: {why}", option.key))
    });
    without_effect.collect()
}

/// Why a condition does not hold; `None` when it does.
fn missing(when: When, values: &Values) -> Option<&'static str> {
    let is_simulated = values.bank == SIMULATED;
    let (holds, why) = match when {
        When::AtUrl => (!is_simulated, "the bank is the built-in simulated bank"),
        When::Simulated => (is_simulated, "the bank is configured by URL"),
        When::Tls => (
            !values.bank.to_ascii_lowercase().starts_with("http://"),
            "the connection to the bank does not use TLS",
        ),
        When::Keyed => (
            values.bank_capability == CapabilityName::Keyed,
            "bank_capability is not keyed",
        ),
        When::Asked => (
            values.bank_capability != CapabilityName::Neither,
            "bank_capability is neither, so the bank is never asked",
        ),
    };
    (!holds).then_some(why)
}

fn url(bank: &str) -> Result<Url, ConfigError> {
    let url = match Url::parse(bank) {
        Ok(url) => url,
        // What may hold a secret is not repeated.
        Err(_) if bank.contains(['@', '?', '#']) => return Err(ConfigError::BankUrl),
        Err(_) => return Err(ConfigError::Bank(bank.to_owned())),
    };
    let more = !url.username().is_empty() || url.password().is_some();
    if more || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::BankUrl);
    }
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() || host.len() > HOST_CHARS_MAX {
        return Err(ConfigError::Bank(bank.to_owned()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn capability(values: &Values) -> Result<Capability, ConfigError> {
    let (grace_ms, timeout_ms) = (values.bank_grace_ms, values.bank_timeout_ms);
    let (window_ms, capability) = (values.bank_window_ms, values.bank_capability);
    if capability != CapabilityName::Neither && timeout_ms > grace_ms {
        return Err(ConfigError::Grace {
            timeout_ms,
            grace_ms,
        });
    }
    match capability {
        CapabilityName::Keyed if window_ms <= grace_ms => Err(ConfigError::Window {
            window_ms,
            grace_ms,
        }),
        CapabilityName::Keyed => Ok(Capability::Keyed {
            window_ms,
            grace_ms,
        }),
        CapabilityName::InquiryOnly => Ok(Capability::InquiryOnly { grace_ms }),
        CapabilityName::Neither => Ok(Capability::Neither),
    }
}
