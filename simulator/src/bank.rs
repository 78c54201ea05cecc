//! The built-in simulated bank: it deduplicates by our reference and takes its time.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome};
use holdfast_engine::payment::{
    BankReference, BankTransactionId, Capability, Decision, DeclineCode, DeclineMessage,
};
use holdfast_engine::pipeline::SendPermit;

use crate::ledger::{Debit, Ledger, LedgerError};

/// How the simulated bank behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimulatedBankOptions {
    /// How long every charge and inquiry takes, in milliseconds.
    pub latency_ms: u64,
    /// Where the bank keeps its books; in memory only when `None`.
    pub ledger: Option<PathBuf>,
}

/// A bank that lives in this process. It moves no money.
///
/// It confirms every charge, except those to a creditor whose name begins with `acct_declined`,
/// which it declines with `insufficient_funds`: a way to see a declined payment by hand.
#[derive(Debug)]
pub struct SimulatedBank {
    latency: Duration,
    ledger: Mutex<Ledger>,
}

/// Creditors whose name begins so are declined.
const DECLINED_PREFIX: &str = "acct_declined";

/// The bank never forgets a reference: a century, in milliseconds.
const WINDOW_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

impl SimulatedBank {
    /// Opens the bank with its books.
    ///
    /// # Errors
    /// When the ledger file cannot be read or written.
    pub fn open(options: &SimulatedBankOptions) -> Result<Self, LedgerError> {
        let ledger = match &options.ledger {
            Some(path) => Ledger::open(path)?,
            None => Ledger::default(),
        };
        let latency = Duration::from_millis(options.latency_ms);
        Ok(Self {
            latency,
            ledger: Mutex::new(ledger),
        })
    }

    /// How many debits the bank has carried out.
    pub fn debits(&self) -> usize {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    async fn take_time(&self) {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }

    fn process(&self, permit: &SendPermit) -> ChargeOutcome {
        let request = permit.request();
        if request.creditor().as_str().starts_with(DECLINED_PREFIX) {
            let code = DeclineCode::new("insufficient_funds").expect("a valid code");
            let message =
                DeclineMessage::new("The account has not enough funds.").expect("a valid message");
            return ChargeOutcome::Decided(Decision::Declined { code, message });
        }
        let bank_reference = permit.bank_reference().to_string();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transaction) = ledger.transaction(&bank_reference) {
            return ChargeOutcome::Decided(confirmed(transaction));
        }
        // The bank's id follows from the reference; a real bank's does not, and nothing relies on it.
        let transaction_id = bank_reference.replacen("hf_", "b_", 1);
        let debit = Debit {
            bank_reference,
            transaction_id: transaction_id.clone(),
            amount: request.amount().minor_units(),
            currency: request.currency().code().to_owned(),
            debtor: request.debtor().as_str().to_owned(),
            creditor: request.creditor().as_str().to_owned(),
        };
        match ledger.book(debit) {
            Ok(()) => ChargeOutcome::Decided(confirmed(&transaction_id)),
            Err(error) => {
                tracing::error!(%error, "the simulated bank cannot write its ledger");
                ChargeOutcome::Unknown
            }
        }
    }
}

fn confirmed(transaction_id: &str) -> Decision {
    let bank_transaction_id =
        BankTransactionId::new(transaction_id).expect("the bank's own ids are short visible ASCII");
    Decision::Confirmed {
        bank_transaction_id,
    }
}

#[async_trait]
impl Bank for SimulatedBank {
    fn capability(&self) -> Capability {
        Capability::Keyed {
            window_ms: WINDOW_MS,
        }
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        self.take_time().await;
        self.process(&permit)
    }

    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome {
        self.take_time().await;
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        match ledger.transaction(&bank_reference.to_string()) {
            Some(transaction) => InquiryOutcome::Decided(confirmed(transaction)),
            None => InquiryOutcome::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn debit(n: u32) -> Debit {
        Debit {
            bank_reference: format!("hf_{n}"),
            transaction_id: format!("b_{n}"),
            amount: 1,
            currency: "EUR".into(),
            debtor: "a".into(),
            creditor: "b".into(),
        }
    }

    #[test]
    fn the_books_survive_a_restart_and_a_line_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.book(debit(1)).unwrap();
        ledger.book(debit(2)).unwrap();
        drop(ledger);
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"bank_reference\":\"hf_3\",").unwrap();

        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.len(), 2, "the torn line never happened");
        assert_eq!(ledger.transaction("hf_2"), Some("b_2"));
        ledger.book(debit(4)).unwrap();
        drop(ledger);
        assert_eq!(Ledger::open(&path).unwrap().len(), 3);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let error = Ledger::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 1 is no debit"), "{error}");
    }
}
