//! Configuration: flags win, then the environment, then the file, then the defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_engine::service::ServiceOptions;
use serde::Deserialize;

use crate::api_keys::{ApiKey, ApiKeys, InvalidApiKey};

/// What `serve` can be told.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Directory of the payments; made when it does not exist [default: ./holdfast-data]
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// The bank to speak to: `sim`, the built-in simulated bank [default: sim]
    #[arg(long, env = "HOLDFAST_BANK", value_name = "sim")]
    bank: Option<String>,

    /// How long the simulated bank takes, in milliseconds [default: 0]
    #[arg(long, env = "HOLDFAST_BANK_LATENCY_MS", value_name = "MS")]
    bank_latency_ms: Option<u64>,

    /// Most calls to the bank at once; further payments wait their turn [default: 256]
    #[arg(long, env = "HOLDFAST_BANK_CALLS_MAX", value_name = "N")]
    bank_calls_max: Option<usize>,

    /// After so long a call to the bank counts as unknown, in milliseconds [default: 10000]
    #[arg(long, env = "HOLDFAST_BANK_TIMEOUT_MS", value_name = "MS")]
    bank_timeout_ms: Option<u64>,

    /// Most payments in flight; beyond it new ones are refused with 503 [default: 20000]
    #[arg(long, env = "HOLDFAST_FLIGHTS_MAX", value_name = "N")]
    flights_max: Option<usize>,

    /// Memory for finished payments, in MiB; 0 turns the cache off [default: 64]
    #[arg(long, env = "HOLDFAST_CACHE_MIB", value_name = "MIB")]
    cache_mib: Option<u64>,

    /// Memory for the database's own pages, in MiB [default: 256]
    #[arg(long, env = "HOLDFAST_STORE_CACHE_MIB", value_name = "MIB")]
    store_cache_mib: Option<u64>,

    /// Configuration file (TOML); the keys are the flags with `_` for `-`
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    bank: Option<String>,
    bank_latency_ms: Option<u64>,
    bank_calls_max: Option<usize>,
    bank_timeout_ms: Option<u64>,
    flights_max: Option<usize>,
    cache_mib: Option<u64>,
    store_cache_mib: Option<u64>,
    api_keys: Vec<ApiKey>,
}

/// Configuration that cannot be used; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration file {} is not valid: {source}", path.display())]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error(transparent)]
    ApiKey(#[from] InvalidApiKey),
    #[error(
        "bank {0:?} is not one this build can speak to. Use --bank sim, the built-in simulated bank"
    )]
    Bank(String),
    #[error("{name} must be at least 1")]
    Zero { name: &'static str },
    #[error(
        "refusing to listen on {0}: it is not a loopback address and no API keys are configured, so \
         anyone who can reach it could make payments. Either listen on 127.0.0.1, or make a key with \
         `holdfast api-key new --merchant NAME`, put the printed [[api_keys]] block into a file, and \
         name that file with --config"
    )]
    OpenToTheWorld(SocketAddr),
}

/// What `serve` runs with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) bank_latency_ms: u64,
    pub(crate) store_cache_bytes: u64,
    pub(crate) service: ServiceOptions,
    pub(crate) api_keys: ApiKeys,
}

impl ServeArgs {
    /// Puts flags, environment, file and defaults together.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        const MIB: u64 = 1024 * 1024;
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None => File::default(),
        };
        let listen = self.listen.or(file.listen);
        let listen = listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into());
        let bank = self.bank.or(file.bank).unwrap_or_else(|| "sim".to_owned());
        if bank != "sim" {
            return Err(ConfigError::Bank(bank));
        }
        let api_keys = ApiKeys::new(&file.api_keys)?;
        if api_keys.is_empty() && !listen.ip().is_loopback() {
            return Err(ConfigError::OpenToTheWorld(listen));
        }
        let defaults = ServiceOptions::default();
        let cache_mib = self.cache_mib.or(file.cache_mib);
        let service = ServiceOptions {
            cache_bytes: cache_mib.map_or(defaults.cache_bytes, |mib| mib.saturating_mul(MIB)),
            flights_max: self
                .flights_max
                .or(file.flights_max)
                .unwrap_or(defaults.flights_max),
            bank_calls_max: at_least_one(
                "bank_calls_max",
                self.bank_calls_max
                    .or(file.bank_calls_max)
                    .unwrap_or(defaults.bank_calls_max),
            )?,
            bank_timeout_ms: self
                .bank_timeout_ms
                .or(file.bank_timeout_ms)
                .unwrap_or(defaults.bank_timeout_ms),
            ..defaults
        };
        at_least_one("flights_max", service.flights_max)?;
        let store_cache_mib = self
            .store_cache_mib
            .or(file.store_cache_mib)
            .unwrap_or(256)
            .max(1);
        Ok(Settings {
            listen,
            data: self
                .data
                .or(file.data)
                .unwrap_or_else(|| "holdfast-data".into()),
            bank_latency_ms: self.bank_latency_ms.or(file.bank_latency_ms).unwrap_or(0),
            store_cache_bytes: store_cache_mib.saturating_mul(MIB),
            service,
            api_keys,
        })
    }
}

fn at_least_one(name: &'static str, value: usize) -> Result<usize, ConfigError> {
    if value == 0 {
        Err(ConfigError::Zero { name })
    } else {
        Ok(value)
    }
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}
