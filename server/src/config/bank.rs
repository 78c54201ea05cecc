//! Which bank to speak to, and how.

use std::fmt;
use std::net::IpAddr;

use holdfast_engine::payment::Capability;
use holdfast_engine::service::ServiceOptions;
use holdfast_simulator::bank::Mode;
use holdfast_simulator::faults::Range;
use reqwest::Url;

use super::{ConfigError, Options};
use crate::bank_client::BankClientOptions;
use crate::bank_server::ModeArg;

/// The bank that was asked for.
#[derive(Debug)]
pub(crate) enum BankSettings {
    /// The one in this process.
    Simulated { mode: Mode, latency_ms: u64 },
    /// One behind a URL.
    Http(BankClientOptions),
}

impl fmt::Display for BankSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated { .. } => f.write_str("the simulated bank"),
            Self::Http(BankClientOptions {
                url, capability, ..
            }) => write!(f, "the bank at {url} ({capability})"),
        }
    }
}

/// Stands for the built-in bank.
pub(super) const SIMULATED: &str = "sim";

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
        Ok(Self::Http(BankClientOptions {
            url,
            capability: capability(mode, options, service)?,
            connect_timeout_ms,
            connections_idle_max: service.bank_calls_max,
            ca: options.bank_ca.clone(),
            identity: options.bank_identity.clone(),
            token_file: options.bank_token_file.clone(),
        }))
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
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
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
