//! Checks of the banks and merchants before a service may start on a store.
//!
//! A payment belongs to the bank that it was admitted for and to the merchant whose key it has, both by name. A
//! configuration with other names would send the payments of one bank to another one, or take every known key for a
//! new one. So it is rejected, with the missing name and the line to write.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{BankAddress, BankName, Merchant, Operation, Phase, State};

use crate::store::{Store, StoreError};

/// Unfinished payments that are read at once.
const PAGE: usize = 1_000;

/// The bank that a service is about to use.
#[derive(Debug, Clone)]
pub struct BankTerms {
    /// Its configured name.
    pub name: BankName,
    /// Its address.
    pub address: BankAddress,
    /// Whether it moves no money and is used because no other bank is configured.
    pub is_stand_in: bool,
    /// Whether the operator said that it is the same bank at another address.
    pub moved: bool,
}

/// The merchants of a service.
#[derive(Debug, Clone, Default)]
pub struct MerchantTerms {
    /// The merchants of the current API keys; the merchant `default` if there are no keys.
    pub active: BTreeSet<Merchant>,
    /// Merchants that are deliberately retired.
    pub retired: BTreeSet<Merchant>,
}

/// Why a service may not start on a store. Nothing was changed or sent.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// Unfinished payments belong to other banks.
    #[error(
        "the bank is {}, but {}. Start with that bank (--bank) under that name (--bank-name). A payment is \
         sent only to the bank it was admitted for",
        names(.here), listed(.others)
    )]
    OtherBank {
        /// The banks that are configured.
        here: BTreeSet<BankName>,
        /// The other banks, with the number of payments of each.
        others: BTreeMap<BankName, u64>,
    },
    /// The bank has another address, and payments may be at the one before.
    #[error(
        "the bank {bank} is configured at {here}, but {count} unfinished payments may be at {there}. If it is another bank, \
         give it another --bank-name, and finish those payments with the bank they were sent to. If it is the same bank at a \
         new address, add --bank-moved"
    )]
    Moved {
        /// The bank.
        bank: BankName,
        /// Its configured address.
        here: BankAddress,
        /// The address that payments were sent to.
        there: BankAddress,
        /// How many.
        count: u64,
    },
    /// No bank was asked for, and the store has called a real one.
    #[error(
        "no bank is configured, so payments would go to the simulated bank, which moves no money; but this store has sent \
         payments to {}. Configure the bank with --bank. To use the simulated bank with this store, set --bank sim",
        names(.banks)
    )]
    NotAskedFor {
        /// The banks that it has called.
        banks: BTreeSet<BankName>,
    },
    /// Merchants have payments, but no API key.
    #[error(
        "the store has payments of merchants that have no API key: {}. Under another name their retries would be charged \
         again. For each of them write merchant = \"NAME\" into an [[api_keys]] block ({}), or, if \
         the merchant is no longer active, list it: retired_merchants = [{}]",
        names(.merchants), first_keys(.merchants), quoted(.merchants)
    )]
    Unnamed {
        /// The merchants.
        merchants: BTreeSet<Merchant>,
    },
    /// A merchant is new, and differs from a known one only in upper and lower case.
    #[error(
        "the merchant {new} differs from {known} only in upper and lower case, and has no payments. It is probably \
         the same merchant misspelt, and its retries would be charged again. Write {known}, or choose another name"
    )]
    CaseOnly {
        /// The name in the configuration.
        new: Merchant,
        /// The name that the store or the configuration has.
        known: Merchant,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn names<T: std::fmt::Display>(set: &BTreeSet<T>) -> String {
    let names: Vec<_> = set.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn quoted(set: &BTreeSet<Merchant>) -> String {
    let names: Vec<_> = set
        .iter()
        .map(|name| format!("{:?}", name.as_str()))
        .collect();
    names.join(", ")
}

fn listed(banks: &BTreeMap<BankName, u64>) -> String {
    let parts: Vec<_> = banks
        .iter()
        .map(|(bank, count)| match count {
            1 => format!("1 unfinished payment is for {bank}"),
            count => format!("{count} unfinished payments are for {bank}"),
        })
        .collect();
    parts.join(" and ")
}

fn first_keys(merchants: &BTreeSet<Merchant>) -> &'static str {
    if merchants.contains(&Merchant::default_merchant()) {
        "merchant = \"default\" for payments made before API keys were configured"
    } else {
        "`holdfast api-key new --merchant NAME` prints one"
    }
}

/// Whether a service with these banks may start on a store.
///
/// # Errors
/// When unfinished payments belong to another bank or may be at another address, when a bank that moves no money would
/// be used by mistake, or when the store fails.
pub async fn check_banks(store: &Store, banks: &[BankTerms]) -> Result<(), Misfit> {
    let by_name: BTreeMap<_, _> = banks.iter().map(|terms| (&terms.name, terms)).collect();
    let mut others: BTreeMap<BankName, u64> = BTreeMap::new();
    let mut elsewhere: BTreeMap<(BankName, BankAddress), u64> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.log.unfinished(after, PAGE).await?;
        for (_, key) in &page {
            // One that is missing is for recovery to find.
            let Some(operation) = store.log.get(key).await? else {
                continue;
            };
            if operation.is_finished() {
                continue;
            }
            let bank = operation.at_bank();
            let Some(terms) = bank.map_or(banks.first(), |bank| by_name.get(bank).copied()) else {
                if let Some(bank) = bank {
                    *others.entry(bank.clone()).or_default() += 1;
                }
                continue;
            };
            if let Some(address) = at_another_address(&operation, terms) {
                let place = (terms.name.clone(), address);
                *elsewhere.entry(place).or_default() += 1;
            }
        }
        match page.last() {
            Some((last, _)) => after = Some(*last),
            None => break,
        }
    }
    if !others.is_empty() {
        let here = banks.iter().map(|terms| terms.name.clone()).collect();
        return Err(Misfit::OtherBank { here, others });
    }
    for ((bank, there), count) in elsewhere {
        if let Some(terms) = by_name.get(&bank).filter(|terms| !terms.moved) {
            let here = terms.address.clone();
            return Err(Misfit::Moved {
                bank,
                here,
                there,
                count,
            });
        }
    }
    if let Some(stand_in) = banks.iter().find(|terms| terms.is_stand_in) {
        let mut banks = store.views.banks().await?;
        banks.remove(&stand_in.name);
        if !banks.is_empty() {
            return Err(Misfit::NotAskedFor { banks });
        }
    }
    Ok(())
}

