//! `holdfast bank`: the simulated bank, with faults, as a separate service.

mod api;
mod deliver;
mod schema;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use holdfast_bank_simulator::BankLedgerError;
use holdfast_bank_simulator::SimulatedBankOptions;
use holdfast_bank_simulator::faults::{FaultProfile, PROFILES};
use holdfast_bank_simulator::{Bank, Mode};

use crate::accept;
use crate::capability::CapabilityName;
use crate::codes::{Code, Coded};
use crate::output;
use crate::process::{ListenError, Signals, listen};

/// The arguments of `bank`.
#[derive(Debug, Args)]
pub(crate) struct BankArgs {
    /// Address and port to listen on
    #[arg(long, env = "HOLDFAST_BANK_LISTEN", value_name = "ADDRESS:PORT", default_value_t = default_listen())]
    listen: SocketAddr,

    /// Fault profile: healthy, flaky, slow, outage, amnesiac, hostile, chaos, or a TOML file
    #[arg(
        long,
        env = "HOLDFAST_BANK_PROFILE",
        value_name = "NAME|FILE",
        default_value = "healthy"
    )]
    profile: String,

    /// Seed of the faults: the same seed and the same calls give the same faults
    #[arg(
        long,
        env = "HOLDFAST_BANK_SEED",
        value_name = "N",
        default_value_t = 0
    )]
    seed: u64,

    /// What the bank promises about repeated requests with the same reference [default: the mode of the profile, else keyed]
    #[arg(long, env = "HOLDFAST_BANK_MODE", value_enum)]
    mode: Option<CapabilityName>,

    /// File for the debits, so that a restarted bank remembers them [default: in memory only]
    #[arg(long, env = "HOLDFAST_BANK_LEDGER", value_name = "FILE")]
    ledger: Option<PathBuf>,
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8090).into()
}

impl From<CapabilityName> for Mode {
    fn from(name: CapabilityName) -> Self {
        match name {
            CapabilityName::Keyed => Self::Keyed,
            CapabilityName::InquiryOnly => Self::InquiryOnly,
            CapabilityName::Neither => Self::Neither,
        }
    }
}

impl From<Mode> for CapabilityName {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Keyed => Self::Keyed,
            Mode::InquiryOnly => Self::InquiryOnly,
            Mode::Neither => Self::Neither,
        }
    }
}

/// Why the bank could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BankError {
    #[error(transparent)]
    Ledger(#[from] BankLedgerError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

impl Coded for BankError {
    fn code(&self) -> Code {
        match self {
            Self::Ledger(error) => error.code(),
            Self::Listen(error) => error.code(),
            Self::Signals(_) => Code::System,
        }
    }
}

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error(
        "--profile {name}: there is no such built-in profile ({}) and no such file: {source}",
        PROFILES.join(", ")
    )]
    Unknown {
        name: String,
        source: std::io::Error,
    },
    #[error("--profile {name}: {source}")]
    Invalid {
        name: String,
        source: Box<toml::de::Error>,
    },
}

impl Coded for ProfileError {
    fn code(&self) -> Code {
        Code::Configuration
    }
}

impl BankArgs {
    /// The bank that was asked for.
    pub(crate) fn options(&self) -> Result<SimulatedBankOptions, ProfileError> {
        let Profile { mode, faults } = profile(&self.profile)?;
        Ok(SimulatedBankOptions {
            mode: self.mode.or(mode).unwrap_or(CapabilityName::Keyed).into(),
            faults,
            seed: self.seed,
            grace_ms: 0,
            ledger: self.ledger.clone(),
            time: None,
        })
    }
}

/// A profile, and the mode that its file may name.
struct Profile {
    mode: Option<CapabilityName>,
    faults: FaultProfile,
}

/// A built-in profile by name, else a file.
fn profile(name: &str) -> Result<Profile, ProfileError> {
    if let Some(faults) = FaultProfile::named(name) {
        return Ok(Profile { mode: None, faults });
    }
    let text = std::fs::read_to_string(Path::new(name)).map_err(|source| {
        let name = name.to_owned();
        ProfileError::Unknown { name, source }
    })?;
    let invalid = |source| ProfileError::Invalid {
        name: name.to_owned(),
        source: Box::new(source),
    };
    let mut table: toml::Table = text.parse().map_err(invalid)?;
    let mode = table.remove("mode").map(toml::Value::try_into);
    Ok(Profile {
        mode: mode.transpose().map_err(invalid)?,
        faults: table.try_into().map_err(invalid)?,
    })
}

/// Runs the bank until a signal.
pub(crate) async fn run(args: BankArgs, options: SimulatedBankOptions) -> Result<(), BankError> {
    let mut signals = Signals::new().map_err(BankError::Signals)?;
    let (listener, address) = listen(args.listen).await?;
    let bank = Arc::new(Bank::open(&options)?);
    let endpoint = Arc::new(api::endpoint(bank));
    announce(address, &args, options.mode.into());
    let stop = async {
        let name = signals.next().await;
        tracing::info!(signal = name, "shutting down");
    };
    // Connections under way are cut: a bank that vanishes is what this one is for.
    drop(
        accept::serve(
            listener,
            endpoint,
            accept::ConnectionLimits::default(),
            None,
            None,
            stop,
        )
        .await,
    );
    Ok(())
}

/// Says where it is. The bank goes on when nobody can be told.
fn announce(address: SocketAddr, args: &BankArgs, mode: CapabilityName) {
    let (profile, seed) = (&args.profile, args.seed);
    let mode = mode.to_possible_value();
    let mode = mode.as_ref().map_or("", |mode| mode.get_name());
    let said = output::print_with(|out| {
        writeln!(out, "Holdfast simulated bank {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  listening on  http://{address}")?;
        writeln!(out, "  API docs      http://{address}/docs")?;
        writeln!(out, "  faults        {profile}, seed {seed}, mode {mode}")?;
        writeln!(
            out,
            "  NO MONEY MOVES. To use it: holdfast serve --bank http://{address}"
        )
    });
    if let Err(error) = said {
        tracing::warn!(%error, %address, "cannot print the address, serving anyway");
    }
}
