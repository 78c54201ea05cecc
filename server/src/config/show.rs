//! `holdfast config show`: the configuration that a service would run with, and where each value comes from.

use std::fmt::Write;

use clap::ArgMatches;
use clap::parser::ValueSource;
use toml::{Table, Value};

use super::args::{ServeArgs, Written};
use super::options::declared;
use super::{ConfigError, Mistakes, settings};

/// Shown instead of a secret.
const MASK: &str = "********";

impl ServeArgs {
    /// The configuration in force as a TOML file, each value with its origin. Hashes of API keys are masked.
    ///
    /// # Errors
    /// When a service could not run with it.
    pub(crate) fn show(self, matches: &ArgMatches) -> Result<String, ConfigError> {
        let Written {
            options,
            file,
            path,
            ..
        } = self.read()?;
        let in_file = file.given();
        let effective = Table::try_from(options.values())?;
        let mut mistakes = Mistakes::default();
        let usable = settings::settings(&options, &mut mistakes, false);
        mistakes.unless(usable)?;

        let mut lines = Vec::new();
        for option in declared() {
            let key = option.key;
            let origin = match matches.value_source(key) {
                Some(ValueSource::CommandLine) => format!("flag --{}", option.flag),
                Some(ValueSource::EnvVariable) => format!("environment {}", option.variable),
                _ => match &path {
                    Some(path) if in_file.iter().any(|(set, _)| *set == key) => {
                        format!("file {}", path.display())
                    }
                    _ => "default".to_owned(),
                },
            };
            lines.push(match effective.get(key) {
                Some(value) => (format!("{key} = {value}"), origin),
                None => (format!("# {key} is not set"), String::new()),
            });
        }
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
        let mut shown = String::new();
        for (line, origin) in lines {
            let _ = match origin.as_str() {
                "" => writeln!(shown, "{line}"),
                origin => writeln!(shown, "{line:width$}  # {origin}"),
            };
        }
        for key in &file.api_keys {
            let mut block = Table::try_from(key)?;
            block.insert("hash".to_owned(), Value::from(MASK));
            let _ = write!(shown, "\n[[api_keys]]\n{block}");
        }
        Ok(shown)
    }
}
