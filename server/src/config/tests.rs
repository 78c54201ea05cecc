//! The options as a whole.

use clap::{Args, Command, FromArgMatches};
use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;

use super::bounds::Bounds;
use super::options::{Options, declared};
use super::*;
use crate::capability::CapabilityName;

fn file(toml: &str) -> Options {
    toml::from_str(toml).unwrap()
}

fn settings_of(flags: Options) -> Result<Settings, ConfigError> {
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
    let defaults = toml::Table::try_from(Options::default().values()).unwrap();
    let command = ServeArgs::augment_args(Command::new("serve"));
    let mut count = 0;
    for option in declared() {
        let argument = command
            .get_arguments()
            .find(|flag| flag.get_id() == option.key);
        let help = argument.unwrap().get_help().unwrap().to_string();
        assert!(
            help.contains(&format!("[default: {}]", option.default)),
            "{help}"
        );
        let Some(default) = defaults.get(option.key) else {
            continue;
        };
        let default = default.to_string();
        assert!(
            option.default.starts_with(default.trim_matches('"')),
            "{help}: {default}"
        );
        count += 1;
    }
    assert!(count > 20, "{count} defaults");
}

#[test]
fn every_number_has_bounds() {
    let defaults = toml::Table::try_from(Options::default().values()).unwrap();
    for option in declared() {
        // A rate has no default: there is none.
        let is_number = option.key.starts_with("rate_")
            || defaults
                .get(option.key)
                .is_some_and(|value| value.is_integer() || value.is_float());
        assert_eq!(option.bounds.is_some(), is_number, "{}", option.key);
    }
}

fn parse(key: &str, value: &str) -> Result<ServeArgs, clap::Error> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let flag = format!("--{}={value}", key.replace('_', "-"));
    let mut flags = vec!["serve", "--bank=http://127.0.0.1:9", &flag];
    if key == "rate_burst" {
        flags.push("--rate-per-second=1000000");
    }
    ServeArgs::from_arg_matches(&command.try_get_matches_from(flags)?)
}

#[test]
fn numbers_outside_their_bounds_are_rejected_and_the_bounds_accepted() {
    let numbers = declared().iter();
    for (key, bounds) in numbers.filter_map(|option| Some((option.key, option.bounds?))) {
        let (inside, outside) = match bounds {
            Bounds::Whole { min, max, .. } => {
                let above = [max + 1, i64::MAX as u64, u64::MAX];
                let below = (min > 0).then(|| min - 1);
                let outside: Vec<_> = above
                    .into_iter()
                    .chain(below)
                    .map(|n| n.to_string())
                    .collect();
                ([min.to_string(), max.to_string()], outside)
            }
            Bounds::Share => (
                ["0".to_owned(), "1".to_owned()],
                ["-0.1", "1.1", "NaN", "inf"].map(str::to_owned).to_vec(),
            ),
        };
        for value in outside {
            // A value that does not fit its type is wrong usage already.
            let Ok(args) = parse(key, &value) else {
                continue;
            };
            let said = args.read().unwrap_err().to_string();
            assert!(said.contains(key) && said.contains(&value), "{said}");
        }
        for value in inside {
            let args = parse(key, &value).unwrap();
            let written = args
                .read()
                .unwrap_or_else(|error| panic!("{key} {value}: {error}"));
            // Other options may not go together with it; but nothing is out of range.
            if let Err(error) = written.settings() {
                let said = error.to_string();
                assert!(!said.contains(", and is "), "{said}");
            }
        }
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
        settings_of(flags).map(|settings| match settings.bank {
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
    let said = settings_of(codes).unwrap_err().to_string();
    assert!(said.contains("bank_duplicate_codes"), "{said}");
}

#[test]
fn flags_win_over_the_file_and_the_file_over_the_defaults() {
    let file = file("bank_calls_max = 7\nattempts_max = 8\ndata = \"/from/file\"\n");
    let flags = Options {
        attempts_max: Some(9),
        ..Options::default()
    };
    let merged = flags.over(&file).values();
    let service = settings::service(&merged);
    assert_eq!(
        (
            settings::lane(&merged).calls_max,
            service.budgets.attempts_max
        ),
        (7, 9)
    );
    let defaults = ServiceOptions::default();
    assert_eq!(
        service.budgets.inquiries_max,
        defaults.budgets.inquiries_max
    );
    assert_eq!(merged.data.to_str(), Some("/from/file"));
    let untouched = Options::default().values();
    assert_eq!(settings::service(&untouched), defaults);
    assert_eq!(settings::lane(&untouched), LaneOptions::default());
}

#[test]
fn what_would_not_be_safe_is_refused_with_what_to_do() {
    let bank = |url: &str| Options {
        bank: Some(url.to_owned()),
        ..Options::default()
    };
    for (flags, expected) in [
        (bank("ftp://bank"), "is not a valid bank"),
        (bank("http://user:secret@bank"), "put the token into a file"),
        (bank("ftp://user:secret@bank"), "put the token into a file"),
        (bank("http://user:secret@"), "put the token into a file"),
        (
            Options {
                bank_connect_timeout_ms: Some(10_000),
                ..bank("http://bank")
            },
            "bank_connect_timeout_ms (10000) must be at least 1 and less than",
        ),
        (bank("http://bank/?key=secret"), "put the token into a file"),
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
                bank_capability: Some(CapabilityName::InquiryOnly),
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
        let said = settings_of(flags).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let neither = Options {
        bank_capability: Some(CapabilityName::Neither),
        bank_grace_ms: Some(0),
        ..bank("https://bank/v1")
    };
    assert!(
        settings_of(neither).is_ok(),
        "a bank that cannot be asked needs no grace"
    );
}
