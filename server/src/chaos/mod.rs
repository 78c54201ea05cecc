//! `holdfast chaos`: the real service in a simulated world that does everything wrong.

mod audience;
mod door;
mod error;
#[cfg(test)]
mod example;
mod files;
mod names;
mod picture;
mod program_name;
mod report;
mod runner;
mod say;
mod stop;
mod ui;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use holdfast_simulator::chaos::{Line, Mask, Sabotage, Scenario, Setup};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use audience::Audience;
use door::RealFrontDoor;
pub(crate) use error::ChaosError;
use files::Content;
use names::{LeftOut, left_out, sabotage, scenario};
use runner::{FailedSeed, Seeds, Smallest, Tally, Wrong};
use say::Run;
use stop::Stop;

/// Each is a thread of its own; more than this no machine has a use for.
const JOBS_MAX: u64 = 1_024;

/// The arguments of `chaos`.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Run the world of this seed, and print what happened
    #[arg(
        long,
        env = "HOLDFAST_SEED",
        value_name = "N",
        conflicts_with = "seeds"
    )]
    seed: Option<u64>,

    /// Run the worlds of this many seeds
    #[arg(
        long,
        env = "HOLDFAST_SEEDS",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    seeds: u64,

    /// First seed
    #[arg(
        long,
        env = "HOLDFAST_FIRST_SEED",
        value_name = "N",
        default_value_t = 0
    )]
    first_seed: u64,

    /// Scenario: the kind of worlds to run; --list prints all
    #[arg(long, env = "HOLDFAST_SCENARIO", value_name = "NAME", default_value = "swarm", value_parser = scenario)]
    scenario: Scenario,

    /// Plant a bug that chaos must find; --list prints all
    #[arg(long, env = "HOLDFAST_SABOTAGE", value_name = "NAME", value_parser = sabotage)]
    sabotage: Option<Sabotage>,

    /// Leave parts out of the world: families of faults, `key:N`, `key:N-M`, `operation:N`
    #[arg(long, env = "HOLDFAST_WITHOUT", value_name = "LIST", value_delimiter = ',', value_parser = left_out)]
    without: Vec<LeftOut>,

    /// Write an HTML report of the first failed seed, or of the only one
    #[arg(long, env = "HOLDFAST_REPORT", value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Write a text trace of the first failed seed, or of the only one
    #[arg(long, env = "HOLDFAST_TRACE", value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Write the result as JSON; `-` for standard output
    #[arg(long, env = "HOLDFAST_JSON", value_name = "FILE")]
    json: Option<PathBuf>,

    /// Run every Nth world twice, and compare the runs
    #[arg(long, env = "HOLDFAST_REPEAT_EVERY", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    repeat_every: u64,

    /// List the scenarios and the planted bugs
    #[arg(long)]
    list: bool,

    /// Worlds to run in parallel [default: one per core]
    #[arg(long, env = "HOLDFAST_JOBS", value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=JOBS_MAX))]
    jobs: Option<usize>,

    /// Serve a web page that runs one world at a time and draws what happened
    #[arg(long, conflicts_with_all = [
        "seed", "seeds", "first_seed", "scenario", "sabotage", "without", "report", "trace", "json", "repeat_every", "list",
        "jobs",
    ])]
    ui: bool,

    /// Address and port of that page; loopback addresses only
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = ui::default_listen(), value_parser = ui::on_this_machine, requires = "ui")]
    listen: SocketAddr,
}

impl ChaosArgs {
    fn setup(&self) -> Setup {
        let mut mask = Mask::default();
        for left_out in &self.without {
            match left_out {
                LeftOut::Family(family) => {
                    mask.families.insert(*family);
                }
                LeftOut::Keys(from, to) => mask.keys.extend(*from..=*to),
                LeftOut::Operations(from, to) => mask.operations.extend(*from..=*to),
            }
        }
        Setup {
            seed: self.seed.unwrap_or(self.first_seed),
            scenario: self.scenario,
            sabotage: self.sabotage,
            mask,
        }
    }

