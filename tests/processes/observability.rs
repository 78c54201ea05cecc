//! What operators see: every metric is documented, and what dashboards and alerts ask for is there.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdfast_tests::sample::BODY;
use holdfast_tests::{Server, need_module, need_tool};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every name of a metric in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let ours = words.filter(|word| word.len() > "holdfast_".len() && word.starts_with("holdfast_"));
    ours.map(|name| {
        let mut parts = ["_bucket", "_sum", "_count"].iter();
        let of_histogram = parts.find_map(|part| name.strip_suffix(part));
        of_histogram.unwrap_or(name).to_owned()
    })
    .collect()
}

#[tokio::test]
async fn every_metric_is_documented_and_whatever_is_asked_for_is_served() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    for _ in 0..2 {
        assert_eq!(client.pay("k", BODY).await.unwrap().status, 201);
    }
    let answer = client.get("/metrics").await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let samples: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| {
            all + line.split(' ').next().unwrap() + "\n"
        });
    let offered = names(&samples);
    assert!(offered.len() > 15, "{offered:?}");
    assert!(
        samples.contains("holdfast_replays_total{layer=\"cache\"}"),
        "{samples}"
    );
    assert!(samples.contains("{outcome=\"confirmed\"}"), "{samples}");

    let operations = read("docs/operations.md");
    let (_, table) = operations.split_once("\n## Metrics\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    assert_eq!(
        names(table),
        offered,
        "docs/operations.md lists what is served"
    );
    for asks in [
        "docs/operations.md",
        "packaging/prometheus/alerts.yml",
        "packaging/grafana/holdfast.json",
    ] {
        let asked = names(&read(asks));
        assert!(asked.len() > 5, "{asks}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&offered).collect();
        assert!(unknown.is_empty(), "{asks} asks for {unknown:?}");
    }
}

/// The type and the help of a family, as Python's parser of the text format finds them.
const PARSE: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type != 'unknown' and family.documentation, family
    for sample in family.samples:
        print(family.type, sample.name)
";

#[tokio::test]
async fn prometheus_itself_finds_the_type_and_the_help_of_every_metric() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    client.pay("k", BODY).await.unwrap();
    let metrics = client.get("/metrics").await.unwrap().body;
    let counters = std::str::from_utf8(&metrics).unwrap().lines();
    let counters =
        counters.filter(|line| line.starts_with("# TYPE ") && line.ends_with(" counter"));
    assert!(counters.clone().count() > 5);
    for line in counters {
        assert!(line.ends_with("_total counter"), "{line}");
    }
    if need_tool("promtool", "prometheus") {
        let said = piped(
            Command::new("promtool").args(["check", "metrics"]),
            &metrics,
        );
        assert!(said.status.success(), "{said:?}");
    }
    if need_module("prometheus_client") {
        let said = piped(Command::new("python3").args(["-c", PARSE]), &metrics);
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        for family in [
            "counter holdfast_payments_admitted_total",
            "histogram holdfast_http_request_seconds_sum",
            "gauge holdfast_journal_head",
        ] {
            assert!(said.lines().any(|line| line == family), "{family}: {said}");
        }
    }
}

/// What a program says of its input.
fn piped(command: &mut Command, input: &[u8]) -> Output {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_alerts_fire_when_they_should() {
    if !need_tool("promtool", "prometheus") {
        return;
    }
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let checked = Command::new("promtool")
            .args(arguments)
            .current_dir(root().join("packaging/prometheus"))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("packaging/grafana/holdfast.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && panel["title"].is_string());
        let place = &panel["gridPos"];
        assert!(
            place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24,
            "{panel}"
        );
    }
}
