//! Money in integer minor units with an ISO 4217 currency. No floating point anywhere.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use iso_currency::IntoEnumIterator;
use serde::{Deserialize, Serialize};

/// An amount in minor units (cents for EUR, yen for JPY), 1 to [`Amount::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Amount(u64);

/// The amount is outside 1..=[`Amount::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an integer from 1 to {} in minor units", Amount::MAX)]
pub struct InvalidAmount;

impl Amount {
    /// The largest amount of one payment: 999,999,999,999 minor units.
    ///
    /// Eighteen million such payments still fit a 64-bit balance.
    pub const MAX: u64 = 999_999_999_999;

    /// Checks the bounds.
    ///
    /// # Errors
    /// When `minor_units` is zero or more than [`Self::MAX`].
    pub const fn new(minor_units: u64) -> Result<Self, InvalidAmount> {
        if minor_units >= 1 && minor_units <= Self::MAX {
            Ok(Self(minor_units))
        } else {
            Err(InvalidAmount)
        }
    }

    /// The number of minor units.
    pub const fn minor_units(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Amount {
    type Error = InvalidAmount;

    fn try_from(minor_units: u64) -> Result<Self, Self::Error> {
        Self::new(minor_units)
    }
}

/// A currency that money can be moved in, by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Arc<str>", into = "&'static str")]
pub struct Currency(iso_currency::Currency);

/// The text is not an ISO 4217 code, or the code does not mean money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 currency code in upper case, such as EUR")]
pub struct InvalidCurrency;

/// No payment can be made in the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPayable {
    /// ISO 4217 withdrew it.
    #[error("must be a current currency: {code} was withdrawn from ISO 4217; use {successor}")]
    Withdrawn {
        /// Its code.
        code: &'static str,
        /// The code of its successor.
        successor: &'static str,
    },
    /// A unit of account, such as an index, that no account holds.
    #[error(
        "must be a currency for payments: {code} is a funds code of ISO 4217, a unit of account"
    )]
    Fund {
        /// Its code.
        code: &'static str,
    },
}

impl Currency {
    /// Looks up an upper-case code.
    ///
    /// # Errors
    /// When ISO 4217 has no such code, and for `XXX` ("no currency") and `XTS` ("for testing"),
    /// which name no money.
    pub fn from_code(code: &str) -> Result<Self, InvalidCurrency> {
        use iso_currency::Currency as Iso;
        if !code.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(InvalidCurrency);
        }
        match Iso::from_code(code) {
            None | Some(Iso::XXX | Iso::XTS) => Err(InvalidCurrency),
            Some(currency) => Ok(Self(currency)),
        }
    }

    /// Every currency, by code, including the withdrawn ones.
    pub fn all() -> Vec<Self> {
        let all = iso_currency::Currency::iter();
        let mut all: Vec<_> = all
            .filter_map(|one| Self::from_code(one.code()).ok())
            .collect();
        all.sort_unstable();
        all
    }

    /// Whether a new payment can be made in it. Existing payments are not affected.
    ///
    /// # Errors
    /// When ISO 4217 withdrew it, and for funds codes.
    pub fn check_payable(self) -> Result<(), NotPayable> {
        use iso_currency::Currency as Iso;
        let code = self.code();
        if self.0.is_fund() {
            return Err(NotPayable::Fund { code });
        }
        match self.0.is_superseded() {
            // VED came beside VES, not in its place: ISO 4217 has both (amendment 170).
            None | Some(Iso::VED) => Ok(()),
            Some(_) => Err(NotPayable::Withdrawn {
                code,
                successor: self.0.latest().code(),
            }),
        }
    }

    /// How many digits of an amount in minor units follow the decimal point; 0 if there are none, and if ISO 4217 does
    /// not define them (gold).
    pub fn minor_digits(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl TryFrom<Arc<str>> for Currency {
    type Error = InvalidCurrency;

    fn try_from(code: Arc<str>) -> Result<Self, Self::Error> {
        Self::from_code(&code)
    }
}

impl From<Currency> for &'static str {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

impl Ord for Currency {
    /// By code.
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_1_to_the_maximum() {
        assert_eq!(Amount::new(0), Err(InvalidAmount));
        assert_eq!(Amount::new(1).unwrap().minor_units(), 1);
        assert!(Amount::new(Amount::MAX).is_ok());
        assert_eq!(Amount::new(Amount::MAX + 1), Err(InvalidAmount));
    }

    #[test]
    fn nothing_new_is_paid_in_what_was_withdrawn_or_in_a_unit_of_account() {
        let check = |code| Currency::from_code(code).unwrap().check_payable();
        for code in [
            "EUR", "VES", "VED", "XCG", "SLE", "ZWG", "XAD", "XAU", "XDR",
        ] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
        for (code, successor) in [
            ("BGN", "EUR"),
            ("CUC", "CUP"),
            ("HRK", "EUR"),
            ("SLL", "SLE"),
            ("ZWL", "ZWG"),
        ] {
            assert_eq!(check(code), Err(NotPayable::Withdrawn { code, successor }));
        }
        for code in [
            "BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW",
        ] {
            assert_eq!(check(code), Err(NotPayable::Fund { code }));
        }
        let refused = Currency::all();
        let refused = refused.iter().filter(|one| one.check_payable().is_err());
        assert_eq!(refused.count(), 14);
    }

    #[test]
    fn currencies_are_upper_case_iso_codes_of_real_money() {
        for good in ["EUR", "USD", "JPY", "BHD", "XAU"] {
            assert_eq!(Currency::from_code(good).unwrap().code(), good);
        }
        for bad in ["eur", "Eur", "EURO", "EU", "", "ZZZ", "XXX", "XTS", "ÄUR"] {
            assert!(Currency::from_code(bad).is_err(), "{bad}");
        }
        let all = Currency::all();
        assert!(all.len() > 150 && all.is_sorted());
        for (code, digits) in [("EUR", 2), ("HUF", 2), ("IQD", 3), ("JPY", 0), ("XAU", 0)] {
            assert_eq!(Currency::from_code(code).unwrap().minor_digits(), digits);
        }
    }
}
