//! The commands of the `holdfast` binary.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage; 130 and 143 ended by SIGINT and SIGTERM, 141 nobody read the output.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use holdfast_core::Merchant;
use tracing_subscriber::EnvFilter;

use crate::api_keys::Role;
use crate::bank_server::BankArgs;
use crate::bench::{BenchArgs, BenchError};
use crate::chaos::{ChaosArgs, ChaosError};
use crate::codes::{Code, Coded};
use crate::config::{ConfigError, ServeArgs, misspelt};
use crate::manual;
use crate::offline::{ExportArgs, ImportArgs, IndexCommand, VerifyArgs, VerifyError};
use crate::output::{self, OutputError, complain};
use crate::process;
use crate::serve::ServeError;
use crate::telemetry::Telemetry;

/// The version, and the commit that it was made of.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("HOLDFAST_COMMIT"),
    ")"
);

/// Payment service with safe retries: at most one charge per idempotency key, and the same response for every retry.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version = VERSION, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the payment service
    Serve(Box<ServeArgs>),
    /// Run the simulated bank, with faults, as a separate service
    Bank(BankArgs),
    /// Run the service in simulated worlds with faults, and check the promises
    Chaos(ChaosArgs),
    /// Check a store against its journal and report every difference
    Verify(VerifyArgs),
    /// Export the journal of a store to a file, as a backup or to move to another version
    Export(ExportArgs),
    /// Create a store from an export
    Import(ImportArgs),
    /// Work on the index of a store, which follows from its journal
    #[command(subcommand)]
    Index(IndexCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Benchmark a running service
    Bench(BenchArgs),
    /// Check or print the configuration of `serve`
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a shell completion script
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Manage API keys
    #[command(subcommand, name = "api-key")]
    ApiKey(ApiKeyCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the configuration and report every mistake
    Check(Box<ServeArgs>),
    /// Print every value and where it comes from; secrets are masked
    Show(Box<ServeArgs>),
}

#[derive(Debug, Subcommand)]
enum ApiKeyCommand {
    /// Print a new secret, and the configuration block that accepts it
    New {
        /// The merchant the key acts for
        #[arg(long)]
        merchant: String,
        /// What the key permits
        #[arg(long, value_enum, default_value = "merchant")]
        role: Role,
    },
}

/// Wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let (matches, wrong) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return say_usage(&error),
    };
    let variables = std::env::vars_os().map(|(name, value)| {
        let text = |part: OsString| part.to_string_lossy().into_owned();
        (text(name), text(value))
    });
    for misspelt in misspelt(&Cli::command(), variables) {
        warn(misspelt);
    }
    if !wrong.is_empty() {
        return match check_rest(matches, &wrong) {
            Ok(args) => check_config(args, wrong),
            Err(error) => say_usage(&error),
        };
    }
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return say_usage(&error),
    };
    match cli.command {
        Command::Serve(_) => {} // Says by its options what it logs.
        Command::Chaos(_) => log("off"),
        _ => log("info"),
    }
    match cli.command {
        // They hold payments.
        Command::Serve(_)
        | Command::Bank(_)
        | Command::Verify(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Index(_) => process::keep_files_private(),
        _ => {}
    }
    match cli.command {
        Command::Serve(args) => serve(*args),
        Command::Bank(args) => bank(args),
        Command::Chaos(args) => chaos(&args),
        Command::Verify(args) => match crate::offline::verify(&args) {
            Ok(true) => done(),
            Ok(false) => {
                complain(Code::Differences);
                ExitCode::FAILURE
            }
            Err(VerifyError::Output(error)) => error.exit_code(),
            Err(error) => failed(&error),
        },
        Command::Export(args) => match crate::offline::export(&args, given(&matches)) {
            Ok((entries, payments, head)) => told(&format!(
                "Exported {entries} entries of {payments} payments. The digest of the journal is {}.",
                head.digest
            )),
            Err(error) if error.is_usage() => wrong_usage(&error),
            Err(error) => failed(&error),
        },
        Command::Import(args) => match crate::offline::import(&args) {
            Ok(report) => {
                if report.unfinished > 0 {
                    say_unfinished(report.unfinished);
                }
                told(&format!(
                    "Imported {} entries of {} payments, {} of them unfinished. The new store was verified.",
                    report.entries, report.payments, report.unfinished
                ))
            }
            Err(error) => failed(&error),
        },
        Command::Index(IndexCommand::Rebuild(args)) => {
            crate::offline::rebuild(&args).map_or_else(|error| failed(&error), |built| told(&built))
        }
        Command::Openapi => openapi(),
        Command::Bench(args) => match block_on(crate::bench::run(args)) {
            Ok(()) => done(),
            Err(BenchError::Output(error)) => error.exit_code(),
            Err(error) if error.is_usage() => without_code(error, ExitCode::from(WRONG_USAGE)),
            Err(error) => without_code(error, ExitCode::FAILURE),
        },
        Command::Completions { shell } => told(&manual::completions(shell, Cli::command())),
        Command::Man => told(&manual::page(Cli::command())),
        Command::Config(ConfigCommand::Check(args)) => check_config(*args, Vec::new()),
        Command::Config(ConfigCommand::Show(args)) => {
            let given = given(given(&matches));
            args.show(given)
                .map_or_else(|error| wrong_usage(&error), |shown| told(shown.trim_end()))
        }
        Command::ApiKey(ApiKeyCommand::New { merchant, role }) => new_api_key(&merchant, role),
    }
}

