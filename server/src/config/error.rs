//! Mistakes in the configuration, all reported at once.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use holdfast_core::{BankName, DeclineCode, Merchant};

use crate::api_keys::InvalidApiKey;
use crate::bank_client::BankClientError;
use crate::codes::{Code, Coded};
use crate::tls::TlsError;

/// A mistake in the configuration. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration file {} is not valid: {}", path.display(), .source.to_string().trim_end())]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error(
        "the configuration file {} is not valid: unknown key {key:?}{}",
        path.display(),
        suggestion(.similar.as_deref())
    )]
    UnknownKey {
        path: PathBuf,
        key: String,
        similar: Option<String>,
    },
    #[error(
        "the configuration file {} no longer has any API key. A service without API keys accepts every client. To run \
         without API keys, restart the service",
        path.display()
    )]
    NoKeysLeft { path: PathBuf },
    #[error("a value cannot be printed: {0}")]
    Show(#[from] toml::ser::Error),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    BankClient(#[from] BankClientError),
    #[error("{name} must be at least {min}, but is {given}")]
    TooSmall {
        name: &'static str,
        min: u64,
        given: u64,
    },
    #[error("{name} must be at most {max}{}, and is {given}", .unit.map(|unit| format!(" ({unit})")).unwrap_or_default())]
    TooLarge {
        name: &'static str,
        max: u64,
        unit: Option<&'static str>,
        given: u64,
    },
    #[error("{name} is empty: set a value or remove it")]
    Empty { name: String },
    #[error("{}", all(.0))]
    Many(Vec<ConfigError>),
    #[error(transparent)]
    ApiKey(#[from] InvalidApiKey),
    #[error(
        "bank {0:?} is not a valid bank. Use --bank sim for the built-in simulated bank, or the base URL of a bank, such as \
         https://bank.example/v1"
    )]
    Bank(String),
    #[error(
        "the URL of the bank must not contain credentials, a query or a fragment. To use a token, put the token into a file and \
         set --bank-token-file"
    )]
    BankUrl,
    #[error("bank_name {0:?} must be {rule}", rule = BankName::RULE)]
    InvalidBankName(String),
    #[error(
        "bank_name {name:?} cannot be used: {}",
        if *.simulated {
            "the bank is the built-in simulated bank, whose name is always `simulated`. Remove bank_name, or set a bank with \
             --bank"
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
        "bank_window_ms ({window_ms}) must be greater than bank_grace_ms ({grace_ms}): otherwise a repeat may arrive after \
         the bank has forgotten the reference. If the bank does not deduplicate references, set --bank-capability \
         inquiry-only"
    )]
    Window { window_ms: u64, grace_ms: u64 },
    #[error(
        "bank_timeout_ms ({timeout_ms}) must not be greater than bank_grace_ms ({grace_ms}): a request can still be on \
         its way to the bank while Holdfast waits for the response"
    )]
    Grace { timeout_ms: u64, grace_ms: u64 },
    #[error(
        "bank_connect_timeout_ms ({connect_ms}) must be at least 1 and less than bank_timeout_ms \
         ({timeout_ms})"
    )]
    ConnectTimeout { connect_ms: u64, timeout_ms: u64 },
    #[error("tls_certificate and tls_key go together: set both or neither")]
    HalfTls,
    #[error("rate_burst is set but rate_per_second is not: set rate_per_second too")]
    BurstAlone,
    #[error(
        "rate_burst ({burst}) must not be more than the requests of one hour at rate_per_second ({per_second})"
    )]
    Burst {
        burst: NonZeroU32,
        per_second: NonZeroU32,
    },
    #[error(
        "log ({log:?}) is not a valid filter: {problem}. Use a level (error, warn, info, debug, trace), or levels by target \
         such as info,holdfast::requests=debug"
    )]
    Log { log: String, problem: String },
    #[error("{name} ({given}) must be from 0 to 1")]
    NoShare { name: &'static str, given: f64 },
    #[error(
        "otlp_endpoint must be the http or https URL of a collector, such as http://127.0.0.1:4318, without credentials. \
         Put credentials into OTEL_EXPORTER_OTLP_HEADERS"
    )]
    OtlpEndpoint,
    #[error(
        "refusing to listen on {0}: it is not a loopback address and no API keys are configured, so anyone who can reach it \
         could make payments. Either listen on 127.0.0.1, or create an API key with `holdfast api-key new --merchant NAME`, \
         put the printed [[api_keys]] block into a file, and pass that file with --config"
    )]
    OpenToTheWorld(SocketAddr),
}

impl Coded for ConfigError {
    fn code(&self) -> Code {
        match self {
            Self::Tls(error) => error.code(),
            Self::BankClient(error) => error.code(),
            _ => Code::Configuration,
        }
    }
}

impl From<Vec<InvalidApiKey>> for ConfigError {
    fn from(mut wrong: Vec<InvalidApiKey>) -> Self {
        if wrong.len() == 1 {
            return Self::ApiKey(wrong.remove(0));
        }
        Self::Many(wrong.into_iter().map(Self::ApiKey).collect())
    }
}

fn suggestion(similar: Option<&str>) -> String {
    match similar {
        Some(key) => format!(". Did you mean {key:?}?"),
        None => "; `holdfast config show` lists all keys".to_owned(),
    }
}

fn all(mistakes: &[ConfigError]) -> String {
    let mut text = format!("the configuration has {} mistakes", mistakes.len());
    for mistake in mistakes {
        let _ = write!(text, "\n  - {mistake}");
    }
    text
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    noted: Vec<ConfigError>,
    /// Options that were left out because of a mistake, so that they are missing from here on.
    left_out: BTreeSet<String>,
    /// Whether the file could not be read, so that anything may be missing.
    no_file: bool,
}

impl Mistakes {
    /// The value; else notes the mistake.
    pub(super) fn take<T, E: Into<ConfigError>>(&mut self, looked: Result<T, E>) -> Option<T> {
        looked.map_err(|mistake| self.note(mistake)).ok()
    }

    pub(crate) fn note(&mut self, mistake: impl Into<ConfigError>) {
        match mistake.into() {
            ConfigError::Many(mistakes) => self.noted.extend(mistakes),
            mistake => self.noted.push(mistake),
        }
    }

    /// From here on an option is missing, because its value cannot be used.
    pub(crate) fn leave_out(&mut self, option: &str) {
        self.left_out.insert(option.to_owned());
    }

    pub(super) fn lose_file(&mut self) {
        self.no_file = true;
    }

    /// The value; else notes the mistake, unless it may only follow from one of these options being left out.
    pub(super) fn take_with<T>(
        &mut self,
        options: &[&str],
        looked: Result<T, ConfigError>,
    ) -> Option<T> {
        if self.no_file || options.iter().any(|option| self.left_out.contains(*option)) {
            return looked.ok();
        }
        self.take(looked)
    }

    /// The value, if there was no mistake.
    pub(super) fn unless<T>(mut self, value: Option<T>) -> Result<T, ConfigError> {
        match (value, self.noted.len()) {
            (Some(value), 0) => Ok(value),
            (_, 1) => Err(self.noted.remove(0)),
            _ => Err(ConfigError::Many(self.noted)),
        }
    }
}
