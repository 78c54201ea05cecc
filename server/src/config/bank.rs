//! Which bank to speak to, and how.

use std::fmt;
use std::net::IpAddr;

use holdfast_engine::payment::{BankName, Capability, DeclineCode};
use holdfast_engine::service::ServiceOptions;
use holdfast_engine::startup;
use holdfast_simulator::bank::Mode;
use holdfast_simulator::faults::Range;
use reqwest::Url;

use super::{ConfigError, Options};
use crate::bank_client::{BankClientOptions, Reading};
use crate::bank_server::ModeArg;

/// The bank that was asked for.
#[derive(Debug)]
pub(crate) enum BankSettings {
    /// The one in this process.
    Simulated { mode: Mode, latency_ms: u64 },
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

/// Stands for the built-in bank.
pub(super) const SIMULATED: &str = "sim";

/// The name of a bank at a URL that was given none.
const NAME: &str = "default";

/// Longest host of a bank, in characters: as DNS has it.
const HOST_CHARS_MAX: usize = 253;

/// The name of a bank that was given none.
pub(super) fn default_name(bank: Option<&str>) -> &'static str {
    match bank {
        None | Some(SIMULATED) => startup::SIMULATED,
        Some(_) => NAME,
    }
}

/// The configured name.
fn name(options: &Options) -> Result<BankName, ConfigError> {
    let bank = options.bank.as_deref();
    let default = default_name(bank);
    let given = options.bank_name.as_deref().unwrap_or(default);
    let simulated = default == startup::SIMULATED;
    if (given == startup::SIMULATED) != simulated {
        let name = given.to_owned();
        return Err(ConfigError::BankName { name, simulated });
    }
    BankName::new(given).map_err(|_| ConfigError::InvalidBankName(given.to_owned()))
}

fn reading(options: &Options) -> Result<Reading, ConfigError> {
    let defaults = Reading::default();
    let duplicate_codes = match &options.bank_duplicate_codes {
        None => defaults.duplicate_codes,
        Some(codes) => codes
            .iter()
            .map(|code| {
                DeclineCode::new(code).map_err(|_| ConfigError::DuplicateCode(code.clone()))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Reading {
        not_found: options.bank_not_found.unwrap_or_default(),
        throttle: options.bank_throttle.unwrap_or_default(),
        duplicate_codes,
        reuse_connections: options.bank_reuse_connections.unwrap_or_default(),
    })
}

/// How long a keyed bank is taken to remember our reference when nobody says otherwise, in
/// milliseconds: a day, as is common.
pub(super) const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// How long a request is taken to be under way at most, in milliseconds.
pub(super) const GRACE_MS: u64 = 60 * 1000;

/// How long to wait for a connection, in milliseconds, but half the time-out of the whole call at
/// most.
const CONNECT_TIMEOUT_MS: u64 = 3_000;

/// How long to wait for a connection, when the whole call may take so long.
pub(super) fn connect_timeout_ms(timeout_ms: u64) -> u64 {
    CONNECT_TIMEOUT_MS.min(timeout_ms.div_ceil(2))
}

impl BankSettings {
    pub(super) fn of(options: &Options, service: &ServiceOptions) -> Result<Self, ConfigError> {
        let mode = options.bank_capability.unwrap_or(ModeArg::Keyed);
        let bank = options.bank.as_deref().unwrap_or(SIMULATED);
        let name = name(options)?;
        if bank == SIMULATED {
            let latency_ms = options.bank_latency_ms.unwrap_or_default();
            if latency_ms > Range::LATEST_MS {
                return Err(ConfigError::BankLatency { latency_ms });
            }
            return Ok(Self::Simulated {
                mode: mode.into(),
                latency_ms,
            });
        }
        let url = url(bank)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            tracing::warn!(
                %url,
                "speaking to the bank without TLS: anyone on the way can read and change what is sent"
            );
        }
        let timeout_ms = service.bank_timeout_ms;
        let connect_timeout_ms = match options.bank_connect_timeout_ms {
            None => connect_timeout_ms(timeout_ms),
            Some(connect_ms) if connect_ms > 0 && connect_ms < timeout_ms => connect_ms,
            Some(connect_ms) => {
                return Err(ConfigError::ConnectTimeout {
                    connect_ms,
                    timeout_ms,
                });
            }
        };
        Ok(Self::Http(Box::new(BankClientOptions {
            name,
            reading: reading(options)?,
            url,
            capability: capability(mode, options, service)?,
            connect_timeout_ms,
            connections_idle_max: service.bank_calls_max,
            ca: options.bank_ca.clone(),
            identity: options.bank_identity.clone(),
            token_file: options.bank_token_file.clone(),
        })))
    }
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

fn capability(
    mode: ModeArg,
    options: &Options,
    service: &ServiceOptions,
) -> Result<Capability, ConfigError> {
    let grace_ms = options.bank_grace_ms.unwrap_or(GRACE_MS);
    let timeout_ms = service.bank_timeout_ms;
    let grace_matters = match mode {
        ModeArg::Keyed | ModeArg::InquiryOnly => true,
        ModeArg::Neither => false,
    };
    if grace_matters && timeout_ms > grace_ms {
        return Err(ConfigError::Grace {
            timeout_ms,
            grace_ms,
        });
    }
    Ok(match mode {
        ModeArg::Keyed => {
            let window_ms = options.bank_window_ms.unwrap_or(WINDOW_MS);
            if window_ms <= grace_ms {
                return Err(ConfigError::Window {
                    window_ms,
                    grace_ms,
                });
            }
            Capability::Keyed {
                window_ms,
                grace_ms,
            }
        }
        ModeArg::InquiryOnly => Capability::InquiryOnly { grace_ms },
        ModeArg::Neither => Capability::Neither,
    })
}
