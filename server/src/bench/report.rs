//! What came of a measurement: as a table for people, as JSON for machines.

use std::fmt::Write;
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::client::Seen;
use super::error::{BenchError, unwritten};
use super::server::Figures;
use super::workload::Workload;
use crate::output;

/// The latencies that are said.
const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("max", 1.0),
];

/// What was measured.
pub(super) struct Measured {
    pub(super) workload: Workload,
    pub(super) connections: u32,
    pub(super) accounts: u32,
    pub(super) seconds: u64,
    /// Requests due in a second, where they were due.
    pub(super) rate: Option<u64>,
}

/// What came of a measurement.
pub(super) struct Report {
    measured: Measured,
    seen: Seen,
    /// What the service counted meanwhile.
    server: Figures,
}

impl Report {
    pub(super) fn new(measured: Measured, seen: Seen, before: Figures, after: Figures) -> Self {
        let grown = |of: fn(&Figures) -> Option<f64>| Some(of(&after)? - of(&before)?);
        Self {
            measured,
            seen,
            server: Figures {
                cpu_seconds: grown(|figures| figures.cpu_seconds),
                resident_bytes: after.resident_bytes,
                commits: grown(|figures| figures.commits),
                writes: grown(|figures| figures.writes),
                admitted: grown(|figures| figures.admitted),
            },
        }
    }

    pub(super) const fn latency_us(&self) -> &Histogram<u64> {
        &self.seen.latency_us
    }

    pub(super) fn title(&self) -> String {
        let name = self.measured.workload.name();
        let connections = self.measured.connections;
        match self.measured.rate {
            Some(rate) => {
                format!("{name}, {rate} requests per second (open loop), {connections} connections")
            }
            None => format!("{name}, {connections} connections, closed loop"),
        }
    }

    /// Answers while it was measured; what came after the end belongs to no second.
    fn answers(&self) -> u64 {
        self.seen.seconds.iter().sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(super) fn per_second(&self) -> f64 {
        self.answers() as f64 / self.measured.seconds as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn cpu_us(&self) -> Option<f64> {
        let cpu_us = self.server.cpu_seconds? * 1e6;
        Some(cpu_us / self.answers().max(1) as f64)
    }

    fn errors(&self) -> u64 {
        self.seen.errors.values().sum()
    }

    /// The table.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        self.write_table(&mut text)
            .expect("a text takes everything");
        text
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}, {} s", self.title(), self.measured.seconds)?;
        let per_second = self.per_second();
        writeln!(
            out,
            "{:<22}{:.0} ({per_second:.0} per second)",
            "responses",
            self.answers()
        )?;
        for (name, quantile) in QUANTILES {
            let us = self.seen.latency_us.value_at_quantile(quantile);
            writeln!(out, "{name:<22}{us} us")?;
        }
        writeln!(out, "{:<22}{}", "errors", self.errors())?;
        for (status, count) in &self.seen.errors {
            let what = match status {
                0 => "no response".to_owned(),
                status => status.to_string(),
            };
            writeln!(out, "  {what:<20}{count}")?;
        }
        if let Some(cpu_us) = self.cpu_us() {
            writeln!(
                out,
                "{:<22}{cpu_us:.1} us per request",
                "CPU of the service"
            )?;
        }
        if let Some(bytes) = self.server.resident_bytes {
            writeln!(
                out,
                "{:<22}{:.0} MiB",
                "memory of the service",
                bytes / (1024.0 * 1024.0)
            )?;
        }
        if let Some(admitted) = self.server.admitted {
            writeln!(out, "{:<22}{admitted:.0}", "payments admitted")?;
        }
        if let (Some(commits), Some(writes)) = (self.server.commits, self.server.writes)
            && commits > 0.0
        {
            writeln!(
                out,
                "{:<22}{commits:.0}, {:.1} writes each",
                "commits",
                writes / commits
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let latency = QUANTILES.map(|(name, quantile)| {
            let us = self.seen.latency_us.value_at_quantile(quantile);
            (name.to_owned(), json!(us))
        });
        json!({
            "workload": self.measured.workload.name(),
            "connections": self.measured.connections,
            "accounts": self.measured.accounts,
            "seconds": self.measured.seconds,
            "rate": self.measured.rate,
            "answers": self.answers(),
            "per_second": self.per_second(),
            "latency_us": serde_json::Map::from_iter(latency),
            "latency_mean_us": self.seen.latency_us.mean(),
            "errors": self.seen.errors.iter()
                .map(|(status, count)| (status.to_string(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "answers_in_each_second": self.seen.seconds,
            "server": {
                "cpu_us_per_request": self.cpu_us(),
                "resident_bytes": self.server.resident_bytes,
                "commits": self.server.commits,
                "writes": self.server.writes,
                "payments_admitted": self.server.admitted,
            },
        })
    }

    pub(super) fn write_json(&self, path: &Path) -> Result<(), BenchError> {
        let json = format!("{:#}", self.json());
        if path == Path::new("-") {
            return Ok(output::print(json)?);
        }
        std::fs::write(path, json + "\n").map_err(unwritten(path))
    }
}
