//! What `holdfast chaos` says: to people as a table, to machines as JSON. Nothing here writes anywhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use holdfast_simulator::chaos::{Line, Sabotage, Scenario, Setup, Sometimes};
use serde_json::{Value, json};

use super::program_name::program;
use super::runner::{FailedSeed, Smallest, Tally, Wrong};

/// Writes a line to a string, which cannot fail.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {{
        let _ = writeln!($text, $($arguments)*);
    }};
}

/// How a run of worlds went, besides what they came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) scenario: Scenario,
    pub(super) seeds_asked: u64,
    pub(super) interrupted: bool,
    pub(super) took: Duration,
    pub(super) jobs: usize,
}

/// Names everything that can be asked for.
pub(super) fn list() -> String {
    let mut text = String::from("Scenarios:\n");
    for scenario in Scenario::ALL {
        line!(text, "  {:<22} {}", scenario.name(), scenario.description());
    }
    text.push_str("Sabotages:\n");
    for sabotage in Sabotage::ALL {
        line!(text, "  {:<22} {}", sabotage.name(), sabotage.description());
    }
    text
}

/// Names everything that can be asked for, for machines.
pub(super) fn list_json() -> Value {
    let scenarios: Vec<&str> = Scenario::ALL.into_iter().map(Scenario::name).collect();
    let sabotages: Vec<&str> = Sabotage::ALL.iter().map(|bug| bug.name()).collect();
    json!({"scenarios": scenarios, "sabotages": sabotages})
}

/// What happened, a line each.
pub(super) fn trace(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let key = line.key.map(|key| format!("key-{key}")).unwrap_or_default();
        let (at_ms, track, what) = (line.at_ms, line.track.name(), &line.text);
        line!(text, "{at_ms:>8} {track:<8} {key:<7} {what}");
    }
    text
}

fn missed(tally: &Tally) -> Vec<Sometimes> {
    let all = Sometimes::ALL.iter().copied();
    all.filter(|moment| !tally.moments.contains_key(moment))
        .collect()
}

/// The result for machines.
pub(super) fn json(tally: &Tally, run: &Run, setup: &Setup, smallest: Option<&Smallest>) -> Value {
    let failures: Vec<Value> = tally
        .failures
        .iter()
        .map(|FailedSeed { seed, wrong }| {
            let again = command(*seed, setup);
            match wrong {
                Wrong::Violation(violation) => json!({
                    "seed": seed, "invariant": violation.invariant, "key": violation.key,
                    "at_ms": violation.at_ms, "detail": violation.detail, "again": again,
                }),
                Wrong::Panic(text) => {
                    json!({"seed": seed, "invariant": "panic", "detail": text, "again": again})
                }
            }
        })
        .collect();
    let sometimes: serde_json::Map<String, Value> = tally
        .moments
        .iter()
        .map(|(moment, times)| (name_of(*moment), json!(times)))
        .collect();
    json!({
        "seeds": tally.seeds,
        "seeds_asked": run.seeds_asked,
        "interrupted": run.interrupted,
        "failures": failures,
        "smallest": smallest.map(|smallest| command(smallest.setup.seed, &smallest.setup)),
        "trace_hash": format!("{:016x}", tally.trace_hash),
        "faults": tally.faults,
        "sometimes": sometimes,
        "sometimes_missed": missed(tally).into_iter().map(name_of).collect::<Vec<_>>(),
        "virtual_ms": tally.virtual_ms,
        "payments": tally.payments,
        "checks": tally.checks,
        "determinism": {"repeated": tally.repeated, "diverged": tally.diverged},
    })
}

