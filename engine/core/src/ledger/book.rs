//! All balances in memory: for replays, and for stores that keep everything in memory.

use std::collections::BTreeMap;
use std::fmt;

use super::balance::{AccountKey, Balance, LedgerError, accounts_of, apply};
use super::movement::Movement;
use crate::ids::AccountId;
use crate::ids::Merchant;
use crate::money::Currency;

/// All balances, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    balances: BTreeMap<AccountKey, Balance>,
}

/// The sums over all accounts in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of all pending debits.
    pub debits_pending: u128,
    /// Of all posted debits.
    pub debits_posted: u128,
    /// Of all pending credits.
    pub credits_pending: u128,
    /// Of all posted credits.
    pub credits_posted: u128,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pending debits are {} and credits {}, posted debits {} and credits {}",
            self.debits_pending, self.credits_pending, self.debits_posted, self.credits_posted
        )
    }
}

impl Sums {
    /// Whether debits and credits agree, pending and posted alike.
    pub const fn agree(self) -> bool {
        self.debits_pending == self.credits_pending && self.debits_posted == self.credits_posted
    }

    /// Adds one account.
    pub fn add(&mut self, balance: Balance) {
        self.debits_pending += u128::from(balance.debits_pending);
        self.debits_posted += u128::from(balance.debits_posted);
        self.credits_pending += u128::from(balance.credits_pending);
        self.credits_posted += u128::from(balance.credits_posted);
    }
}

impl Book {
    /// Applies a movement.
    ///
    /// # Errors
    /// When an account cannot take it; nothing changes then.
    pub fn apply(&mut self, merchant: &Merchant, movement: &Movement) -> Result<(), LedgerError> {
        let keys = accounts_of(merchant, movement);
        let before = keys.each_ref().map(|key| self.balance(key));
        let after = apply(movement, before)?;
        self.balances.extend(keys.into_iter().zip(after));
        Ok(())
    }

    /// Sets balances that were computed beside the book, with [`apply`].
    pub fn set(&mut self, balances: impl IntoIterator<Item = (AccountKey, Balance)>) {
        self.balances.extend(balances);
    }

    /// The balance of an account; zero when it never had a movement.
    pub fn balance(&self, key: &AccountKey) -> Balance {
        self.balances.get(key).copied().unwrap_or_default()
    }

    /// The balances of one account, one for each of its currencies.
    pub fn account(&self, merchant: &Merchant, account: &AccountId) -> Vec<(Currency, Balance)> {
        let of_account = |key: &&AccountKey| key.merchant == *merchant && key.account == *account;
        self.balances
            .keys()
            .filter(of_account)
            .map(|key| (key.currency, self.balances[key]))
            .collect()
    }

    /// Every account with its balance, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountKey, &Balance)> {
        self.balances.iter()
    }

    /// The sums per currency.
    pub fn sums(&self) -> BTreeMap<Currency, Sums> {
        let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
        for (key, balance) in &self.balances {
            sums.entry(key.currency).or_default().add(*balance);
        }
        sums
    }
}
