//! The settings of a service: the options as its parts take them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_core::retry::Backoff;
use holdfast_core::{Budgets, Merchant};
use holdfast_engine::lanes::{BreakerOptions, LaneOptions};
use holdfast_engine::service::ServiceOptions;

use super::bank::{self, BankSettings};
use super::limits::Limits;
use super::options::{Options, Values};
use super::{ConfigError, Mistakes, file};
use crate::api_keys::ApiKeys;
use crate::bank_client::BankClient;
use crate::telemetry::TelemetryOptions;
use crate::tls::{Tls, TlsOptions};

const MIB: u64 = 1024 * 1024;

/// The settings of `serve`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    /// Whether to open a store that may not be complete.
    pub(crate) accept_older_store: bool,
    pub(crate) bank: BankSettings,
    /// Whether the bank was configured, rather than taken as the default.
    pub(crate) bank_asked_for: bool,
    /// Whether the bank is the same bank at another address.
    pub(crate) bank_moved: bool,
    /// Merchants that are no longer active.
    pub(crate) retired: Retired,
    pub(crate) store_cache_bytes: u64,
    pub(crate) service: ServiceOptions,
    pub(crate) lane: LaneOptions,
    pub(crate) api_keys: ApiKeys,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<TlsOptions>,
    /// The file it was read from, if any.
    pub(crate) file: Option<PathBuf>,
    /// Warnings about options that have no effect with the chosen bank, each with the reason.
    pub(crate) meaningless: Vec<String>,
}

/// Merchants that are no longer active.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retired {
    pub(crate) merchants: BTreeSet<Merchant>,
    /// Whether a flag or the environment names them, so that the file does not.
    pub(super) given: bool,
}

impl Retired {
    fn of(names: Option<&[String]>, given: bool) -> Result<Self, ConfigError> {
        let names = names.unwrap_or_default().iter();
        let merchants = names.map(|name| {
            Merchant::new(name).map_err(|_| ConfigError::RetiredMerchant(name.clone()))
        });
        Ok(Self {
            merchants: merchants.collect::<Result<_, _>>()?,
            given,
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listen, data, keys) = (self.listen, self.data.display(), self.api_keys.len());
        write!(
            f,
            "listens on {listen}, payments in {data}, {}, ",
            self.bank
        )?;
        match keys {
            0 => write!(f, "no API keys"),
            1 => write!(f, "one API key"),
            _ => write!(f, "{keys} API keys"),
        }
    }
}

/// The settings; `None` when there is a mistake. `files` is whether the files that they name are read too.
pub(super) fn settings(set: &Options, mistakes: &mut Mistakes, files: bool) -> Option<Settings> {
    let values = set.values();
    let api_keys = mistakes.take(ApiKeys::new(&set.api_keys));
    let listen = values.listen;
    let open = set.api_keys.is_empty() && !listen.ip().is_loopback();
    let closed = if open {
        Err(ConfigError::OpenToTheWorld(listen))
    } else {
        Ok(())
    };
    let closed = mistakes.take_with(&["api_keys"], closed);
    mistakes.take(TelemetryOptions::of(&values));
    let bank = BankSettings::of(&values, set, mistakes);
    let retired = mistakes.take(Retired::of(values.retired_merchants.as_deref(), false));
    let rate = ["rate_per_second", "rate_burst"];
    let limits = mistakes.take_with(&rate, Limits::of(&values));
    let pair = ["tls_certificate", "tls_key"];
    let tls = mistakes.take_with(&pair, tls(&values));
    if files {
        if let Some(Some(tls)) = &tls {
            mistakes.take(Tls::new(tls.clone()));
        }
        if let Some(BankSettings::Http(bank)) = &bank {
            mistakes.take(BankClient::new(bank));
        }
    }
    closed?;
    Some(Settings {
        listen,
        accept_older_store: values.accept_older_store,
        bank: bank?,
        bank_asked_for: set.bank.is_some(),
        bank_moved: values.bank_moved,
        retired: retired?,
        store_cache_bytes: values.store_cache_mib.max(1).saturating_mul(MIB),
        service: service(&values),
        lane: lane(&values),
        api_keys: api_keys?,
        limits: limits?,
        tls: tls?,
        file: None,
        meaningless: bank::meaningless(&values, set),
        data: values.data,
    })
}

/// The bounds of the calls to the bank.
pub(super) fn lane(values: &Values) -> LaneOptions {
    LaneOptions {
        calls_max: values.bank_calls_max,
        timeout_ms: values.bank_timeout_ms,
        breaker: BreakerOptions {
            failures_max: values.breaker_failures_max,
            open_ms: values.breaker_open_ms,
            open_ms_max: values.breaker_open_ms_max,
        },
    }
}

/// The options of the engine.
pub(super) fn service(values: &Values) -> ServiceOptions {
    ServiceOptions {
        cache_bytes: values.cache_mib.saturating_mul(MIB),
        flights_max: values.flights_max,
        backoff: Backoff {
            base_ms: values.backoff_base_ms,
            cap_ms: values.backoff_cap_ms,
        },
        budgets: Budgets {
            attempts_max: values.attempts_max,
            inquiries_max: values.inquiries_max,
        },
        batch_max: ServiceOptions::default().batch_max,
        expire_after_ms: values.expire_after_ms,
    }
}

fn tls(values: &Values) -> Result<Option<TlsOptions>, ConfigError> {
    match (&values.tls_certificate, &values.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsOptions {
            certificate: certificate.clone(),
            key: key.clone(),
        })),
        (Some(_), None) | (None, Some(_)) => Err(ConfigError::HalfTls),
    }
}

/// Reads the API keys of a configuration file again, for a service that runs with some, and the retired merchants.
pub(crate) fn api_keys_again(
    path: &Path,
    in_force: &ApiKeys,
    retired: &Retired,
) -> Result<(ApiKeys, Retired), ConfigError> {
    let mut mistakes = Mistakes::default();
    let file = file::read(path, &mut mistakes);
    let file = mistakes.unless(Some(file))?;
    let retired = if retired.given {
        retired.clone()
    } else {
        Retired::of(file.retired_merchants.as_deref(), false)?
    };
    let api_keys = ApiKeys::new(&file.api_keys)?;
    if api_keys.is_empty() && !in_force.is_empty() {
        return Err(ConfigError::NoKeysLeft {
            path: path.to_owned(),
        });
    }
    Ok((api_keys, retired))
}
