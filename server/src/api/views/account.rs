//! What the API shows of an account.

use holdfast_core::ledger::Balance;
use holdfast_core::{AccountId, Currency};
use poem_openapi::Object;
use serde::Serialize;

/// An account of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Account")]
pub(crate) struct AccountView {
    /// Its name, as payments name it.
    account: String,
    /// What it holds and has moved, per currency, in the order of the codes.
    balances: Vec<BalanceView>,
}

/// What an account holds and has moved in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Balance")]
pub(crate) struct BalanceView {
    /// ISO 4217 code.
    currency: String,
    /// Held to be debited, in minor units.
    debits_pending: u64,
    /// Debited, in minor units.
    debits_posted: u64,
    /// Held to be credited, in minor units.
    credits_pending: u64,
    /// Credited, in minor units.
    credits_posted: u64,
}

impl AccountView {
    pub(crate) fn of(account: &AccountId, balances: &[(Currency, Balance)]) -> Self {
        Self {
            account: account.to_string(),
            balances: balances
                .iter()
                .map(|(currency, balance)| BalanceView {
                    currency: currency.code().to_owned(),
                    debits_pending: balance.debits_pending,
                    debits_posted: balance.debits_posted,
                    credits_pending: balance.credits_pending,
                    credits_posted: balance.credits_posted,
                })
                .collect(),
        }
    }
}
