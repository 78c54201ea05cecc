//! `holdfast config show`: what a service would run with, and where each value comes from.

use std::fmt::Write;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use toml::{Table, Value};

use super::options::Options;
use super::{ConfigError, Mistakes, ServeArgs, Written};

/// What stands in the place of what is nobody's business.
const MASK: &str = "********";

impl ServeArgs {
    /// The configuration in force as a TOML file, each value with its origin. Hashes of API keys are masked.
    ///
    /// # Errors
    /// When it could not be served.
    pub(crate) fn show(self, matches: &ArgMatches) -> Result<String, ConfigError> {
        let Written {
            options: merged,
            file,
            path,
            ..
        } = self.read()?;
        let written = Table::try_from(&file)?;
        let effective = Table::try_from(merged.over(&Options::defaults(&merged))?)?;
        // What is shown can be served.
        let mut mistakes = Mistakes::default();
        let settings = super::settings(&merged, &file, &mut mistakes, false);
        mistakes.unless(settings)?;

        let mut lines = Vec::new();
        let command = Self::augment_args(Command::new("serve"));
        for argument in command.get_arguments() {
            let key = argument.get_id().as_str();
            if key == "config" {
                continue;
            }
            let origin = match matches.value_source(key) {
                Some(ValueSource::CommandLine) => {
                    format!("flag --{}", argument.get_long().unwrap_or(key))
                }
                Some(ValueSource::EnvVariable) => {
                    let variable = argument.get_env().unwrap_or_default();
                    format!("environment {}", variable.to_string_lossy())
                }
                _ => match &path {
                    Some(path) if written.contains_key(key) => format!("file {}", path.display()),
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