/// A value of the wrong type for its option.
struct WrongValue {
    option: String,
    said: String,
}

/// Reads the command line and the environment. `config check` reports every mistake, so there a value of the wrong type is
/// removed, and the rest is checked.
fn parse() -> Result<(ArgMatches, Vec<WrongValue>), clap::Error> {
    let mut command = Cli::command();
    let mut wrong = Vec::new();
    loop {
        let error = match command.clone().try_get_matches() {
            Ok(matches) => return Ok((matches, wrong)),
            Err(error) => error,
        };
        let is_check = std::env::args_os().skip(1).take(2).eq(["config", "check"]);
        let Some(value) = wrong_value(&error).filter(|_| is_check) else {
            return Err(error);
        };
        if wrong
            .iter()
            .any(|known: &WrongValue| known.option == value.option)
        {
            return Err(error);
        }
        let option = value.option.clone();
        command = command.mut_subcommand("config", |config| {
            config.mut_subcommand("check", |check| {
                check.mut_arg(option, |arg| {
                    arg.value_parser(clap::value_parser!(OsString))
                })
            })
        });
        wrong.push(value);
    }
}

fn wrong_value(error: &clap::Error) -> Option<WrongValue> {
    if !matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    ) {
        return None;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = flag.split([' ', '[', '=']).next()?.trim_start_matches("--");
    let said = error.to_string();
    let said = said.lines().take_while(|line| !line.is_empty());
    let said: Vec<_> = said.map(str::trim).collect();
    Some(WrongValue {
        option: flag.replace('-', "_"),
        said: said.join(" ").trim_start_matches("error: ").to_owned(),
    })
}

/// `config check` without the values of the wrong type.
fn check_rest(mut matches: ArgMatches, wrong: &[WrongValue]) -> Result<ServeArgs, clap::Error> {
    let config = matches.remove_subcommand();
    let check = config.and_then(|(_, mut config)| config.remove_subcommand());
    let (_, mut check) = check.expect("only `config check` leaves values out");
    for WrongValue { option, .. } in wrong {
        let _ = check.try_clear_id(option);
    }
    ServeArgs::from_arg_matches(&check)
}

/// Says what clap has to say: the help and the version on standard output, wrong usage on standard error.
fn say_usage(error: &clap::Error) -> ExitCode {
    let said = error.print().and_then(|()| io::stdout().flush());
    match said {
        Err(unsaid) if !error.use_stderr() => OutputError::from(unsaid).exit_code(),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE)),
    }
}

/// Logs to standard error at the level of `HOLDFAST_LOG`, or at the default level of the command.
fn log(default: &str) {
    let filter =
        EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .init();
}

/// The matches of the command that was given.
fn given(matches: &ArgMatches) -> &ArgMatches {
    let (_, given) = matches.subcommand().expect("clap asks for a command");
    given
}

fn done() -> ExitCode {
    ExitCode::SUCCESS
}

fn say_error(error: &dyn Coded) {
    complain(format_args!("holdfast: {error}.\n{}", error.code()));
}

