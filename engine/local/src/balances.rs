//! Balances within a batch: each account that it touches is read once and written once, however many
//! payments move it.

use std::collections::BTreeMap;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::ledger::{self, AccountKey, Balance, LedgerError, accounts_of};
use holdfast_core::{Guard, Refusal, Step};
use sled::transaction::TransactionalTree;

use crate::conflict::{Conflict, abort, encode};
use crate::error::{LocalError, damaged};
use crate::format;

/// The balances that a batch touches.
pub(crate) struct Balances<'a> {
    tree: &'a TransactionalTree,
    touched: BTreeMap<AccountKey, Balance>,
}

impl<'a> Balances<'a> {
    pub(crate) fn new(tree: &'a TransactionalTree) -> Self {
        Self {
            tree,
            touched: BTreeMap::new(),
        }
    }

    /// Applies a step's movements. The inner error refuses the step, which has then changed
    /// nothing: an account has no room for it.
    pub(crate) fn apply(&mut self, step: &Step) -> Result<Result<(), Refusal>, Conflict> {
        let merchant = &step.key().merchant;
        let movements = step.entries.iter().map(|entry| &entry.movement);
        for movement in movements.flatten() {
            let keys = accounts_of(merchant, movement);
            let before = [self.balance(&keys[0])?, self.balance(&keys[1])?];
            match ledger::apply(movement, before) {
                Ok(after) => self.touched.extend(keys.into_iter().zip(after)),
                // Only the first movement of an operation is a hold, so nothing came before it.
                Err(full @ LedgerError::Full { .. })
                    if step.guards.contains(&Guard::AccountsHaveRoom) =>
                {
                    return Ok(Err(Refusal::AccountFull(full)));
                }
                Err(broken @ (LedgerError::Full { .. } | LedgerError::NotHeld { .. })) => {
                    return Err(abort(LocalError::Ledger(broken)));
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
            Some(bytes) => codec::decode(ValueKind::Account, &storage_key, &bytes)
                .map_err(damaged("accounts", &storage_key))
                .map_err(abort),
        }
    }

    /// Writes every touched balance.
    pub(crate) fn finish(self) -> Result<(), Conflict> {
        for (key, balance) in &self.touched {
            let storage_key = format::account_key(key);
            let value = encode(codec::encode(ValueKind::Account, &storage_key, balance))?;
            self.tree.insert(storage_key, value)?;
        }
        Ok(())
    }
}
