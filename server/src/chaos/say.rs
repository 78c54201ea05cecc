//! What `holdfast chaos` says: to people as a table, to machines as JSON.

#![expect(
    clippy::print_stdout,
    reason = "this is what the command says to the person who ran it"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use holdfast_simulator::chaos::{Line, Sabotage, Scenario, Setup, Sometimes};
use serde_json::{Value, json};

use super::runner::{FailedSeed, Tally, Wrong};

/// Names everything that can be asked for.
pub(super) fn list(json: Option<&Path>) -> std::io::Result<()> {
    let scenarios = Scenario::ALL.map(|scenario| (scenario.name(), scenario.description()));
    let sabotages = Sabotage::ALL.iter();
    let sabotages: Vec<_> = sabotages
        .map(|bug| (bug.name(), bug.description()))
        .collect();
    if let Some(path) = json {
        let names = |all: &[(&str, &str)]| -> Value { all.iter().map(|(name, _)| *name).collect() };
        let value = json!({"scenarios": names(&scenarios), "sabotages": names(&sabotages)});
        return write(path, &value);
    }
    println!("Scenarios:");
    for (name, description) in scenarios {
        println!("  {name:<22} {description}");
    }
    println!("Sabotages:");
    for (name, description) in sabotages {
        println!("  {name:<22} {description}");
    }
    Ok(())
}

fn write(path: &Path, value: &Value) -> std::io::Result<()> {
    let text = format!("{value:#}\n");
    if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::fs::write(path, text)
    }
}

/// Writes what happened, a line each.
pub(super) fn trace(path: &Path, lines: &[Line]) -> std::io::Result<()> {
    let mut text = String::new();
    for line in lines {
        let key = line.key.map(|key| format!("key-{key}")).unwrap_or_default();
        let lane = format!("{:?}", line.lane);
        let Line {
            at_ms, text: what, ..
        } = line;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{at_ms:>8} {lane:<8} {key:<7} {what}");
    }
    std::fs::write(path, text)
}

fn missed(tally: &Tally) -> Vec<Sometimes> {
    let all = Sometimes::ALL.iter().copied();
    all.filter(|moment| !tally.moments.contains_key(moment))
        .collect()
}

/// Writes the result for machines.
pub(super) fn json(path: &Path, tally: &Tally) -> std::io::Result<()> {
    let failures: Vec<Value> = tally
        .failures
        .iter()
        .map(|FailedSeed { seed, wrong }| match wrong {
            Wrong::Violation(violation) => json!({
                "seed": seed, "invariant": violation.invariant, "key": violation.key,
                "at_ms": violation.at_ms, "detail": violation.detail,
            }),
            Wrong::Panic(text) => json!({"seed": seed, "invariant": "panic", "detail": text}),
        })
        .collect();
    let sometimes: serde_json::Map<String, Value> = tally
        .moments
        .iter()
        .map(|(moment, times)| (name_of(*moment), json!(times)))
        .collect();
    let value = json!({
        "seeds": tally.seeds,
        "failures": failures,
        "trace_hash": format!("{:016x}", tally.trace_hash),
        "faults": tally.faults,
        "sometimes": sometimes,
        "sometimes_missed": missed(tally).into_iter().map(name_of).collect::<Vec<_>>(),
        "virtual_ms": tally.virtual_ms,
        "payments": tally.payments,
        "checks": tally.checks,
        "determinism": {"repeated": tally.repeated, "diverged": tally.diverged},
    });
    write(path, &value)
}

fn name_of(moment: Sometimes) -> String {
    let value = serde_json::to_value(moment).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Says what the worlds came to.
pub(super) fn table(tally: &Tally, scenario: Scenario, took: Duration, jobs: usize) {
    let seconds = took.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = tally.seeds as f64 / seconds;
    println!("scenario            {}", scenario.name());
    println!(
        "seeds               {} in {seconds:.1} s, {rate:.0} a second on {jobs} threads",
        tally.seeds
    );
    println!("virtual time        {} s", tally.virtual_ms / 1_000);
    println!(
        "payments            {}, at least {} in each world",
        tally.payments,
        tally.payments_least.unwrap_or(0)
    );
    println!("checks              {}", tally.checks);
    println!(
        "determinism         {} worlds run twice, {} went another way",
        tally.repeated,
        tally.diverged.len()
    );
    println!("faults injected");
    for (fault, times) in &tally.faults {
        println!("  {times:>10}  {fault}");
    }
    println!("moments, rarest first");
    let mut moments: Vec<_> = tally.moments.iter().collect();
    moments.sort_by_key(|(_, times)| **times);
    for (moment, times) in moments {
        println!("  {times:>10}  {}", moment.text());
    }
    for moment in missed(tally) {
        println!("       never  {}", moment.text());
    }
    println!("failures            {}", tally.failures.len());
}

/// Says what went wrong, and how to see it again.
pub(super) fn failure(failed: &FailedSeed, setup: &Setup) {
    println!();
    match &failed.wrong {
        Wrong::Violation(violation) => {
            println!("FAILED: {}", violation.invariant.text());
            if let Some(key) = violation.key {
                println!("  key               key-{key}");
            }
            println!("  virtual time      {} ms", violation.at_ms);
            println!("  what was seen     {}", violation.detail);
        }
        Wrong::Panic(text) => println!("FAILED: a panic\n  {text}"),
    }
    println!("  again             {}", command(failed.seed, setup));
}

/// Says which world is the smallest that fails in the same way.
pub(super) fn smallest(setup: &Setup) {
    println!("  smallest          {}", command(setup.seed, setup));
}

/// Says why there is no page.
pub(super) fn no_report() {
    println!(
        "No report was written: everything held. Name a world with --seed to see what happened in it."
    );
}

/// The command that runs a world again.
pub(super) fn command(seed: u64, setup: &Setup) -> String {
    let mut command = format!("holdfast chaos --seed {seed}");
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
