//! Balances of accounts, and the effect of a movement on its two accounts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::movement::{Movement, MovementKind};
use crate::ids::AccountId;
use crate::ids::Merchant;
use crate::money::Currency;

/// One account of a merchant in one currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    /// The merchant.
    pub merchant: Merchant,
    /// The account.
    pub account: AccountId,
    /// The currency.
    pub currency: Currency,
}

/// The pending and posted amounts of an account, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Held to be debited.
    pub debits_pending: u64,
    /// Debited.
    pub debits_posted: u64,
    /// Held to be credited.
    pub credits_pending: u64,
    /// Credited.
    pub credits_posted: u64,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            debits_pending,
            debits_posted,
            credits_pending,
            credits_posted,
        } = self;
        write!(
            f,
            "debits {debits_pending} pending and {debits_posted} posted, credits {credits_pending} pending and \
             {credits_posted} posted"
        )
    }
}

/// The largest sum of pending and posted on one side of an account, in minor units: the largest
/// integer that every JSON reader keeps exactly (RFC 8259, section 6).
pub const SIDE_MAX: u64 = (1 << 53) - 1;

/// Why a movement cannot happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A side of an account would grow beyond [`SIDE_MAX`].
    #[error("account {account} would exceed the limit of {SIDE_MAX} in {currency}")]
    Full {
        /// The account.
        account: AccountId,
        /// The currency.
        currency: Currency,
    },
    /// A post or void without a hold: the balances do not match the payments.
    #[error("account {account} has no hold in {currency} for this post or void")]
    NotHeld {
        /// The account.
        account: AccountId,
        /// The currency.
        currency: Currency,
    },
}

/// The side of an account that a movement touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It is debited.
    Debit,
    /// It is credited.
    Credit,
}

impl Balance {
    fn side(&mut self, side: Side) -> (&mut u64, &mut u64) {
        match side {
            Side::Debit => (&mut self.debits_pending, &mut self.debits_posted),
            Side::Credit => (&mut self.credits_pending, &mut self.credits_posted),
        }
    }

    /// The balance after a movement's share on one side; `None` when it does not fit.
    fn moved(mut self, side: Side, kind: MovementKind, amount: u64) -> Option<Self> {
        let (pending, posted) = self.side(side);
        match kind {
            MovementKind::Hold => {
                // With room for both phases now, the post that follows cannot fail.
                let total = pending.checked_add(*posted)?.checked_add(amount)?;
                if total > SIDE_MAX {
                    return None;
                }
                *pending += amount;
            }
            MovementKind::Post => {
                *pending = pending.checked_sub(amount)?;
                *posted = posted.checked_add(amount)?;
            }
            MovementKind::Void => *pending = pending.checked_sub(amount)?,
        }
        Some(self)
    }
}

/// The keys of the two accounts that a movement touches: the debited one, then the credited one.
pub fn accounts_of(merchant: &Merchant, movement: &Movement) -> [AccountKey; 2] {
    [&movement.debit, &movement.credit].map(|account| AccountKey {
        merchant: merchant.clone(),
        account: account.clone(),
        currency: movement.currency,
    })
}

/// The two balances after a movement: of the debited account, and of the credited one.
///
/// # Errors
/// When one of them cannot take it; nothing changes then.
pub fn apply(movement: &Movement, before: [Balance; 2]) -> Result<[Balance; 2], LedgerError> {
    let [debited, credited] = before;
    Ok([
        apply_to(movement, Side::Debit, debited)?,
        apply_to(movement, Side::Credit, credited)?,
    ])
}

/// The balance of one of its two accounts after a movement.
///
/// # Errors
/// When the account cannot take it.
pub fn apply_to(movement: &Movement, side: Side, before: Balance) -> Result<Balance, LedgerError> {
    let amount = movement.amount.minor_units();
    let after = before.moved(side, movement.kind, amount);
    after.ok_or_else(|| {
        let account = match side {
            Side::Debit => movement.debit.clone(),
            Side::Credit => movement.credit.clone(),
        };
        let currency = movement.currency;
        match movement.kind {
            MovementKind::Hold => LedgerError::Full { account, currency },
            MovementKind::Post | MovementKind::Void => LedgerError::NotHeld { account, currency },
        }
    })
}