fn name_of(moment: Sometimes) -> String {
    let value = serde_json::to_value(moment).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// What the worlds came to.
pub(super) fn table(tally: &Tally, run: &Run) -> String {
    let seconds = run.took.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = tally.seeds as f64 / seconds;
    let mut text = String::new();
    if run.interrupted {
        line!(
            text,
            "INTERRUPTED after {} of {} seeds; the results so far:",
            tally.seeds,
            run.seeds_asked
        );
    }
    line!(text, "scenario            {}", run.scenario.name());
    line!(
        text,
        "seeds               {} in {seconds:.1} s, {rate:.0} per second on {} threads",
        tally.seeds,
        run.jobs
    );
    line!(text, "virtual time        {} s", tally.virtual_ms / 1_000);
    line!(
        text,
        "payments            {}, at least {} in each world",
        tally.payments,
        tally.payments_least.unwrap_or(0)
    );
    line!(text, "checks              {}", tally.checks);
    line!(
        text,
        "determinism         {} worlds run twice, {} with another result",
        tally.repeated,
        tally.diverged.len()
    );
    text.push_str("faults injected\n");
    for (fault, times) in &tally.faults {
        line!(text, "  {times:>10}  {}", fault.replace('_', " "));
    }
    text.push_str("moments, rarest first\n");
    let mut moments: Vec<_> = tally.moments.iter().collect();
    moments.sort_by_key(|(_, times)| **times);
    for (moment, times) in moments {
        line!(text, "  {times:>10}  {}", moment.text());
    }
    for moment in missed(tally) {
        line!(text, "       never  {}", moment.text());
    }
    line!(text, "failures            {}", tally.failures.len());
    text
}

/// What went wrong, and how to see it again.
pub(super) fn failure(failed: &FailedSeed, setup: &Setup) -> String {
    let mut text = String::from("\n");
    match &failed.wrong {
        Wrong::Violation(violation) => {
            line!(text, "FAILED: {}", violation.invariant.text());
            if let Some(key) = violation.key {
                line!(text, "  key               key-{key}");
            }
            line!(text, "  virtual time      {} ms", violation.at_ms);
            line!(text, "  observed          {}", violation.detail);
        }
        Wrong::Panic(panic) => line!(text, "FAILED: a panic\n  {panic}"),
    }
    line!(text, "  again             {}", command(failed.seed, setup));
    text
}

/// Which world is the smallest that fails in the same way.
pub(super) fn smallest(smallest: &Smallest, failed: &FailedSeed, interrupted: bool) -> String {
    let mut text = String::new();
    let setup = &smallest.setup;
    line!(text, "  smallest          {}", command(setup.seed, setup));
    if interrupted {
        text.push_str("                    (interrupted: there may be a smaller one)\n");
    }
    if smallest.wrong.key() != failed.wrong.key() {
        text.push_str(
            "                    (in this smaller world, another payment is the first to break)\n",
        );
    }
    text
}

/// Why there is no page.
pub(super) const NO_REPORT: &str =
    "No report was written: no world failed. To get the report of one world, use --seed.\n";

/// The command that runs a world again.
pub(super) fn command(seed: u64, setup: &Setup) -> String {
    let mut command = format!("{} chaos --seed {seed}", program());
    if setup.scenario != Scenario::Swarm {
        command.push_str(" --scenario ");
        command.push_str(setup.scenario.name());
    }
    if let Some(sabotage) = setup.sabotage {
        command.push_str(" --sabotage ");
        command.push_str(sabotage.name());
    }
    let mask = &setup.mask;
    let mut left_out: Vec<String> = mask
        .families
        .iter()
        .map(|family| family.name().to_owned())
        .collect();
    left_out.extend(ranges("key", &mask.keys));
    left_out.extend(ranges("operation", &mask.operations));
    if !left_out.is_empty() {
        command.push_str(" --without ");
        command.push_str(&left_out.join(","));
    }
    command
}

/// Numbers in as few words as possible.
fn ranges(kind: &str, numbers: &BTreeSet<u32>) -> Vec<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == *number => *to = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let text = |(from, to)| {
        if from == to {
            format!("{kind}:{from}")
        } else {
            format!("{kind}:{from}-{to}")
        }
    };
    ranges.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use holdfast_simulator::chaos::{Invariant, Violation};

    use super::*;

    fn of_key(key: u32) -> Wrong {
        Wrong::Violation(Violation {
            invariant: Invariant::OneDebit,
            key: Some(key),
            at_ms: 0,
            detail: String::new(),
        })
    }

    #[test]
    fn it_is_said_why_the_smallest_world_shows_another_payment() {
        let wrong = of_key(7);
        let failed = FailedSeed { seed: 3, wrong };
        let say = |key, interrupted| {
            let (setup, wrong) = (Setup::default(), of_key(key));
            smallest(&Smallest { setup, wrong }, &failed, interrupted)
        };
        assert!(!say(7, false).contains("another"));
        assert!(say(8, false).contains("another payment is the first to break"));
        assert!(say(7, true).contains("interrupted"));
    }

    #[test]
    fn a_command_names_what_is_left_out_in_ranges() {
        let mut setup = Setup {
            sabotage: Some(Sabotage::PostedTwice),
            ..Setup::default()
        };
        setup.mask.keys.extend([0, 1, 2, 5]);
        setup.mask.operations.insert(9);
        let command = command(4, &setup);
        let expected =
            " chaos --seed 4 --sabotage posted-twice --without key:0-2,key:5,operation:9";
        assert!(command.ends_with(expected), "{command}");
    }
}
