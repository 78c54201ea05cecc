//! Configuration. Flags win over the environment, the environment over the file, the file over the defaults.
//!
//! - [`options`]: every option, declared once; [`declare`], [`value`] and [`bounds`] are the form of a declaration.
//! - [`args`]: flags, environment and file, read and merged. [`file`] reads the file.
//! - [`settings`]: the options as the parts of the service take them ([`bank`], [`limits`], [`telemetry`]).
//! - [`show`] and [`table`]: the options for people, in `config show` and in the documentation.
//! - [`error`]: every mistake, all reported at once.
//!
//! Architecture invariant: the configuration does not know the simulator.

mod args;
mod bank;
mod bounds;
mod declare;
mod environment;
mod error;
mod file;
mod limits;
mod options;
mod settings;
mod show;
#[cfg(test)]
mod table;
mod telemetry;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use args::ServeArgs;
pub(crate) use bank::BankSettings;
pub(crate) use environment::misspelt;
pub(crate) use error::{ConfigError, Mistakes};
#[cfg(test)]
pub(crate) use options::SIMULATED_NAME;
pub(crate) use settings::{Retired, Settings, api_keys_again};
