//! Configuration: flags win, then the environment, then the file, then the defaults.

mod bank;
mod bounds;
mod environment;
mod error;
mod file;
mod limits;
mod options;
mod show;
mod telemetry;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_core::Merchant;
use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;

use crate::api_keys::ApiKeys;
use crate::bank_client::BankClient;
use crate::telemetry::TelemetryOptions;
use crate::tls::{Tls, TlsOptions};
pub(crate) use bank::BankSettings;
pub(crate) use environment::misspelt;
pub(crate) use error::{ConfigError, Mistakes};
use limits::Limits;
use options::Options;

/// Where to listen unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where the payments are unless told otherwise.
const DATA: &str = "./holdfast-data";

/// Memory for the database's own pages unless told otherwise, in MiB.
const STORE_CACHE_MIB: u64 = 256;

/// What `serve` can be told.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    options: Options,

    /// Configuration file (TOML); the keys are the flags with `_` for `-`
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
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
    pub(crate) lane: LaneOptions,
    pub(crate) api_keys: ApiKeys,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<TlsOptions>,
    /// The file it was read from, if any.
    pub(crate) file: Option<PathBuf>,
    /// Options that were given and that mean nothing with the chosen bank, each with why.
    pub(crate) meaningless: Vec<String>,
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
        let (written, mistakes) = self.read_on();
        mistakes.unless(Some(written))
    }

    /// The same, and goes on after a mistake, with what holds without it.
    pub(crate) fn read_on(self) -> (Written, Mistakes) {
        let mut mistakes = Mistakes::default();
        let given = bounds::within(self.options, &mut mistakes);
        let file = match &self.config {
            Some(path) => file::read(path, &mut mistakes),
            None => Options::default(),
        };
        let file = bounds::within(file, &mut mistakes);
        let written = Written {
            retired_given: given.retired_merchants.is_some(),
            options: mistakes.take(given.over(&file)).unwrap_or_default(),
            file,
            path: self.config,
        };
        (written, mistakes)
    }
}

impl Written {
    /// How the service is to speak of itself: known before all else, so that the rest can be spoken of.
    pub(crate) fn telemetry(&self) -> Result<TelemetryOptions, ConfigError> {
        TelemetryOptions::of(&self.options)
    }

    /// What the service runs with.
    ///
    /// # Errors
    /// With everything that is wrong, not only with what is found first.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        self.look(Mistakes::default(), false)
    }

    /// The same, after a look at everything besides the store that a start would look at. `mistakes` are those that were
    /// found before.
    pub(crate) fn check(self, mistakes: Mistakes) -> Result<Settings, ConfigError> {
        self.look(mistakes, true)
    }

    fn look(self, mut mistakes: Mistakes, files: bool) -> Result<Settings, ConfigError> {
        let settings = settings(&self.options, &self.file, &mut mistakes, files);
        mistakes.unless(settings.map(|settings| Settings {
            file: self.path,
            retired: Retired {
                given: self.retired_given,
                ..settings.retired
            },
            ..settings
        }))
    }
}

/// What the service runs with; `None` when a mistake was found. `files` is whether the files that it names are looked at.
fn settings(
    options: &Options,
    file: &Options,
    mistakes: &mut Mistakes,
    files: bool,
) -> Option<Settings> {
    const MIB: u64 = 1024 * 1024;
    let api_keys = mistakes.take(ApiKeys::new(&file.api_keys));
    let listen = options.listen.unwrap_or(LISTEN);
    let open = file.api_keys.is_empty() && !listen.ip().is_loopback();
    let closed = if open {
        Err(ConfigError::OpenToTheWorld(listen))
    } else {
        Ok(())
    };
    let closed = mistakes.take_with(&["api_keys"], closed);
    mistakes.take(TelemetryOptions::of(options));
    let (service, lane) = (options.service(), options.lane());
    let bank = BankSettings::of(options, &lane, mistakes);
    let retired = mistakes.take(Retired::of(options.retired_merchants.as_deref(), false));
    let rate = ["rate_per_second", "rate_burst"];
    let limits = mistakes.take_with(&rate, Limits::of(options));
    let pair = ["tls_certificate", "tls_key"];
    let tls = mistakes.take_with(&pair, tls(options));
    if files {
        if let Some(Some(tls)) = &tls {
            mistakes.take(Tls::new(tls.clone()));
        }
        if let Some(BankSettings::Http(bank)) = &bank {
            mistakes.take(BankClient::new(bank));
        }
    }
    closed?;
    let store_cache_mib = options.store_cache_mib.unwrap_or(STORE_CACHE_MIB).max(1);
    Some(Settings {
        listen,
        accept_older_store: options.accept_older_store.unwrap_or_default(),
        bank: bank?,
        bank_asked_for: options.bank.is_some(),
        bank_moved: options.bank_moved.unwrap_or_default(),
        retired: retired?,
        store_cache_bytes: store_cache_mib.saturating_mul(MIB),
        service,
        lane,
        api_keys: api_keys?,
        limits: limits?,
        tls: tls?,
        file: None,
        data: options.data.clone().unwrap_or_else(|| DATA.into()),
        meaningless: bank::meaningless(options),
    })
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
        let service = merged.service();
        assert_eq!(
            (merged.lane().calls_max, service.budgets.attempts_max),
            (7, 9)
        );
        let defaults = ServiceOptions::default();
        assert_eq!(
            service.budgets.inquiries_max,
            defaults.budgets.inquiries_max
        );
        assert_eq!(merged.data.unwrap().to_str(), Some("/from/file"));
        assert_eq!(Options::default().service(), defaults);
        assert_eq!(Options::default().lane(), LaneOptions::default());
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
