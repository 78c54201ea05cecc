//! Which bank to speak to, and how.

use holdfast_engine::payment::Capability;
use holdfast_engine::service::ServiceOptions;
use holdfast_simulator::bank::Mode;
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

/// How long a keyed bank is taken to remember our reference when nobody says otherwise, in
/// milliseconds: a day, as is common.
const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// How long a request is taken to be under way at most, in milliseconds.
const GRACE_MS: u64 = 60 * 1000;

/// How long to wait for a connection, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 3_000;

impl BankSettings {
    pub(super) fn of(options: &Options, service: &ServiceOptions) -> Result<Self, ConfigError> {
        let mode = options.bank_capability.unwrap_or(ModeArg::Keyed);
        let bank = options.bank.as_deref().unwrap_or("sim");
        if bank == "sim" {
            return Ok(Self::Simulated {
                mode: mode.into(),
                latency_ms: options.bank_latency_ms.unwrap_or(0),
            });
        }
        Ok(Self::Http(BankClientOptions {
            url: url(bank)?,
            capability: capability(mode, options, service)?,
            connect_timeout_ms: options
                .bank_connect_timeout_ms
                .unwrap_or(CONNECT_TIMEOUT_MS),
            connections_idle_max: service.bank_calls_max,
            ca: options.bank_ca.clone(),
            identity: options.bank_identity.clone(),
            token_file: options.bank_token_file.clone(),
        }))
    }
}

fn url(bank: &str) -> Result<Url, ConfigError> {
    let unusable = || ConfigError::Bank(bank.to_owned());
    let url = Url::parse(bank).map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(unusable());
    }
    let more = !url.username().is_empty() || url.password().is_some();
    if more || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::BankUrl);
    }
    Ok(url)
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