/// The address that a payment may have been sent to, if it is not the bank's current one.
fn at_another_address(payment: &Operation, terms: &BankTerms) -> Option<BankAddress> {
    let State::BankCalled(called) = &payment.state else {
        return None;
    };
    let under_way = called.phase == Phase::Awaiting && called.next_at.is_none();
    let mark = called.mark.as_ref()?;
    let there = (called.exposed || under_way) && mark.address != terms.address;
    there.then(|| mark.address.clone())
}

/// Whether these merchants fit those that have payments.
///
/// # Errors
/// When a merchant with payments is not among them, or one of them is a known one misspelt.
pub fn check_merchants(
    with_payments: &BTreeSet<Merchant>,
    terms: &MerchantTerms,
) -> Result<(), Misfit> {
    let known: Vec<_> = with_payments.iter().chain(&terms.retired).collect();
    for new in terms.active.difference(with_payments) {
        let twin = known
            .iter()
            .find(|known| **known != new && known.as_str().eq_ignore_ascii_case(new.as_str()));
        if let Some(known) = twin {
            return Err(Misfit::CaseOnly {
                new: new.clone(),
                known: Merchant::clone(known),
            });
        }
    }
    let merchants: BTreeSet<_> = with_payments
        .iter()
        .filter(|merchant| !terms.active.contains(*merchant) && !terms.retired.contains(*merchant))
        .cloned()
        .collect();
    if merchants.is_empty() {
        Ok(())
    } else {
        Err(Misfit::Unnamed { merchants })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Merchant> {
        names
            .iter()
            .map(|name| Merchant::new(name).unwrap())
            .collect()
    }

    fn said(with_payments: &[&str], active: &[&str], retired: &[&str]) -> String {
        let terms = MerchantTerms {
            active: set(active),
            retired: set(retired),
        };
        match check_merchants(&set(with_payments), &terms) {
            Ok(()) => "fits".to_owned(),
            Err(misfit) => misfit.to_string(),
        }
    }

    #[test]
    fn every_merchant_with_payments_is_named_or_retired() {
        assert_eq!(said(&[], &["default"], &[]), "fits");
        assert_eq!(
            said(&["default", "shop"], &["shop", "new"], &["default"]),
            "fits"
        );
        let unnamed = said(&["default", "old", "shop"], &["shop"], &[]);
        assert!(
            unnamed.contains("have no API key: default, old."),
            "{unnamed}"
        );
        assert!(unnamed.contains("merchant = \"default\""), "{unnamed}");
        assert!(
            unnamed.contains("retired_merchants = [\"default\", \"old\"]"),
            "{unnamed}"
        );
    }

    #[test]
    fn a_new_name_is_no_known_one_in_other_letters() {
        for (with_payments, retired) in [
            (&["shop"][..], &[][..]),
            (&["shop"], &["shop"]),
            (&[], &["shop"]),
        ] {
            let said = said(with_payments, &["Shop"], retired);
            assert!(said.contains("Shop differs from shop only in"), "{said}");
        }
        // Where both have payments already, one of them can still be retired.
        assert_eq!(said(&["Shop", "shop"], &["Shop"], &["shop"]), "fits");
    }
}
