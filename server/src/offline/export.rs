//! `holdfast export`: the journal as JSON Lines, from which everything else follows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use holdfast_core::JournalEntry;
use holdfast_core::journal::Head;
use holdfast_local::LocalError;
use holdfast_local::OpenProblem;
use holdfast_local::offline::SnapshotError;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::format::{FORMAT, VERSION};
use super::interrupt::{SignalsError, interruptible};
use super::progress::bar;
use super::remote::{Remote, RemoteError};
use super::source::snapshot;
use super::target::Target;
use crate::api_keys::to_hex;
use crate::codes::{Code, Coded};
use crate::reach::{Reach, ReachError};

/// The arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Data directory; it is only read
    #[arg(
        long,
        env = "HOLDFAST_DATA",
        value_name = "DIR",
        required_unless_present = "url"
    )]
    data: Option<PathBuf>,

    /// Directory for a temporary copy of the store; it needs as much free space as the store takes
    /// [default: the system's temporary directory]
    #[arg(long, env = "HOLDFAST_SCRATCH", value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Export from the running service at this URL instead, as one of its operators
    #[arg(long, env = "HOLDFAST_URL", value_name = "URL")]
    url: Option<String>,

    /// Trust only the certificates in this PEM file for TLS to that service [default: the certificates that the system trusts]
    #[arg(long, env = "HOLDFAST_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// API key with the role operator; needed if the service has API keys
    #[arg(
        long,
        env = "HOLDFAST_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    api_key: Option<String>,

    /// File to write; it must not exist yet
    #[arg(long, env = "HOLDFAST_OUT", value_name = "FILE")]
    out: PathBuf,
}

/// Where the journal comes from.
#[derive(Debug)]
enum Origin<'a> {
    Directory(&'a Path),
    Service(Box<Reach>),
}

impl ExportArgs {
    /// What was typed goes before what the environment says: the environment of a service names its
    /// directory, and it is there that a backup of the running service is taken.
    fn origin(&self, matches: &ArgMatches) -> Result<Origin<'_>, ExportError> {
        let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        match (&self.url, &self.data) {
            (Some(_), Some(_)) if typed("url") && typed("data") => Err(ExportError::TwoOrigins),
            (Some(url), data) if typed("url") || !typed("data") || data.is_none() => {
                let (ca, api_key) = (self.ca.as_deref(), self.api_key.as_deref());
                Ok(Origin::Service(Box::new(Reach::new(url, ca, api_key)?)))
            }
            (_, Some(data)) => Ok(Origin::Directory(data)),
            (_, None) => unreachable!("clap asks for one of them"),
        }
    }
}

/// The export failed. No file is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("use either --data or --url, not both")]
    TwoOrigins,
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Signals(#[from] SignalsError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the journal cannot be read: {0}. Run `holdfast verify` to see the damage")]
    Read(#[from] LocalError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(
        "entry {expected} of the journal is missing: entry {sequence} follows. Run `holdfast verify` for details"
    )]
    Gap { expected: u64, sequence: u64 },
    #[error(
        "the journal ends at entry {found}, but the store says that it ends at entry {told}. Run `holdfast verify` for details"
    )]
    CutOff { found: u64, told: u64 },
}

impl ExportError {
    /// Whether the command line was wrong.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(self, Self::TwoOrigins | Self::Reach(_))
    }
}

impl Coded for ExportError {
    fn code(&self) -> Code {
        match self {
            Self::TwoOrigins => Code::Configuration,
            Self::Reach(error) => error.code(),
            Self::Signals(_) => Code::System,
            Self::Snapshot(error) => error.code(),
            Self::Write { .. } => Code::ExportFile,
            Self::Read(_) | Self::Gap { .. } | Self::CutOff { .. } => Code::Journal,
            Self::Remote(error) => error.code(),
        }
    }
}

/// Writes lines and digests them.
struct Lines<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Lines<W> {
    fn line(&mut self, value: &Value) -> io::Result<()> {
        let mut line = value.to_string();
        line.push('\n');
        self.digest.update(&line);
        self.out.write_all(line.as_bytes())
    }
}

/// Takes the journal out; returns how many entries and payments it holds, and its end.
pub(crate) fn export(
    args: &ExportArgs,
    matches: &ArgMatches,
) -> Result<(u64, u64, Head), ExportError> {
    let origin = args.origin(matches)?;
    interruptible(|interrupts| {
        let failed = |source| ExportError::Write {
            path: args.out.clone(),
            source,
        };
        let target = Target::begin(&args.out, interrupts).map_err(failed)?;
        let written = match origin {
            Origin::Directory(data) => {
                let copy = snapshot(data, args.scratch.as_deref(), interrupts)?;
                let told = copy.head();
                if let Some(noted) = copy.lost() {
                    let found = told.sequence;
                    let lost = SnapshotError::Open(OpenProblem::Lost { noted, found });
                    return Err(lost.into());
                }
                let journal = copy.journal().map(|entry| entry.map_err(ExportError::from));
                write(journal, Some(told), target.file(), &failed)?
            }
            Origin::Service(reach) => {
                let journal = Remote::new(*reach)?.map(|entry| entry.map_err(ExportError::from));
                write(journal, None, target.file(), &failed)?
            }
        };
        target.finish(interrupts).map_err(failed)?;
        Ok(written)
    })?
}

/// Writes a journal. `told` is the end that it must have, if that is known.
fn write(
    journal: impl Iterator<Item = Result<(u64, JournalEntry), ExportError>>,
    told: Option<Head>,
    file: &File,
    failed: &dyn Fn(io::Error) -> ExportError,
) -> Result<(u64, u64, Head), ExportError> {
    let progress = bar("exporting the journal");
    progress.set_length(told.map_or(0, |told| told.sequence));
    let mut lines = Lines {
        out: BufWriter::new(file),
        digest: Sha256::new(),
    };
    let created_by = concat!("holdfast ", env!("CARGO_PKG_VERSION"));
    lines
        .line(&json!({"format": FORMAT, "version": VERSION, "created_by": created_by}))
        .map_err(failed)?;
    let (mut head, mut payments) = (Head::default(), 0);
    for item in journal {
        let (sequence, entry) = item?;
        if sequence != head.sequence + 1 {
            let expected = head.sequence + 1;
            return Err(ExportError::Gap { expected, sequence });
        }
        let digest = head
            .digest
            .after(sequence, &entry)
            .map_err(LocalError::from)?;
        head = Head { sequence, digest };
        payments += u64::from(entry.admission.is_some());
        lines
            .line(&json!({"sequence": sequence, "entry": entry, "digest": digest.to_string()}))
            .map_err(failed)?;
        progress.inc_length(u64::from(told.is_none()));
        progress.set_position(sequence);
    }
    if let Some(told) = told
        && head != told
    {
        let (found, told) = (head.sequence, told.sequence);
        return Err(ExportError::CutOff { found, told });
    }
    let sha256 = to_hex(&lines.digest.clone().finalize());
    lines
        .line(&json!({
            "entries": head.sequence, "payments": payments, "head": head.digest.to_string(),
            "sha256": sha256,
        }))
        .map_err(failed)?;
    lines.out.flush().map_err(failed)?;
    progress.finish_and_clear();
    Ok((head.sequence, payments, head))
}