    /// How many worlds from this one on, and how.
    fn seeds(&self, first: u64) -> Result<Seeds, ChaosError> {
        let count = if self.seed.is_some() { 1 } else { self.seeds };
        if count - 1 > u64::MAX - first {
            return Err(ChaosError::PastLastSeed {
                first,
                seeds: count,
            });
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = self.jobs.unwrap_or(cores);
        Ok(Seeds {
            count,
            repeat_every: self.repeat_every,
            jobs: jobs.min(usize::try_from(count).unwrap_or(usize::MAX)),
        })
    }

    fn writes_files(&self) -> bool {
        self.json.is_some() || self.trace.is_some() || self.report.is_some()
    }

    /// Finds out whether what is asked for can be written, before thousands of worlds are run for it.
    fn check_files(&self) -> Result<(), ChaosError> {
        let json = self.json.as_ref().filter(|path| *path != Path::new("-"));
        for (content, path) in [
            (Content::Json, json),
            (Content::Trace, self.trace.as_ref()),
            (Content::Page, self.report.as_ref()),
        ] {
            if let Some(path) = path {
                files::check(content, path)?;
            }
        }
        Ok(())
    }
}

/// A panic somewhere in the service.
const PANICKED: u8 = 127;
/// Something good did not happen.
const LIVENESS: u8 = 128;
/// Something bad happened.
const SAFETY: u8 = 129;

/// Runs worlds, says what they came to, and shows the first that failed.
pub(crate) fn run(args: &ChaosArgs) -> Result<ExitCode, ChaosError> {
    if args.ui {
        return ui::run(args.listen).map(|()| ExitCode::SUCCESS);
    }
    let mut audience = Audience::new(args.json.as_deref());
    args.check_files()?;
    if args.list {
        if args.json.is_some() {
            audience.tell_machines(&say::list_json())?;
        } else {
            audience.tell_people(&say::list());
        }
        audience.heard()?;
        return Ok(ExitCode::SUCCESS);
    }
    runner::keep_panics();
    let setup = args.setup();
    let seeds = args.seeds(setup.seed)?;
    let stop = Stop::on_signals().map_err(ChaosError::Signals)?;
    let front_door = RealFrontDoor::new();
    let bar = bar(seeds.count);
    let began = Instant::now();
    let tally = runner::run_many(&setup, seeds, &stop, &front_door, &|| bar.inc(1));
    bar.finish_and_clear();
    let mut run = Run {
        scenario: args.scenario,
        seeds_asked: seeds.count,
        interrupted: stop.is_asked_for(),
        took: began.elapsed(),
        jobs: seeds.jobs,
    };
    // What was found is told before anything else can go wrong.
    audience.tell_people(&say::table(&tally, &run));
    let first = tally.failures.first();
    if let Some(failed) = first {
        audience.tell_people(&say::failure(failed, &setup));
    }
    if !args.writes_files() {
        audience.heard()?;
    }
    let only = (seeds.count == 1 && tally.seeds == 1).then_some(setup.seed);
    let traced = first.map(|failed| failed.seed).or(only);
    let trace = write_trace(args, traced, &setup, &front_door);
    let smallest = first.map(|failed| runner::smallest(failed, &setup, &stop, &front_door));
    run.interrupted = stop.is_asked_for();
    if let (Some(smallest), Some(failed)) = (&smallest, first) {
        audience.tell_people(&say::smallest(smallest, failed, run.interrupted));
    }
    let shown = match &smallest {
        Some(Smallest { setup, .. }) => Some(setup),
        None => only.map(|_| &setup),
    };
    let page = write_page(args, shown, &front_door, &mut audience);
    // The one that cannot be written keeps none of the others from being written.
    audience.tell_machines(&say::json(&tally, &run, &setup, smallest.as_ref()))?;
    trace?;
    page?;
    audience.heard()?;
    Ok(ExitCode::from(exit_status(&tally, &stop)))
}

/// Runs a world once more, in words.
fn lines_of(setup: &Setup, front_door: &RealFrontDoor) -> (Vec<Line>, Option<Wrong>) {
    let (outcome, wrong) = runner::run_one(setup, front_door, true);
    // Of a world that ended in a panic nothing else is known.
    (outcome.unwrap_or_default().lines, wrong)
}

fn write_trace(
    args: &ChaosArgs,
    seed: Option<u64>,
    setup: &Setup,
    front_door: &RealFrontDoor,
) -> Result<(), ChaosError> {
    let (Some(path), Some(seed)) = (&args.trace, seed) else {
        return Ok(());
    };
    let setup = Setup {
        seed,
        ..setup.clone()
    };
    let (lines, _) = lines_of(&setup, front_door);
    files::write(Content::Trace, path, &say::trace(&lines))
}

fn write_page(
    args: &ChaosArgs,
    shown: Option<&Setup>,
    front_door: &RealFrontDoor,
    audience: &mut Audience<'_>,
) -> Result<(), ChaosError> {
    let Some(path) = &args.report else {
        return Ok(());
    };
    let Some(setup) = shown else {
        audience.tell_people(say::NO_REPORT);
        return Ok(());
    };
    let (lines, wrong) = lines_of(setup, front_door);
    let page = report::render(setup, wrong.as_ref(), &lines);
    files::write(Content::Page, path, &page)?;
    let path = files::absolute(path);
    audience.tell_people(&format!("\nThe page is at {}\n", path.display()));
    Ok(())
}

/// What was found counts for more than who ended the run.
fn exit_status(tally: &Tally, stop: &Stop) -> u8 {
    match tally.failures.first() {
        None if !tally.diverged.is_empty() => 1,
        None => stop.status().unwrap_or(0),
        Some(FailedSeed { wrong, .. }) => match wrong {
            Wrong::Panic(_) => PANICKED,
            Wrong::Violation(violation) if violation.invariant.is_safety() => SAFETY,
            Wrong::Violation(_) => LIVENESS,
        },
    }
}

fn bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::new(seeds);
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos}/{human_len} seeds {per_sec} {eta}",
    );
    bar.set_style(style.expect("the template is valid"));
    bar.set_message("chaos");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use holdfast_simulator::chaos::{Invariant, Violation};

    use super::*;

    #[test]
    fn what_was_found_counts_for_more_than_who_ended_the_run() {
        let stop = Stop::default();
        let mut tally = Tally::default();
        assert_eq!(exit_status(&tally, &stop), 0);
        stop.interrupt();
        assert_eq!(exit_status(&tally, &stop), 130);
        tally.diverged.push(3);
        assert_eq!(exit_status(&tally, &stop), 1);
        let wrong = Wrong::Violation(Violation {
            invariant: Invariant::OneDebit,
            key: None,
            at_ms: 0,
            detail: String::new(),
        });
        tally.failures.push(FailedSeed { seed: 3, wrong });
        assert_eq!(exit_status(&tally, &stop), SAFETY);
    }
}
