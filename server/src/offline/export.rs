//! `holdfast export`: the journal as JSON Lines, from which everything else follows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use holdfast_engine::chain::Head;
use holdfast_engine::store::StoreError;
use holdfast_engine::store::offline::{Snapshot, SnapshotError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{FORMAT, Source, VERSION};
use crate::api_keys::to_hex;

/// What `export` can be told.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    source: Source,

    /// File to write; it must not exist
    #[arg(long, env = "HOLDFAST_OUT", value_name = "FILE")]
    out: PathBuf,
}

/// The journal could not be taken out. No file is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the journal cannot be read: {0}. `holdfast verify` names what is damaged")]
    Read(#[from] StoreError),
    #[error(
        "the journal ends at entry {found}, but the store says {told}. `holdfast verify` tells more"
    )]
    CutOff { found: u64, told: u64 },
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
pub(crate) fn export(args: &ExportArgs) -> Result<(u64, u64, Head), ExportError> {
    let snapshot = Snapshot::take(&args.source.data, &args.source.scratch())?;
    let failed = |source| ExportError::Write {
        path: args.out.clone(),
        source,
    };
    // Never over something that may be the only other copy.
    let file = File::create_new(&args.out).map_err(failed)?;
    let written = write(&snapshot, &file, &failed);
    if written.is_err() {
        let _ = std::fs::remove_file(&args.out);
    }
    written
}

fn write(
    snapshot: &Snapshot,
    file: &File,
    failed: &dyn Fn(io::Error) -> ExportError,
) -> Result<(u64, u64, Head), ExportError> {
    let told = snapshot.head()?;
    let bar = super::bar("exporting the journal");
    bar.set_length(told.sequence);
    let mut lines = Lines {
        out: BufWriter::new(file),
        digest: Sha256::new(),
    };
    let created_by = concat!("holdfast ", env!("CARGO_PKG_VERSION"));
    lines
        .line(&json!({"format": FORMAT, "version": VERSION, "created_by": created_by}))
        .map_err(failed)?;
    let (mut head, mut payments) = (Head::default(), 0);
    for item in snapshot.journal() {
        let (sequence, entry) = item?;
        let digest = head
            .digest
            .after(sequence, &entry)
            .map_err(StoreError::from)?;
        head = Head { sequence, digest };
        payments += u64::from(entry.admission.is_some());
        lines
            .line(&json!({"sequence": sequence, "entry": entry, "digest": digest.to_string()}))
            .map_err(failed)?;
        bar.set_position(sequence);
    }
    if head != told {
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
    drop(lines);
    file.sync_all().map_err(failed)?;
    bar.finish_and_clear();
    Ok((head.sequence, payments, head))
}
