//! Configuration: flags win, then the environment, then the file, then the defaults.

mod bank;
mod limits;
mod options;
mod show;
mod telemetry;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_engine::payment::{BankName, DeclineCode, Merchant};
use holdfast_engine::service::ServiceOptions;
use holdfast_simulator::faults::Range;

use crate::api_keys::{ApiKeys, InvalidApiKey};
use crate::telemetry::TelemetryOptions;
use crate::tls::TlsOptions;
pub(crate) use bank::BankSettings;
use limits::Limits;
use options::Options;

/// Where to listen unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where the payments are unless told otherwise.
const DATA: &str = "./holdfast-data";

/// Memory for the database's own pages unless told otherwise, in MiB.
const STORE_CACHE_MIB: u64 = 256;

/// From so much likeness on, between 0 and 1, a key is taken for a misspelt one.
const SIMILAR_ENOUGH: f64 = 0.85;

/// What `serve` can be told.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    options: Options,

    /// Configuration file (TOML); the keys are the flags with `_` for `-`
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
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
    #[error(
        "the configuration file {} is not valid: there is no key {key:?}{}",
        path.display(),
        suggestion(.similar.as_deref())
    )]
    UnknownKey {
        path: PathBuf,
        key: String,
        similar: Option<String>,
    },
    #[error(
        "the configuration file {} has no API keys any more, and without any everyone would be let in; to open the \
         service to everyone, start it anew",
        path.display()
    )]
    NoKeysLeft { path: PathBuf },
    #[error("a value cannot be used: {0}")]
    Value(#[from] toml::ser::Error),
    #[error(transparent)]
    ApiKey(#[from] InvalidApiKey),
    #[error(
        "bank {0:?} is not one Holdfast can speak to. Use --bank sim, the built-in simulated bank, or \
         the URL below which the bank's routes stand, such as https://bank.example/v1"
    )]
    Bank(String),
    #[error(
        "the bank's URL must hold neither credentials, nor a query, nor a fragment; put a token into a \
         file and name it with --bank-token-file"
    )]
    BankUrl,
    #[error("bank_name {0:?} must be {rule}", rule = BankName::RULE)]
    InvalidBankName(String),
    #[error(
        "bank_name {name:?} cannot be used: {}",
        if *.simulated {
            "the bank is the built-in simulated one, which is always called `simulated`. Leave bank_name out, or give a \
             bank with --bank"
        } else {
            "it is the name of the built-in simulated bank. Choose another name"
        }
    )]
    BankName { name: String, simulated: bool },
    #[error("bank_duplicate_codes: {0:?} must be {rule}", rule = DeclineCode::RULE)]
    DuplicateCode(String),
    #[error("retired_merchants: {0:?} must be {rule}", rule = Merchant::RULE)]
    RetiredMerchant(String),
    #[error(
        "bank_window_ms ({window_ms}) must be greater than bank_grace_ms ({grace_ms}): else no repeat \
         is sure to arrive while the bank remembers. If the bank remembers nothing, say \
         --bank-capability inquiry-only"
    )]
    Window { window_ms: u64, grace_ms: u64 },
    #[error(
        "bank_timeout_ms ({timeout_ms}) must not be greater than bank_grace_ms ({grace_ms}): a \
             request may be under way for at least as long as its answer is waited for"
    )]
    Grace { timeout_ms: u64, grace_ms: u64 },
    #[error(
        "bank_connect_timeout_ms ({connect_ms}) must be at least 1 and less than bank_timeout_ms \
         ({timeout_ms})"
    )]
    ConnectTimeout { connect_ms: u64, timeout_ms: u64 },
    #[error(
        "bank_latency_ms ({latency_ms}) must be at most {} (30 days)",
        Range::LATEST_MS
    )]
    BankLatency { latency_ms: u64 },
    #[error("tls_certificate and tls_key go together: give both, or neither")]
    HalfTls,
    #[error("head_bytes_max ({head_bytes_max}) must be at least 8192")]
    HeadBytes { head_bytes_max: usize },
    #[error(
        "rate_burst is given and rate_per_second is not: say how many requests a second are granted"
    )]
    BurstAlone,
    #[error("rate_per_second ({per_second}) must be at most 1000000; leave it out for no limit")]
    Rate { per_second: NonZeroU32 },
    #[error(
        "rate_burst ({burst}) must not be more than an hour's worth of rate_per_second ({per_second})"
    )]
    Burst {
        burst: NonZeroU32,
        per_second: NonZeroU32,
    },
    #[error(
        "log ({log:?}) is no filter: {problem}. Give a level (error, warn, info, debug, trace), or levels by \
         target such as info,holdfast::requests=debug"
    )]
    Log { log: String, problem: String },
    #[error("otlp_ratio ({ratio}) must be from 0 (no trace) to 1 (every trace)")]
    OtlpRatio { ratio: f64 },
    #[error(
        "otlp_endpoint must be the http or https address of a collector, such as http://127.0.0.1:4318, without \
         credentials; put those into OTEL_EXPORTER_OTLP_HEADERS"
    )]
    OtlpEndpoint,
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
    /// Whether a store is opened of which nobody can tell whether it is whole.
    pub(crate) accept_older_store: bool,
    pub(crate) bank: BankSettings,
    /// Whether the bank was asked for, rather than taken because no other was.
    pub(crate) bank_asked_for: bool,
    /// Whether the bank is the same one at another address.
    pub(crate) bank_moved: bool,
    /// Merchants for whom nobody acts any more.
    pub(crate) retired: Retired,
    pub(crate) store_cache_bytes: u64,
    pub(crate) service: ServiceOptions,
    pub(crate) api_keys: ApiKeys,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<TlsOptions>,
    /// The file it was read from, if any.
    pub(crate) file: Option<PathBuf>,
}

