//! The simulated world, run by the binary: it holds, it repeats itself, and whatever is planted in it is
//! found.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::process::{Command, Output};

use holdfast_simulator::chaos::{Invariant, Sabotage, Scenario};
use holdfast_tests::{beside_others, browse, can_browse, holdfast};
use serde_json::Value;

fn chaos(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output: Output = Command::new(holdfast())
        .args(["chaos", "--json", "-"])
        .args(arguments)
        .output()
        .unwrap();
    // The object has standard output alone; people are told on standard error.
    let text = String::from_utf8(output.stderr).unwrap();
    let value = serde_json::from_slice(&output.stdout);
    let value = value.unwrap_or_else(|error| panic!("no JSON: {error}: {text}"));
    (output.status.code(), value, text)
}

/// How many worlds to run; `HOLDFAST_TEST_CHAOS_SEEDS` sets it.
fn seeds() -> u64 {
    let set = std::env::var("HOLDFAST_TEST_CHAOS_SEEDS");
    set.map_or(400, |text| text.parse().unwrap())
}

#[test]
fn whatever_goes_wrong_everything_holds() {
    let _turn = beside_others();
    let seeds = seeds();
    let (code, result, text) = chaos(&["--seeds", &seeds.to_string()]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(result["seeds"], seeds);
    assert_eq!(result["failures"], Value::Array(Vec::new()));
    assert!(result["payments"].as_u64().unwrap() >= 50 * seeds, "{text}");
    if seeds >= 2_000 {
        let missed = result["sometimes_missed"].as_array().unwrap();
        assert!(missed.is_empty(), "never happened: {missed:?}");
    }
}

#[test]
fn a_world_that_is_run_again_goes_the_same_way() {
    let _turn = beside_others();
    let arguments = ["--seeds", "200", "--repeat-every", "1"];
    let (code, result, text) = chaos(&arguments);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(result["determinism"]["repeated"], 200);
    assert_eq!(result["determinism"]["diverged"], Value::Array(Vec::new()));
    // In another process too.
    let trace_hash = |seed: &str| chaos(&["--seed", seed]).1["trace_hash"].clone();
    assert_eq!(trace_hash("7"), trace_hash("7"));
    assert_ne!(trace_hash("7"), trace_hash("8"));
}

/// Seeds that found a bug once: an operator's decision, or a cancel, was answered while a flight for the
/// same key still told those who joined it of the version before.
#[test]
fn worlds_that_once_failed_hold() {
    let _turn = beside_others();
    for seed in ["2998", "14025", "45517", "65999", "68033", "92423"] {
        let (code, _, text) = chaos(&["--seed", seed]);
        assert_eq!(code, Some(0), "{seed}: {text}");
    }
}

#[test]
fn every_shape_of_world_holds() {
    let _turn = beside_others();
    for scenario in Scenario::ALL {
        let (code, result, text) = chaos(&["--seeds", "15", "--scenario", scenario.name()]);
        assert_eq!(code, Some(0), "{}: {text}", scenario.name());
        assert_eq!(result["seeds"], 15);
    }
}

/// The invariant's name, as the report has it.
fn named(invariant: Invariant) -> Value {
    serde_json::to_value(invariant).unwrap()
}

#[test]
fn every_planted_bug_is_found_by_the_invariant_one_would_expect() {
    let _turn = beside_others();
    for sabotage in Sabotage::ALL {
        let name = sabotage.name();
        let (code, result, text) = chaos(&["--seeds", "500", "--sabotage", name]);
        let found = &result["failures"][0];
        let expected = sabotage.expected();
        assert!(
            expected
                .iter()
                .any(|invariant| named(*invariant) == found["invariant"]),
            "{name}: {text}"
        );
        let safety = expected.iter().all(|invariant| invariant.is_safety());
        assert_eq!(code, Some(if safety { 129 } else { 128 }), "{name}: {text}");
        // The command that it names finds it again.
        let seed = found["seed"].as_u64().unwrap().to_string();
        let (again, replayed, text) = chaos(&["--seed", &seed, "--sabotage", name]);
        assert_eq!(again, code, "{name}: {text}");
        assert_eq!(replayed["failures"][0], *found, "{name}");
        let command = format!(" chaos --seed {seed} --sabotage {name}");
        assert!(text.contains(&command), "{text}");
    }
}

#[test]
fn a_failed_world_is_shrunk_to_what_it_needs() {
    let _turn = beside_others();
    let bug = ["--sabotage", "timeout-is-failure"];
    let (_, failed, text) = chaos(&[&["--seeds", "500"], &bug[..]].concat());
    let (_, command) = failed["smallest"]
        .as_str()
        .and_then(|command| command.split_once(" chaos "))
        .unwrap_or_else(|| panic!("{failed}: {text}"));
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.html");
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.extend(["--report", report.to_str().unwrap()]);
    let (code, small, text) = chaos(&arguments);
    assert_eq!(code, Some(129), "{text}");
    let invariant = |result: &Value| result["failures"][0]["invariant"].clone();
    assert_eq!(invariant(&small), invariant(&failed));
    assert!(small["payments"].as_u64().unwrap() < 10, "{text}");
    // The page shows it, by itself.
    let page = std::fs::read_to_string(&report).unwrap();
    let key = small["failures"][0]["key"].to_string();
    for part in ["<svg", "VIOLATED", &format!("key-{key}"), "The plan"] {
        assert!(page.contains(part), "{part} is missing");
    }
    // The picture's name space is a name; nothing is fetched by it.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
}

/// Whole worlds and not only small ones: they have the longest words.
#[test]
fn the_page_fits_a_screen_of_1280_pixels() {
    let _turn = beside_others();
    let directory = tempfile::tempdir().unwrap();
    let worlds = [
        &["--seed", "7"][..],
        &["--seed", "3", "--scenario", "slow-disk"],
        &["--seeds", "500", "--sabotage", "timeout-is-failure"],
        &["--seeds", "500", "--sabotage", "posted-twice"],
    ];
    let mut pages = Vec::new();
    for (n, world) in worlds.into_iter().enumerate() {
        let page = directory.path().join(format!("{n}.html"));
        let page = page.to_str().unwrap().to_owned();
        let (_, _, text) = chaos(&[world, &["--report", &page]].concat());
        assert!(text.contains(&format!("The page is at {page}\n")), "{text}");
        pages.push(page);
    }
    if can_browse() {
        browse("report.mjs", &[&pages.join(",")]);
    }
}

#[test]
fn what_can_be_asked_for_is_listed() {
    let _turn = beside_others();
    let (code, listed, _) = chaos(&["--list"]);
    assert_eq!(code, Some(0));
    for scenario in Scenario::ALL {
        let names = listed["scenarios"].as_array().unwrap();
        assert!(names.contains(&scenario.name().into()), "{listed}");
    }
    assert_eq!(
        listed["sabotages"].as_array().unwrap().len(),
        Sabotage::ALL.len()
    );
    let unknown = Command::new(holdfast())
        .args(["chaos", "--scenario", "nonsense"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        said.contains("double-click"),
        "it names those that exist: {said}"
    );
}
