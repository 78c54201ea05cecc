//! The simulated bank's ledger: every reference it has processed, and every effective debit.
//!
//! With a file the bank remembers its debits across restarts of its process, as a real bank would. So a payment that
//! is recovered after a crash finds a bank that knows it.

use std::collections::HashMap;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_core::{DeclineCode, DeclineMessage};
use serde::{Deserialize, Serialize};

/// The terms of a charge: how much, from whom, to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeTerms {
    /// Minor units.
    pub amount: u64,
    /// ISO 4217 code.
    pub currency: String,
    /// Who pays.
    pub debtor: String,
    /// Who is paid.
    pub creditor: String,
}

/// One debit that the bank carried out, as a line of its ledger file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debit {
    /// Our reference.
    pub bank_reference: String,
    /// The bank's id for it.
    pub transaction_id: String,
    /// The amount and the accounts.
    #[serde(flatten)]
    pub terms: ChargeTerms,
}

/// The bank's decision when it first processed a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Confirmed {
        transaction_id: String,
    },
    Declined {
        code: DeclineCode,
        message: DeclineMessage,
    },
}

/// The bank's entry for a reference that it has processed.
#[derive(Debug, Clone)]
pub(crate) struct KnownReference {
    pub(crate) terms: ChargeTerms,
    /// The answer that a keyed bank repeats.
    pub(crate) verdict: Verdict,
    /// Effective debits: more than one is a double charge.
    pub(crate) debits: u32,
    /// When it was first processed; a keyed bank's memory is counted from here.
    pub(crate) first_at_ms: u64,
    /// Until when an inquiry does not find it.
    pub(crate) hidden_until_ms: u64,
}

impl KnownReference {
    /// Whether a keyed bank with this window has forgotten it.
    pub(super) const fn is_forgotten(&self, window_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.first_at_ms) >= window_ms
    }
}

/// The simulated bank's ledger file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the simulated bank's ledger {}: {problem}", path.display())]
pub struct BankLedgerError {
    path: PathBuf,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "another process uses it. Stop that process first, or give this bank a ledger of its own"
    )]
    InUse,
    #[error(
        "line {line} is not a debit: {source}. Move the file away to start with an empty ledger"
    )]
    Line {
        line: usize,
        source: serde_json::Error,
    },
    #[error(
        "line {line} is longer than {LINE_BYTES_MAX} bytes, so it is not a debit. Move the file away to start with an empty ledger"
    )]
    Long { line: usize },
}

/// Most bytes of a line, far more than a debit takes: a file without lines must not be read into memory as one.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// It can be read and written by its owner only.
const MODE: u32 = 0o600;

/// The ledger: in memory, and in a file when there is one.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    references: Vec<(String, KnownReference)>,
    /// Place in `references` by reference. Never iterated, so its order decides nothing.
    places: HashMap<String, usize>,
    debits: u64,
    file: Option<File>,
}

