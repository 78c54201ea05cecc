//! `holdfast chaos`: the real service in a simulated world that does everything wrong.

mod door;
mod report;
mod runner;
mod say;
mod shown;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast_simulator::chaos::{Family, Mask, Sabotage, Scenario, Setup};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use door::RealFrontDoor;
use runner::{FailedSeed, Tally, Wrong};
pub(crate) use shown::{WorldWanted, catalogue, show_world};

/// What `chaos` can be told.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Run the world of this seed, and say what happened in it
    #[arg(
        long,
        env = "HOLDFAST_SEED",
        value_name = "N",
        conflicts_with = "seeds"
    )]
    seed: Option<u64>,

    /// Run the worlds of so many seeds
    #[arg(
        long,
        env = "HOLDFAST_SEEDS",
        value_name = "N",
        default_value_t = 1_000
    )]
    seeds: u64,

    /// The first of them
    #[arg(
        long,
        env = "HOLDFAST_FIRST_SEED",
        value_name = "N",
        default_value_t = 0
    )]
    first_seed: u64,

    /// The shape of the worlds; --list names all
    #[arg(long, env = "HOLDFAST_SCENARIO", value_name = "NAME", default_value = "swarm", value_parser = scenario)]
    scenario: Scenario,

    /// Plant a bug, which must be found; --list names all
    #[arg(long, env = "HOLDFAST_SABOTAGE", value_name = "NAME", value_parser = sabotage)]
    sabotage: Option<Sabotage>,

    /// Leave these out of the world: families of faults, `key:N`, `key:N-M`, `operation:N`
    #[arg(long, env = "HOLDFAST_WITHOUT", value_name = "LIST", value_delimiter = ',', value_parser = left_out)]
    without: Vec<LeftOut>,

    /// Write a page that shows what happened, for the first seed that failed or the only one
    #[arg(long, env = "HOLDFAST_REPORT", value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Write all that happened in words, for the first seed that failed or the only one
    #[arg(long, env = "HOLDFAST_TRACE", value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Write the result as JSON; `-` for standard output
    #[arg(long, env = "HOLDFAST_JSON", value_name = "FILE")]
    json: Option<PathBuf>,

    /// Run one world in so many a second time, and compare what happened
    #[arg(long, env = "HOLDFAST_REPEAT_EVERY", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    repeat_every: u64,

    /// Name the scenarios and the sabotages
    #[arg(long)]
    list: bool,

    /// How many worlds at once [default: one per core]
    #[arg(long, env = "HOLDFAST_JOBS", value_name = "N")]
    jobs: Option<usize>,
}

/// Something that is left out of a world.
#[derive(Debug, Clone, Copy)]
enum LeftOut {
    Family(Family),
    Keys(u32, u32),
    Operations(u32, u32),
}

fn names(all: impl Iterator<Item = &'static str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
        let known = names(Scenario::ALL.into_iter().map(Scenario::name));
        format!("there is no such scenario; there are {known}")
    })
}

fn sabotage(name: &str) -> Result<Sabotage, String> {
    Sabotage::named(name).ok_or_else(|| {
        let known = names(Sabotage::ALL.iter().map(|sabotage| sabotage.name()));
        format!("there is no such sabotage; there are {known}")
    })
}

fn family(name: &str) -> Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| {
        let known = names(Family::ALL.into_iter().map(Family::name));
        format!("there is no such family of faults; there are {known}")
    })
}

fn left_out(text: &str) -> Result<LeftOut, String> {
    let wrong = || {
        let families = names(Family::ALL.into_iter().map(Family::name));
        format!("is none of {families}, `key:N`, `key:N-M`, `operation:N`, `operation:N-M`")
    };
    if let Ok(family) = family(text) {
        return Ok(LeftOut::Family(family));
    }
    let (kind, number) = text.split_once(':').ok_or_else(wrong)?;
    let (from, to) = number.split_once('-').unwrap_or((number, number));
    let from = from.parse().map_err(|_| wrong())?;
    let to = to.parse().map_err(|_| wrong())?;
    match kind {
        "key" => Ok(LeftOut::Keys(from, to)),
        "operation" => Ok(LeftOut::Operations(from, to)),
        _ => Err(wrong()),
    }
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
}

/// A panic somewhere in the service.
const PANICKED: u8 = 127;
/// Something good did not happen.
const LIVENESS: u8 = 128;
/// Something bad happened.
const SAFETY: u8 = 129;

/// Runs worlds, says what they came to, and shows the first that failed.
pub(crate) fn run(args: &ChaosArgs) -> std::io::Result<ExitCode> {
    if args.list {
        say::list(args.json.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    runner::keep_panics();
    let front_door = RealFrontDoor::new();
    let setup = args.setup();
    let seeds = if args.seed.is_some() { 1 } else { args.seeds };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.unwrap_or(cores);
    let bar = bar(seeds);
    let began = Instant::now();
    let range = setup.seed..setup.seed.saturating_add(seeds);
    let tally = runner::run_many(&setup, range, args.repeat_every, jobs, &front_door, &|| {
        bar.inc(1);
    });
    let took = began.elapsed();
    bar.finish_and_clear();
    let scenario = args.scenario;
    if let Some(path) = &args.json {
        say::json(path, &tally)?;
    }
    say::table(
        &tally,
        scenario,
        took,
        jobs.min(usize::try_from(seeds).unwrap_or(usize::MAX)),
    );
    let first = tally.failures.first().map(|failed| failed.seed);
    let shown = first.or((seeds == 1).then_some(setup.seed));
    if let (Some(seed), Some(path)) = (shown, &args.trace) {
        let setup = Setup {
            seed,
            ..setup.clone()
        };
        let (outcome, _) = runner::run_one(&setup, &front_door, true);
        say::trace(
            path,
            &outcome.map(|outcome| outcome.lines).unwrap_or_default(),
        )?;
    }
    if let Some(failed) = tally.failures.first() {
        say::failure(failed, &setup);
        let smallest = runner::smallest(failed, &setup, &front_door);
        say::smallest(&smallest);
        write_report(args, &smallest, &front_door)?;
    } else if seeds == 1 {
        write_report(args, &setup, &front_door)?;
    } else if args.report.is_some() {
        say::no_report();
    }
    Ok(exit_code(&tally))
}

/// Runs a world once more, in words, and writes the page.
fn write_report(
    args: &ChaosArgs,
    setup: &Setup,
    front_door: &RealFrontDoor,
) -> std::io::Result<()> {
    let Some(path) = &args.report else {
        return Ok(());
    };
    let (outcome, wrong) = runner::run_one(setup, front_door, true);
    let lines = outcome.map(|outcome| outcome.lines).unwrap_or_default();
    std::fs::write(path, report::render(setup, wrong.as_ref(), &lines))
}

fn exit_code(tally: &Tally) -> ExitCode {
    match tally.failures.first() {
        None if tally.diverged.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
        Some(FailedSeed { wrong, .. }) => ExitCode::from(match wrong {
            Wrong::Panic(_) => PANICKED,
            Wrong::Violation(violation) if violation.invariant.is_safety() => SAFETY,
            Wrong::Violation(_) => LIVENESS,
        }),
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