/// An export may be older than what its service did next.
fn say_unfinished(unfinished: u64) {
    complain(format_args!(
        "warning: {unfinished} payments were unfinished at the time of the export, and `holdfast serve` will continue \
         them. If the exported service kept running after the export, it may have sent them already: read \
         \"Backup and restore\" in docs/operations.md before you start the service."
    ));
}

fn warn(text: impl std::fmt::Display) {
    complain(format_args!("warning: {text}"));
}

fn told(result: &str) -> ExitCode {
    output::print(result).map_or_else(|error| error.exit_code(), |()| done())
}

fn failed(error: &dyn Coded) -> ExitCode {
    say_error(error);
    ExitCode::FAILURE
}

fn wrong_usage(error: &dyn Coded) -> ExitCode {
    say_error(error);
    ExitCode::from(WRONG_USAGE)
}

/// An error without a code. Operators of a service do not see it.
fn without_code(error: impl std::fmt::Display, exit_code: ExitCode) -> ExitCode {
    complain(format_args!("holdfast: {error}."));
    exit_code
}

/// Runs a future on the runtime of the process. One core is left to the thread that commits: tasks
/// spread over every core cost more in wake-ups than they gain.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.saturating_sub(1).max(1))
        .enable_all()
        .build()
        .expect("the operating system grants a process its threads")
        .block_on(future)
}

fn serve(args: ServeArgs) -> ExitCode {
    let (telemetry, written) = match args.read().and_then(|read| Ok((read.telemetry()?, read))) {
        Ok(read) => read,
        Err(error) => return wrong_usage(&error),
    };
    let served = block_on(async {
        let telemetry = Telemetry::start(telemetry)?;
        let served = match written.settings() {
            Ok(settings) => crate::serve::run(settings).await,
            Err(error) => Err(ServeError::Config(error)),
        };
        telemetry.stop().await;
        served
    });
    match served {
        Ok(()) => done(),
        Err(ServeError::Config(error)) => wrong_usage(&error),
        Err(error @ ServeError::Fatal(_)) => {
            say_error(&error);
            // At once, with the store kept from being dropped: see `serve::run`.
            std::process::exit(1)
        }
        Err(error) => failed(&error),
    }
}

/// `config check`. `wrong` are the values of the wrong type, by option.
fn check_config(args: ServeArgs, wrong: Vec<WrongValue>) -> ExitCode {
    let (written, mut mistakes) = args.read_on();
    for WrongValue { option, said } in wrong {
        mistakes.leave_out(&option);
        mistakes.note(ConfigError::Usage(said));
    }
    match written.check(mistakes) {
        Ok(settings) => {
            for meaningless in &settings.meaningless {
                warn(meaningless);
            }
            told(&format!("The configuration is valid: {settings}."))
        }
        Err(error) => wrong_usage(&error),
    }
}

fn bank(args: BankArgs) -> ExitCode {
    match args.options() {
        Ok(options) => block_on(crate::bank_server::run(args, options))
            .map_or_else(|error| failed(&error), |()| done()),
        Err(error) => wrong_usage(&error),
    }
}

fn chaos(args: &ChaosArgs) -> ExitCode {
    match crate::chaos::run(args) {
        Ok(code) => code,
        Err(error @ ChaosError::PastLastSeed { .. }) => {
            without_code(error, ExitCode::from(WRONG_USAGE))
        }
        Err(ChaosError::Output(error)) => error.exit_code(),
        Err(ChaosError::Listen(error)) => failed(&error),
        Err(error @ (ChaosError::File { .. } | ChaosError::Signals(_))) => {
            without_code(error, ExitCode::FAILURE)
        }
    }
}

fn openapi() -> ExitCode {
    told(crate::api::openapi_json().trim_end())
}

fn new_api_key(merchant: &str, role: Role) -> ExitCode {
    let merchant = match Merchant::new(merchant) {
        Ok(merchant) => merchant,
        Err(error) => {
            return without_code(format!("--merchant {error}"), ExitCode::from(WRONG_USAGE));
        }
    };
    match crate::api_keys::generate(&merchant, role) {
        Ok((secret, block)) => told(&format!(
            "{secret}\n\n# The secret above is shown only once. Add this block to the configuration file:\n\n{block}"
        )),
        Err(error) => without_code(
            format!("the operating system provides no randomness: {error}"),
            ExitCode::FAILURE,
        ),
    }
}