impl Ledger {
    /// Opens or creates the ledger file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, BankLedgerError> {
        Self::read(path).map_err(|problem| BankLedgerError {
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
            .mode(MODE)
            .open(path)?;
        // Two banks that write one file would write over each other's debits.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Problem::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // One that an earlier version made may be open to others. It may be somebody else's, too; then it stays as it is.
        if file.metadata()?.is_file() {
            let _ = file.set_permissions(Permissions::from_mode(MODE));
        }
        let mut ledger = Self::default();
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(Read::by_ref(&mut file));
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let bytes = Read::by_ref(&mut reader)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)? as u64;
            if line.last() != Some(&b'\n') {
                if bytes == LINE_BYTES_MAX {
                    return Err(Problem::Long { line: number });
                }
                // A line cut short by a crash: the bank never answered it, so it never happened.
                break;
            }
            let debit: Debit = serde_json::from_slice(&line).map_err(|source| Problem::Line {
                line: number,
                source,
            })?;
            ledger.enter(debit, 0);
            whole_bytes += bytes;
        }
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        ledger.file = Some(file);
        Ok(ledger)
    }

    /// The entry of a reference.
    pub(crate) fn get(&self, bank_reference: &str) -> Option<&KnownReference> {
        let place = *self.places.get(bank_reference)?;
        Some(&self.references[place].1)
    }

    pub(crate) fn get_mut(&mut self, bank_reference: &str) -> Option<&mut KnownReference> {
        let place = *self.places.get(bank_reference)?;
        Some(&mut self.references[place].1)
    }

    /// Every reference from a place on, in the order they were first processed, with the next place.
    pub(crate) fn entries_from(
        &self,
        place: usize,
    ) -> impl Iterator<Item = (usize, &str, &KnownReference)> {
        let rest = self.references.get(place..).unwrap_or_default();
        (place + 1..)
            .zip(rest)
            .map(|(next, (reference, known))| (next, reference.as_str(), known))
    }

    /// The reference that was first processed last, leaving one out.
    pub(crate) fn latest_but(&self, bank_reference: &str) -> Option<(&str, &KnownReference)> {
        let mut latest = self.references.iter().rev();
        let found = latest.find(|(reference, _)| reference != bank_reference)?;
        Some((&found.0, &found.1))
    }

    /// Books a debit. It is effective when this returns.
    pub(crate) fn debit(&mut self, debit: Debit, now_ms: u64) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_string(&debit)?;
            line.push('\n');
            if line.len() as u64 > LINE_BYTES_MAX {
                let problem = "a debit with texts this long could not be read back";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
            let whole_bytes = file.stream_position()?;
            if let Err(error) = file.write_all(line.as_bytes()) {
                // Half a line must not stand in the way of the next one.
                file.set_len(whole_bytes)?;
                file.seek(SeekFrom::Start(whole_bytes))?;
                return Err(error);
            }
        }
        self.enter(debit, now_ms);
        Ok(())
    }

    fn enter(&mut self, debit: Debit, now_ms: u64) {
        self.debits += 1;
        let Debit {
            bank_reference,
            transaction_id,
            terms,
        } = debit;
        let verdict = Verdict::Confirmed { transaction_id };
        match self.get_mut(&bank_reference) {
            Some(known) => {
                known.debits += 1;
                // A decline that was forgotten may be followed by a debit; that is what counts.
                if known.debits == 1 {
                    known.verdict = verdict;
                    known.first_at_ms = now_ms;
                }
            }
            None => self.add(bank_reference, terms, verdict, 1, now_ms),
        }
    }

    /// Remembers that a reference was declined. Declines move no money and are not written down.
    pub(crate) fn decline(
        &mut self,
        bank_reference: String,
        terms: ChargeTerms,
        (code, message): (DeclineCode, DeclineMessage),
        now_ms: u64,
    ) {
        if self.get(&bank_reference).is_none() {
            let verdict = Verdict::Declined { code, message };
            self.add(bank_reference, terms, verdict, 0, now_ms);
        }
    }

    fn add(
        &mut self,
        bank_reference: String,
        terms: ChargeTerms,
        verdict: Verdict,
        debits: u32,
        now_ms: u64,
    ) {
        let known = KnownReference {
            terms,
            verdict,
            debits,
            first_at_ms: now_ms,
            hidden_until_ms: 0,
        };
        self.places
            .insert(bank_reference.clone(), self.references.len());
        self.references.push((bank_reference, known));
    }

    /// How many debits there are.
    pub(crate) const fn debits(&self) -> u64 {
        self.debits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debit(n: u32) -> Debit {
        Debit {
            bank_reference: format!("hf_{n}"),
            transaction_id: format!("b_{n}"),
            terms: ChargeTerms {
                amount: 1,
                currency: "EUR".into(),
                debtor: "a".into(),
                creditor: "b".into(),
            },
        }
    }

    #[test]
    fn the_books_survive_a_restart_and_a_line_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.debit(debit(1), 0).unwrap();
        ledger.debit(debit(2), 0).unwrap();
        ledger.debit(debit(2), 0).unwrap();
        drop(ledger);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"bank_reference\":\"hf_3\",").unwrap();

        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.debits(), 3, "the torn line never happened");
        assert_eq!(ledger.get("hf_2").unwrap().debits, 2);
        ledger.debit(debit(4), 0).unwrap();
        drop(ledger);
        assert_eq!(Ledger::open(&path).unwrap().debits(), 4);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let endless = vec![0; 200_000];
        for (content, says) in [
            (&b"{}\n"[..], "line 1 is not a debit"),
            (b"\xff\n", "line 1 is not a debit"),
            (b"\0\0\n", "line 1 is not a debit"),
            (&endless, "line 1 is longer than 65536 bytes"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = Ledger::open(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(
                std::fs::read(&path).unwrap() == content,
                "nothing was cut off"
            );
        }
    }

    #[test]
    fn a_file_belongs_to_one_bank_and_to_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        let error = Ledger::open(&path).unwrap_err().to_string();
        assert!(error.contains("another process uses it"), "{error}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(ledger);
        assert!(Ledger::open(&path).is_ok());
    }
}
