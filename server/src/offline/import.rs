//! `holdfast import`: a store out of an export, whole or not at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use holdfast_engine::payment::JournalEntry;
use holdfast_engine::store::offline::{ImportError, Importer, Report};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{FORMAT, VERSION};
use crate::api_keys::to_hex;

/// What `import` can be told.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory to make the store in; it must be empty or new
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    data: PathBuf,

    /// File that `holdfast export` wrote
    #[arg(long = "in", env = "HOLDFAST_IN", value_name = "FILE")]
    input: PathBuf,
}

/// The export could not be taken in. Nothing that serves is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportFileError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
    #[error(transparent)]
    Import(#[from] ImportError),
}

#[derive(Debug, Deserialize)]
struct HeaderLine {
    format: String,
    version: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    sequence: u64,
    entry: JournalEntry,
    digest: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    entries: u64,
    payments: u64,
    head: String,
    sha256: String,
}

/// Makes a store from an export.
pub(crate) fn import(args: &ImportArgs) -> Result<Report, ImportFileError> {
    let read = |source| ImportFileError::Read {
        path: args.input.clone(),
        source,
    };
    let file = File::open(&args.input).map_err(read)?;
    let total = file.metadata().map_err(read)?.len();
    let bar = super::bar("importing the journal");
    bar.set_length(total);
    let mut importer = Importer::begin(&args.data)?;
    let mut reader = BufReader::new(file);
    let mut digest = Sha256::new();
    let mut payments = 0;
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        let bytes = reader.read_line(&mut line).map_err(read)?;
        bar.inc(bytes as u64);
        let wrong = |problem: String| ImportFileError::Line {
            line: number,
            problem,
        };
        if bytes == 0 {
            let problem = "the file ends here without its last line: it was cut off";
            return Err(wrong(problem.to_owned()));
        }
        if number == 1 {
            check_header(&line).map_err(wrong)?;
        } else if line.starts_with("{\"entries\"") {
            let end: EndLine = parse(&line).map_err(wrong)?;
            check_end(&end, &importer, payments, digest).map_err(wrong)?;
            if reader.read_line(&mut line).map_err(read)? > 0 {
                return Err(wrong("something follows the last line".to_owned()));
            }
            let head = importer.head();
            let report = importer.finish(head)?;
            bar.finish_and_clear();
            return Ok(report);
        } else {
            let EntryLine {
                sequence,
                entry,
                digest: told,
            } = parse(&line).map_err(wrong)?;
            payments += u64::from(entry.admission.is_some());
            importer.take(sequence, entry)?;
            if importer.head().digest.to_string() != told {
                let problem = "the entry does not lead to the digest beside it: it was changed";
                return Err(wrong(problem.to_owned()));
            }
        }
        digest.update(&line);
    }
    unreachable!("a file has fewer lines than there are numbers")
}

fn parse<'de, T: Deserialize<'de>>(line: &'de str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("is no line of an export: {error}"))
}

fn check_header(line: &str) -> Result<(), String> {
    let header: HeaderLine = parse(line)?;
    if header.format != FORMAT {
        return Err(format!("the format is {:?}, not {FORMAT:?}", header.format));
    }
    if header.version > VERSION {
        return Err(format!(
            "the version is {}; this build reads up to {VERSION}. Use the Holdfast that wrote it, or a \
             newer one",
            header.version
        ));
    }
    Ok(())
}

fn check_end(
    end: &EndLine,
    importer: &Importer,
    payments: u64,
    digest: Sha256,
) -> Result<(), String> {
    let head = importer.head();
    let sha256 = to_hex(&digest.finalize());
    let same = [
        ("entries", end.entries == head.sequence),
        ("payments", end.payments == payments),
        ("head", end.head == head.digest.to_string()),
        ("sha256", end.sha256 == sha256),
    ];
    match same.into_iter().find(|(_, same)| !same) {
        Some((name, _)) => Err(format!(
            "{name} does not fit the lines before: the file was changed"
        )),
        None => Ok(()),
    }
}
