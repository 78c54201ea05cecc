//! `holdfast verify`: checks a store against its journal.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::Args;
use holdfast_local::offline::{Finding, Phase, Report, SnapshotError, verify as run};
use serde_json::{Value, json};

use super::interrupt::{Interrupts, SignalsError, interruptible};
use super::progress::bar;
use super::source::{Source, snapshot};
use crate::codes::{Code, Coded};
use crate::output::{self, OutputError};

/// The arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    source: Source,

    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Differences that are shown one by one; the rest is counted.
const SHOWN_MAX: usize = 1_000;

/// Why a store could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the database is too damaged to be read: {0}. Restore from an export")]
    Unreadable(String),
    #[error(transparent)]
    Signals(#[from] SignalsError),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Coded for VerifyError {
    fn code(&self) -> Code {
        match self {
            Self::Snapshot(error) => error.code(),
            Self::Unreadable(_) => Code::Damaged,
            Self::Signals(_) | Self::Output(_) => Code::System,
        }
    }
}

/// Checks everything; returns whether there is no difference.
pub(crate) fn verify(args: &VerifyArgs) -> Result<bool, VerifyError> {
    // sled gives up by panicking on some damage. That is a finding here, not a bug.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let looked = interruptible(|interrupts| {
        catch_unwind(AssertUnwindSafe(|| look(&args.source, interrupts)))
    });
    std::panic::set_hook(hook);
    let (report, findings) = match looked? {
        Ok(looked) => looked?,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("it gave no reason").to_owned();
            return Err(VerifyError::Unreadable(text));
        }
    };
    if args.json {
        output::print(json_of(&report, &findings))?;
    } else {
        output::print_with(|out| write(out, &report, &findings))?;
    }
    Ok(report.findings == 0)
}

fn look(source: &Source, interrupts: &Interrupts) -> Result<(Report, Vec<Finding>), VerifyError> {
    let copying = bar("copying the store");
    let copy = snapshot(&source.data, source.scratch.as_deref(), interrupts)?;
    copying.finish_and_clear();
    let progress = bar("");
    let mut findings = Vec::new();
    let report = run(
        &copy,
        &mut |finding| {
            if findings.len() < SHOWN_MAX {
                findings.push(finding);
            }
        },
        &mut |phase, done, total| {
            progress.set_message(match phase {
                Phase::Journal => "replaying the journal",
                Phase::Records => "checking records",
                Phase::Ids => "checking ids",
                Phase::Rest => "checking balances",
            });
            progress.set_length(total);
            progress.set_position(done);
        },
    );
    progress.finish_and_clear();
    Ok((report, findings))
}

fn write(out: &mut dyn Write, report: &Report, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{} {}: {}", finding.tree, finding.key, finding.problem)?;
        writeln!(out, "    {}", finding.meaning)?;
    }
    if report.findings > findings.len() as u64 {
        writeln!(
            out,
            "... and {} more",
            report.findings - findings.len() as u64
        )?;
    }
    writeln!(out, "entries         {}", report.entries)?;
    writeln!(out, "payments        {}", report.payments)?;
    writeln!(out, "unfinished      {}", report.unfinished)?;
    writeln!(out, "contradictions  {}", report.contradictions)?;
    writeln!(out, "balances        {}", report.accounts)?;
    writeln!(
        out,
        "journal end     {} {}",
        report.head.sequence, report.head.digest
    )?;
    match report.findings {
        0 => writeln!(out, "No differences."),
        1 => writeln!(out, "1 difference."),
        count => writeln!(out, "{count} differences."),
    }
}

fn json_of(report: &Report, findings: &[Finding]) -> Value {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "tree": finding.tree, "key": finding.key, "problem": finding.problem,
                "meaning": finding.meaning,
            })
        })
        .collect();
    json!({
        "ok": report.findings == 0,
        "entries": report.entries,
        "payments": report.payments,
        "unfinished": report.unfinished,
        "contradictions": report.contradictions,
        "balances": report.accounts,
        "head": {
            "sequence": report.head.sequence, "digest": report.head.digest.to_string(),
        },
        "differences": report.findings,
        "findings": findings,
    })
}