/// Merchants for whom nobody acts any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retired {
    pub(crate) merchants: BTreeSet<Merchant>,
    /// Whether a flag or the environment names them, so that the file does not.
    given: bool,
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

/// The configuration, read and put together, and not yet looked at.
#[derive(Debug)]
pub(crate) struct Written {
    options: Options,
    file: Options,
    path: Option<PathBuf>,
    /// Whether a flag or the environment names the retired merchants.
    retired_given: bool,
}

impl ServeArgs {
    /// Puts flags, environment and file together. The file is read once: it may be a pipe.
    pub(crate) fn read(self) -> Result<Written, ConfigError> {
        let file = self.file()?;
        Ok(Written {
            retired_given: self.options.retired_merchants.is_some(),
            options: self.options.over(&file)?,
            file,
            path: self.config,
        })
    }

    fn file(&self) -> Result<Options, ConfigError> {
        match &self.config {
            Some(path) => read_file(path),
            None => Ok(Options::default()),
        }
    }
}

impl Written {
    /// How the service is to speak of itself: known before all else, so that the rest can be spoken of.
    pub(crate) fn telemetry(&self) -> Result<TelemetryOptions, ConfigError> {
        TelemetryOptions::of(&self.options)
    }

    /// What the service runs with.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let settings = settings(&self.options, &self.file)?;
        Ok(Settings {
            file: self.path,
            retired: Retired {
                given: self.retired_given,
                ..settings.retired
            },
            ..settings
        })
    }
}

fn settings(options: &Options, file: &Options) -> Result<Settings, ConfigError> {
    const MIB: u64 = 1024 * 1024;
    let api_keys = ApiKeys::new(&file.api_keys)?;
    let listen = options.listen.unwrap_or(LISTEN);
    if api_keys.is_empty() && !listen.ip().is_loopback() {
        return Err(ConfigError::OpenToTheWorld(listen));
    }
    TelemetryOptions::of(options)?;
    let service = options.service()?;
    let bank = BankSettings::of(options, &service)?;
    let store_cache_mib = options.store_cache_mib.unwrap_or(STORE_CACHE_MIB).max(1);
    Ok(Settings {
        listen,
        accept_older_store: options.accept_older_store.unwrap_or_default(),
        bank,
        bank_asked_for: options.bank.is_some(),
        bank_moved: options.bank_moved.unwrap_or_default(),
        retired: Retired::of(options.retired_merchants.as_deref(), false)?,
        store_cache_bytes: store_cache_mib.saturating_mul(MIB),
        service,
        api_keys,
        limits: Limits::of(options)?,
        tls: tls(options)?,
        file: None,
        data: options.data.clone().unwrap_or_else(|| DATA.into()),
    })
}

