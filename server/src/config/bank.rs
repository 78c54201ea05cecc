//! Which bank to speak to, and how.

use std::fmt;
use std::net::IpAddr;

use holdfast_core::{BankName, Capability, DeclineCode};
use holdfast_engine::lanes::LaneOptions;
use holdfast_simulator::bank::{self, Mode};
use reqwest::Url;

use super::{ConfigError, Mistakes, Options};
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
        None | Some(SIMULATED) => bank::SIMULATED,
        Some(_) => NAME,
    }
}

/// The configured name.
fn name(options: &Options) -> Result<BankName, ConfigError> {
    let bank = options.bank.as_deref();
    let default = default_name(bank);
    let given = options.bank_name.as_deref().unwrap_or(default);
    let simulated = default == bank::SIMULATED;
    if (given == bank::SIMULATED) != simulated {
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
    /// `None` when something is wrong, which is noted.
    pub(super) fn of(
        options: &Options,
        lane: &LaneOptions,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let mode = options.bank_capability.unwrap_or(ModeArg::Keyed);
        let bank = options.bank.as_deref().unwrap_or(SIMULATED);
        let name = mistakes.take(name(options));
        if bank == SIMULATED {
            return name.map(|_| Self::Simulated {
                mode: mode.into(),
                latency_ms: options.bank_latency_ms.unwrap_or_default(),
            });
        }
        let url = mistakes.take(url(bank));
        if let Some(url) = url
            .as_ref()
            .filter(|url| url.scheme() == "http" && !is_loopback(url))
        {
            tracing::warn!(
                %url,
                "speaking to the bank without TLS: anyone on the way can read and change what is sent"
            );
        }
        let timeout_ms = lane.timeout_ms;
        let connect_timeout_ms = match options.bank_connect_timeout_ms {
            None => Ok(connect_timeout_ms(timeout_ms)),
            Some(connect_ms) if connect_ms > 0 && connect_ms < timeout_ms => Ok(connect_ms),
            Some(connect_ms) => Err(ConfigError::ConnectTimeout {
                connect_ms,
                timeout_ms,
            }),
        };
        let connect_timeout_ms = mistakes.take(connect_timeout_ms);
        let reading = mistakes.take(reading(options));
        let capability = mistakes.take(capability(mode, options, lane));
        Some(Self::Http(Box::new(BankClientOptions {
            name: name?,
            reading: reading?,
            url: url?,
            capability: capability?,
            connect_timeout_ms: connect_timeout_ms?,
            connections_idle_max: lane.calls_max,
            ca: options.bank_ca.clone(),
            identity: options.bank_identity.clone(),
            token_file: options.bank_token_file.clone(),
        })))
    }
}

/// Options by name, and whether each was given.
type Given<'a> = &'a [(&'static str, bool)];

/// Options that were given and that mean nothing with the chosen bank, each with why.
pub(super) fn meaningless(options: &Options) -> Vec<String> {
    let bank = options.bank.as_deref().unwrap_or(SIMULATED);
    let mode = options.bank_capability.unwrap_or(ModeArg::Keyed);
    let is_simulated = bank == SIMULATED;
    let is_plain = bank.to_ascii_lowercase().starts_with("http://");
    let window = options.bank_window_ms.is_some();
    let grace = options.bank_grace_ms.is_some();
    let not_found = options.bank_not_found.is_some();
    let (ca, identity) = (options.bank_ca.is_some(), options.bank_identity.is_some());
    let at_url = [
        ("bank_window_ms", window),
        ("bank_grace_ms", grace),
        (
            "bank_connect_timeout_ms",
            options.bank_connect_timeout_ms.is_some(),
        ),
        ("bank_ca", ca),
        ("bank_identity", identity),
        ("bank_token_file", options.bank_token_file.is_some()),
        ("bank_not_found", not_found),
        ("bank_throttle", options.bank_throttle.is_some()),
        (
            "bank_duplicate_codes",
            options.bank_duplicate_codes.is_some(),
        ),
        (
            "bank_reuse_connections",
            options.bank_reuse_connections == Some(true),
        ),
        ("bank_moved", options.bank_moved == Some(true)),
    ];
    let simulated = [("bank_latency_ms", options.bank_latency_ms.is_some())];
    let plain = [("bank_ca", ca), ("bank_identity", identity)];
    let not_keyed = [("bank_window_ms", window)];
    let unasked = [("bank_grace_ms", grace), ("bank_not_found", not_found)];
    let cases: [(bool, Given<'_>, &str); 5] = [
        (
            is_simulated,
            &at_url,
            "the bank is the built-in simulated one",
        ),
        (!is_simulated, &simulated, "the bank is one at a URL"),
        (
            !is_simulated && is_plain,
            &plain,
            "the bank is spoken to without TLS",
        ),
        (
            !is_simulated && mode != ModeArg::Keyed,
            &not_keyed,
            "the bank's capability is not keyed",
        ),
        (
            !is_simulated && mode == ModeArg::Neither,
            &unasked,
            "the bank's capability is neither, so it is never asked",
        ),
    ];
    let holding = cases.into_iter().filter(|(holds, ..)| *holds);
    holding
        .flat_map(|(_, options, why)| {
            let given = options.iter().filter(|(_, given)| *given);
            given.map(move |(name, _)| format!("{name} means nothing here: {why}"))
        })
        .collect()
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
    lane: &LaneOptions,
) -> Result<Capability, ConfigError> {
    let grace_ms = options.bank_grace_ms.unwrap_or(GRACE_MS);
    let timeout_ms = lane.timeout_ms;
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
