//! `holdfast bench`: a load generator for a running service.
//!
//! In a closed loop each connection sends its next request when the last is answered: it finds out how much the service
//! can take. In an open loop (`--rate`) requests are due at fixed times whether or not the service keeps up, and latency
//! counts from the time at which a request was due: a service that stalls cannot hide it by being asked less meanwhile
//! (coordinated omission; Tene, "How NOT to Measure Latency", 2013).

mod client;
mod error;
mod plot;
mod report;
mod server;
mod workload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rand::TryRng;
use tokio::time::{Instant, MissedTickBehavior};

use client::{Address, Client, Seen, Shared, Storm, Target};
pub(crate) use error::BenchError;
use error::unwritten;
use report::{Measured, Report};
use workload::{STORM, Workload};

use crate::output::{self, complain};
use crate::reach::Reach;

/// The arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// URL of the service, such as `http://127.0.0.1:8080`
    url: String,

    /// Trust only the certificates in this PEM file for TLS to that service [default: the certificates that the system trusts]
    #[arg(long, env = "HOLDFAST_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Which requests to send
    #[arg(long, value_enum, default_value = "fresh")]
    workload: Workload,

    /// Number of connections; for `storm` a multiple of 6
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,

    /// Number of accounts; each payment moves money between two of them, which follow from its key
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    accounts: u32,

    /// Duration of the measurement, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Warm-up before the measurement, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    warmup: u64,

    /// Requests per second, sent at fixed times even if the service is slower (open loop). Without it, each connection sends
    /// its next request after a response (closed loop)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,

    /// Write the result as JSON; `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a chart of the latencies
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// API key; needed if the service has API keys
    #[arg(long, env = "HOLDFAST_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

/// Runs the measurement, says what came of it and writes what was asked for.
pub(crate) async fn run(args: BenchArgs) -> Result<(), BenchError> {
    if args.workload == Workload::Storm {
        if !args.connections.is_multiple_of(STORM) {
            return Err(BenchError::StormConnections);
        }
        if args.rate.is_some() {
            return Err(BenchError::StormRate);
        }
    }
    let reach = Reach::new(&args.url, args.ca.as_deref(), args.api_key.as_deref())?;
    if reach.url.path() != "/" {
        return Err(BenchError::Path);
    }
    for path in args.json.iter().chain(&args.plot) {
        check_directory(path)?;
    }
    let mut run = [0_u8; 8];
    rand::rngs::SysRng.try_fill_bytes(&mut run)?;
    let target = Arc::new(Target {
        service: Address::new(&reach)?,
        api_key: reach.api_key,
        run: u64::from_le_bytes(run),
        workload: args.workload,
        accounts: args.accounts,
    });
    let report = measure(&args, &target).await?;
    // Standard output is for one of the two. One that cannot be written takes none of the others away.
    let said = if args.json.as_deref() == Some(Path::new("-")) {
        complain(report.table().trim_end());
        Ok(())
    } else {
        output::print(report.table().trim_end())
    };
    let json = args.json.as_ref();
    let json = json.map_or(Ok(()), |path| report.write_json(path));
    let plot = args.plot.as_ref().map_or(Ok(()), |path| {
        std::fs::write(path, plot::render(&report)).map_err(unwritten(path))
    });
    said?;
    json.and(plot)
}

/// A slip in a path is told before a minute is spent on measuring.
fn check_directory(path: &Path) -> Result<(), BenchError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let found = std::fs::metadata(directory).map_err(unwritten(path))?;
    if !found.is_dir() {
        return Err(unwritten(path)(std::io::ErrorKind::NotADirectory.into()));
    }
    if path.is_dir() {
        return Err(unwritten(path)(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(())
}

async fn measure(args: &BenchArgs, target: &Arc<Target>) -> Result<Report, BenchError> {
    // Before any time is measured: everything is reached, and what is to be repeated exists.
    let mut clients = Vec::new();
    for connection in 0..args.connections {
        clients.push(Client::prepare(target.clone(), connection).await?);
    }
    let begin = Instant::now();
    let from = begin + Duration::from_secs(args.warmup);
    let until = from + Duration::from_secs(args.seconds);
    let shared = Arc::new(Shared::new(begin, from, until, args.rate));
    let storms: Vec<_> = match args.workload {
        Workload::Storm => (0..args.connections / STORM)
            .map(|_| Arc::new(Storm::new()))
            .collect(),
        Workload::Fresh | Workload::Replay | Workload::Mixed | Workload::Status => Vec::new(),
    };
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let storm = storms.get((client.connection() / STORM) as usize).cloned();
            tokio::spawn(client.send(shared.clone(), storm))
        })
        .collect();
    let ticking = tokio::spawn(show_progress(shared.clone(), args.warmup + args.seconds));
    tokio::time::sleep_until(from).await;
    let before = server::figures(target).await;
    tokio::time::sleep_until(until).await;
    let after = server::figures(target).await;
    let mut seen = Seen::new(args.seconds);
    for task in tasks {
        seen.add(task.await.expect("a connection's task does not panic"));
    }
    ticking.abort();
    let measured = Measured {
        workload: args.workload,
        connections: args.connections,
        accounts: args.accounts,
        seconds: args.seconds,
        rate: args.rate,
    };
    Ok(Report::new(measured, seen, before, after))
}

/// A line that says how far it is and how fast it goes.
async fn show_progress(shared: Arc<Shared>, seconds: u64) {
    let bar = ProgressBar::new(seconds);
    let style = ProgressStyle::with_template("bench {wide_bar} {pos}/{len} s  {msg}");
    bar.set_style(style.expect("the template is valid"));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = 0;
    loop {
        tick.tick().await;
        let answered = shared.answered.load(Ordering::Relaxed);
        let errors = shared.errors.load(Ordering::Relaxed);
        bar.set_message(format!("{} per second, {errors} errors", answered - last));
        bar.set_position(shared.begin.elapsed().as_secs());
        last = answered;
        if shared.begin.elapsed().as_secs() >= seconds {
            return bar.finish_and_clear();
        }
    }
}
