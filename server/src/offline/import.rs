//! `holdfast import`: a store out of an export, whole or not at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use holdfast_core::JournalEntry;
use holdfast_core::codec::BODY_BYTES_MAX;
use holdfast_local::offline::{ImportError, Importer, Report};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::format::{FORMAT, VERSION};
use super::interrupt::{Interrupts, SignalsError, interruptible};
use super::progress::bar;
use crate::api_keys::to_hex;
use crate::codes::{Code, Coded};

/// The arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory for the new store; it must be empty or not exist yet
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    data: PathBuf,

    /// File written by `holdfast export`
    #[arg(long = "in", env = "HOLDFAST_IN", value_name = "FILE")]
    input: PathBuf,
}

/// The import failed. No store is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportFileError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Signals(#[from] SignalsError),
}

impl Coded for ImportFileError {
    fn code(&self) -> Code {
        match self {
            Self::Read { .. } | Self::Line { .. } => Code::NotAnExport,
            Self::Import(error) => error.code(),
            Self::Signals(_) => Code::System,
        }
    }
}

/// Bytes of a line. An entry is at most [`BODY_BYTES_MAX`] (96 KiB) in the store. A byte of its texts becomes six in JSON at
/// most (`\u0001`); names of members and digits, which are a few hundred bytes an entry, have what is left.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

const _: () = assert!(LINE_BYTES_MAX > 6 * BODY_BYTES_MAX + 64 * 1024);

/// Lines of a file that may be anything: endless, or no text.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line with its end, and its bytes; none at the end of the file.
    fn next(&mut self) -> io::Result<Result<&str, String>> {
        self.line.clear();
        let mut bounded = Read::by_ref(&mut self.reader).take(LINE_BYTES_MAX);
        bounded.read_until(b'\n', &mut self.line)?;
        let is_whole = self.line.last().is_none_or(|end| *end == b'\n');
        if !is_whole && self.line.len() as u64 == LINE_BYTES_MAX {
            return Ok(Err(format!(
                "it is longer than {LINE_BYTES_MAX} bytes, the limit for a line of an export"
            )));
        }
        if self.line.contains(&0) {
            let problem = "it contains zero bytes: the data was lost, or the file is not an export";
            return Ok(Err(problem.to_owned()));
        }
        let text = std::str::from_utf8(&self.line);
        Ok(text.map_err(|error| format!("it is not UTF-8 text: {error}")))
    }
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
    interruptible(|interrupts| run(args, interrupts))?
}

fn run(args: &ImportArgs, interrupts: &Interrupts) -> Result<Report, ImportFileError> {
    let read = |source| ImportFileError::Read {
        path: args.input.clone(),
        source,
    };
    let file = File::open(&args.input).map_err(read)?;
    let total = file.metadata().map_err(read)?.len();
    let progress = bar("importing the journal");
    progress.set_length(total);
    let mut importer = Importer::begin(&args.data)?;
    let mut lines = Lines {
        reader: BufReader::new(file),
        line: Vec::new(),
    };
    let mut digest = Sha256::new();
    let mut payments = 0;
    for number in 1_u64.. {
        let wrong = |problem: String| ImportFileError::Line {
            line: number,
            problem,
        };
        let line = lines.next().map_err(read)?.map_err(wrong)?;
        progress.inc(line.len() as u64);
        if line.is_empty() {
            let problem = "the file ends here without its last line: it is truncated";
            return Err(wrong(problem.to_owned()));
        }
        if number == 1 {
            check_header(line).map_err(wrong)?;
        } else if line.starts_with("{\"entries\"") {
            let end: EndLine = parse(line).map_err(wrong)?;
            check_end(&end, &importer, payments, digest).map_err(wrong)?;
            if !lines.reader.fill_buf().map_err(read)?.is_empty() {
                return Err(wrong("there is more after the last line".to_owned()));
            }
            let head = importer.head();
            let store = importer.finish(head)?;
            let report = interrupts.last(|| store.put_in_place())?;
            progress.finish_and_clear();
            return Ok(report);
        } else {
            let EntryLine {
                sequence,
                entry,
                digest: told,
            } = parse(line).map_err(wrong)?;
            payments += u64::from(entry.admission.is_some());
            importer.take(sequence, entry)?;
            if importer.head().digest.to_string() != told {
                let problem = "the entry does not match its digest: it was changed";
                return Err(wrong(problem.to_owned()));
            }
        }
        digest.update(line);
    }
    unreachable!("a file has fewer lines than there are numbers")
}

fn parse<'de, T: Deserialize<'de>>(line: &'de str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| {
        // It is one line of many: which one is said already.
        let error = error
            .to_string()
            .replace(" at line 1 column ", " at column ");
        format!("it is not a line of an export: {error}")
    })
}

fn check_header(line: &str) -> Result<(), String> {
    let header: HeaderLine = parse(line)?;
    if header.format != FORMAT {
        return Err(format!("the format is {:?}, not {FORMAT:?}", header.format));
    }
    if header.version > VERSION {
        return Err(format!(
            "the version is {}; this Holdfast reads versions up to {VERSION}. Use the Holdfast that wrote the file, or a \
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
            "{name} does not match the lines before: the file was changed"
        )),
        None => Ok(()),
    }
}
