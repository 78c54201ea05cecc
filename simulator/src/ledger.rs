//! The simulated bank's own books: every effective debit, by our reference.
//!
//! With a file behind it the bank remembers across restarts of the process it lives in, as a real
//! bank would: a payment that is recovered after a crash meets a bank that has seen it before.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One debit that the bank carried out, as a line of its ledger file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debit {
    /// Our reference.
    pub bank_reference: String,
    /// The bank's id for it.
    pub transaction_id: String,
    /// Minor units.
    pub amount: u64,
    /// ISO 4217 code.
    pub currency: String,
    /// Who paid.
    pub debtor: String,
    /// Who was paid.
    pub creditor: String,
}

/// The simulated bank's ledger file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the simulated bank's ledger {}: {problem}", path.display())]
pub struct LedgerError {
    path: PathBuf,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("line {line} is no debit: {source}. Move the file away to start with an empty bank")]
    Line {
        line: usize,
        source: serde_json::Error,
    },
}

/// The books. In memory, and in a file when there is one.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Transaction id by bank reference: what deduplication needs. Never iterated, so its order
    /// decides nothing.
    transactions: HashMap<String, String>,
    file: Option<File>,
}

impl Ledger {
    /// Opens or creates the ledger file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::read(path).map_err(|problem| LedgerError {
            path: path.to_owned(),
            problem,
        })
    }

    fn read(path: &Path) -> Result<Self, Problem> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        let mut transactions = HashMap::new();
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(Read::by_ref(&mut file));
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let bytes = reader.read_line(&mut line)?;
            if !line.ends_with('\n') {
                // A line cut short by a crash: the bank never answered it, so it never happened.
                break;
            }
            let debit: Debit = serde_json::from_str(&line).map_err(|source| Problem::Line {
                line: number,
                source,
            })?;
            transactions.insert(debit.bank_reference, debit.transaction_id);
            whole_bytes += bytes as u64;
        }
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            transactions,
            file: Some(file),
        })
    }

    /// The transaction under a reference, if the bank has debited it.
    pub(crate) fn transaction(&self, bank_reference: &str) -> Option<&str> {
        self.transactions.get(bank_reference).map(String::as_str)
    }

    /// Books a debit. It is effective when this returns.
    pub(crate) fn book(&mut self, debit: Debit) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_string(&debit)?;
            line.push('\n');
            let whole_bytes = file.stream_position()?;
            if let Err(error) = file.write_all(line.as_bytes()) {
                // Half a line must not stand in the way of the next one.
                file.set_len(whole_bytes)?;
                file.seek(SeekFrom::Start(whole_bytes))?;
                return Err(error);
            }
        }
        self.transactions
            .insert(debit.bank_reference, debit.transaction_id);
        Ok(())
    }

    /// How many debits there are.
    pub(crate) fn len(&self) -> usize {
        self.transactions.len()
    }
}
