//! Balances within a batch: each account that it touches is read once and written once, however many
//! payments move it.

use std::collections::BTreeMap;

use sled::transaction::{ConflictableTransactionError, TransactionalTree};

use super::batch::{Conflict, encode};
use super::format;
use super::read::damaged;
use crate::codec::{self, Kind};
use crate::ledger::{self, AccountKey, Balance, LedgerError, accounts_of};
use crate::store::{StoreError, Write};

/// The balances that a batch touches.
pub(super) struct Books<'a> {
    tree: &'a TransactionalTree,
    touched: BTreeMap<AccountKey, Balance>,
}

impl<'a> Books<'a> {
    pub(super) fn new(tree: &'a TransactionalTree) -> Self {
        Self {
            tree,
            touched: BTreeMap::new(),
        }
    }

    /// Applies a write's movements. The inner error refuses the write, which has then changed
    /// nothing: an account has no room for it.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Result<(), LedgerError>, Conflict> {
        let merchant = &write.key().merchant;
        let movements = write.steps().iter().map(|step| &step.entry.movement);
        for movement in movements.flatten() {
            let keys = accounts_of(merchant, movement);
            let before = [self.balance(&keys[0])?, self.balance(&keys[1])?];
            match ledger::apply(movement, before) {
                Ok(after) => self.touched.extend(keys.into_iter().zip(after)),
                // Only the first movement of a payment is a hold, so nothing came before it.
                Err(full @ LedgerError::Full { .. }) => return Ok(Err(full)),
                Err(broken @ LedgerError::NotHeld { .. }) => {
                    let error = StoreError::Ledger(broken);
                    return Err(ConflictableTransactionError::Abort(error));
                }
            }
        }
        Ok(Ok(()))
    }

    fn balance(&self, key: &AccountKey) -> Result<Balance, Conflict> {
        if let Some(balance) = self.touched.get(key) {
            return Ok(*balance);
        }
        let storage_key = format::account_key(key);
        match self.tree.get(&storage_key)? {
            None => Ok(Balance::default()),
            Some(bytes) => codec::decode(Kind::Account, &storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key))
                .map_err(ConflictableTransactionError::Abort),
        }
    }

    /// Writes every touched balance.
    pub(super) fn finish(self) -> Result<(), Conflict> {
        for (key, balance) in &self.touched {
            let storage_key = format::account_key(key);
            let value = encode(codec::encode(Kind::Account, &storage_key, balance))?;
            self.tree.insert(storage_key, value)?;
        }
        Ok(())
    }
}
