//! Flags, environment and file, read and merged.

use std::path::PathBuf;

use clap::Args;

use super::options::Options;
use super::{ConfigError, Mistakes, Settings, file, settings};
use crate::telemetry::TelemetryOptions;

/// The arguments of `serve`, `config check` and `config show`.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(super) options: Options,

    /// Configuration file (TOML); a key is the name of its flag with `_` for `-`
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// The configuration, read and merged, and not yet checked as a whole.
#[derive(Debug)]
pub(crate) struct Written {
    /// What is set, anywhere.
    pub(super) options: Options,
    /// What is set in the file.
    pub(super) file: Options,
    pub(super) path: Option<PathBuf>,
    /// Whether a flag or the environment names the retired merchants.
    retired_given: bool,
}

impl ServeArgs {
    /// Merges flags, environment and file. The file is read once: it may be a pipe.
    pub(crate) fn read(self) -> Result<Written, ConfigError> {
        let (written, mistakes) = self.read_on();
        mistakes.unless(Some(written))
    }

    /// The same, and goes on after a mistake with the values that have none.
    pub(crate) fn read_on(self) -> (Written, Mistakes) {
        let mut mistakes = Mistakes::default();
        let given = self.options.within(&mut mistakes);
        let file = match &self.config {
            Some(path) => file::read(path, &mut mistakes),
            None => Options::default(),
        };
        let file = file.within(&mut mistakes);
        let written = Written {
            retired_given: given.retired_merchants.is_some(),
            options: given.over(&file),
            file,
            path: self.config,
        };
        (written, mistakes)
    }
}

impl Written {
    /// Log and traces. They start before everything else, so that the rest can be logged.
    pub(crate) fn telemetry(&self) -> Result<TelemetryOptions, ConfigError> {
        TelemetryOptions::of(&self.options.values())
    }

    /// The settings of the service.
    ///
    /// # Errors
    /// With every mistake, not only the first.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        self.look(Mistakes::default(), false)
    }

    /// The same, and also checks everything that a start would check, except the store. `mistakes` are those that were found
    /// before.
    pub(crate) fn check(self, mistakes: Mistakes) -> Result<Settings, ConfigError> {
        self.look(mistakes, true)
    }

    fn look(self, mut mistakes: Mistakes, files: bool) -> Result<Settings, ConfigError> {
        let settings = settings::settings(&self.options, &mut mistakes, files);
        let mut settings = mistakes.unless(settings)?;
        settings.file = self.path;
        settings.retired.given = self.retired_given;
        Ok(settings)
    }
}