/// None of these options is zero.
fn at_least_one<const N: usize>(zeros: [(&'static str, bool); N]) -> Result<(), ConfigError> {
    match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
        Some((name, _)) => Err(ConfigError::Zero { name }),
        None => Ok(()),
    }
}

fn tls(options: &Options) -> Result<Option<TlsOptions>, ConfigError> {
    match (&options.tls_certificate, &options.tls_key) {
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
    let file = read_file(path)?;
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

/// Reads a configuration file.
fn read_file(path: &Path) -> Result<Options, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let invalid = |source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let written: toml::Table = toml::from_str(&text).map_err(invalid)?;
    let known = keys();
    if let Some(unknown) = written.keys().find(|key| !known.contains(key)) {
        return Err(ConfigError::UnknownKey {
            path: path.to_owned(),
            key: unknown.clone(),
            similar: similar(unknown, &known),
        });
    }
    // Once more from the text, for an error that shows the line.
    toml::from_str(&text).map_err(invalid)
}

/// Every key that a configuration file may have.
fn keys() -> Vec<String> {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let flags = command
        .get_arguments()
        .map(|flag| flag.get_id().to_string());
    let flags = flags.filter(|flag| flag != "config");
    flags.chain(["api_keys".to_owned()]).collect()
}

/// The known key that was meant, if one is close enough.
fn similar(unknown: &str, known: &[String]) -> Option<String> {
    let scored = known
        .iter()
        .map(|key| (strsim::jaro_winkler(unknown, key), key));
    let (score, key) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score > SIMILAR_ENOUGH).then(|| key.clone())
}

fn suggestion(similar: Option<&str>) -> String {
    match similar {
        Some(key) => format!(". Did you mean {key:?}?"),
        None => "; `holdfast config show` lists all there are".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::*;
    use crate::bank_server::ModeArg;

    fn file(toml: &str) -> Options {
        toml::from_str(toml).unwrap()
    }

    fn settings(flags: Options) -> Result<Settings, ConfigError> {
        let arguments = ServeArgs {
            options: flags,
            config: None,
        };
        arguments.read()?.settings()
    }

    #[test]
    fn every_flag_has_its_environment_variable_and_its_key_in_the_file() {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let mut count = 0;
        for argument in command.get_arguments() {
            let flag = argument.get_long().unwrap();
            let variable = format!("HOLDFAST_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), variable);
            let key = flag.replace('-', "_");
            if key == "config" {
                continue;
            }
            // A value of a wrong type is another error than a key that is not known.
            let refused = toml::from_str::<Options>(&format!("{key} = [[]]")).unwrap_err();
            assert!(
                !refused.to_string().contains("unknown field"),
                "{key}: {refused}"
            );
            count += 1;
        }
        assert!(count > 20, "{count} flags");
    }

    #[test]
    fn the_help_says_the_defaults_that_hold() {
        let defaults = toml::Table::try_from(Options::defaults(&Options::default())).unwrap();
        let command = ServeArgs::augment_args(Command::new("serve"));
        for argument in command.get_arguments() {
            let help = argument.get_help().unwrap().to_string();
            let said = help.split_once("[default: ").map(|(_, said)| said);
            let Some(default) = defaults.get(argument.get_id().as_str()) else {
                assert_eq!(said, None, "{help}");
                continue;
            };
            let default = default.to_string();
            let default = default.trim_matches('"');
            assert!(
                said.is_some_and(|said| said.starts_with(default)),
                "{help}: {default}"
            );
        }
    }

    #[test]
    fn the_simulated_bank_and_a_real_one_never_share_a_name() {
        let named = |bank: Option<&str>, name: Option<&str>| {
            let flags = Options {
                bank: bank.map(str::to_owned),
                bank_name: name.map(str::to_owned),
                ..Options::default()
            };
            settings(flags).map(|settings| match settings.bank {
                BankSettings::Simulated { .. } => "simulated".to_owned(),
                BankSettings::Http(bank) => bank.name.to_string(),
            })
        };
        let url = Some("http://127.0.0.1:9");
        for (bank, name, expected) in [
            (None, None, "simulated"),
            (Some("sim"), Some("simulated"), "simulated"),
            (url, None, "default"),
            (url, Some("acme-1"), "acme-1"),
        ] {
            assert_eq!(named(bank, name).unwrap(), expected);
        }
        for (bank, name) in [
            (None, Some("default")),
            (Some("sim"), Some("acme-1")),
            (url, Some("simulated")),
        ] {
            let said = named(bank, name).unwrap_err().to_string();
            assert!(said.contains("bank_name"), "{said}");
        }
        for name in ["", "a b", &"x".repeat(65)] {
            let said = named(url, Some(name)).unwrap_err().to_string();
            assert!(said.contains("bank_name"), "{said}");
        }
        let codes = Options {
            bank: url.map(str::to_owned),
            bank_duplicate_codes: Some(vec!["no good".to_owned()]),
            ..Options::default()
        };
        let said = settings(codes).unwrap_err().to_string();
        assert!(said.contains("bank_duplicate_codes"), "{said}");
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let file = file("bank_calls_max = 7\nattempts_max = 8\ndata = \"/from/file\"\n");
        let flags = Options {
            attempts_max: Some(9),
            ..Options::default()
        };
        let merged = flags.over(&file).unwrap();
        let service = merged.service().unwrap();
        assert_eq!(
            (service.bank_calls_max, service.budgets.attempts_max),
            (7, 9)
        );
        let defaults = ServiceOptions::default();
        assert_eq!(
            service.budgets.inquiries_max,
            defaults.budgets.inquiries_max
        );
        assert_eq!(merged.data.unwrap().to_str(), Some("/from/file"));
        assert_eq!(Options::default().service().unwrap(), defaults);
    }

    #[test]
    fn what_would_not_be_safe_is_refused_with_what_to_do() {
        let bank = |url: &str| Options {
            bank: Some(url.to_owned()),
            ..Options::default()
        };
        for (flags, expected) in [
            (bank("ftp://bank"), "is not one Holdfast can speak to"),
            (bank("http://user:secret@bank"), "put a token into a file"),
            (bank("ftp://user:secret@bank"), "put a token into a file"),
            (bank("http://user:secret@"), "put a token into a file"),
            (
                Options {
                    bank_connect_timeout_ms: Some(10_000),
                    ..bank("http://bank")
                },
                "bank_connect_timeout_ms (10000) must be at least 1 and less than",
            ),
            (bank("http://bank/?key=secret"), "put a token into a file"),
            (
                Options {
                    bank_window_ms: Some(60_000),
                    ..bank("http://bank")
                },
                "bank_window_ms (60000) must be greater than bank_grace_ms (60000)",
            ),
            (
                Options {
                    bank_timeout_ms: Some(2_000),
                    bank_grace_ms: Some(1_000),
                    bank_capability: Some(ModeArg::InquiryOnly),
                    ..bank("http://bank")
                },
                "bank_timeout_ms (2000) must not be greater than bank_grace_ms (1000)",
            ),
            (
                Options {
                    breaker_failures_max: Some(0),
                    ..Options::default()
                },
                "breaker_failures_max must be at least 1",
            ),
        ] {
            let said = settings(flags).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let neither = Options {
            bank_capability: Some(ModeArg::Neither),
            bank_grace_ms: Some(0),
            ..bank("https://bank/v1")
        };
        assert!(
            settings(neither).is_ok(),
            "a bank that cannot be asked needs no grace"
        );
    }
}
