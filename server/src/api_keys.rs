//! API keys: who may act for which merchant.
//!
//! A key's secret is 256 random bits, so it is enough to store its plain SHA-256. The comparison takes
//! constant time, so its duration does not reveal how much of a guess was right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use holdfast_core::{Merchant, OperatorName};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

/// The prefix of every secret. It lets people and scanners recognise a leaked one.
const SECRET_PREFIX: &str = "hf_";
const HASH_PREFIX: &str = "sha256:";

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Create, read and cancel payments.
    Merchant,
    /// The same, and decide payments whose outcome is unknown.
    Operator,
}

/// One key, as a `[[api_keys]]` block of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    /// The merchant that the key acts for.
    merchant: String,
    /// What the key allows.
    #[serde(default = "merchant_role")]
    role: Role,
    /// The name under which the holder's decisions are journalled. The merchant's name if missing.
    name: Option<String>,
    /// SHA-256 of the secret, as `sha256:` and 64 hexadecimal digits.
    hash: String,
}

impl ApiKey {
    /// The holder of the key, and its hash.
    fn key(&self) -> Result<(Bearer, [u8; 32]), InvalidApiKey> {
        let merchant = Merchant::new(&self.merchant)
            .map_err(|_| InvalidApiKey::Merchant(self.merchant.clone()))?;
        let hash = self.hash.strip_prefix(HASH_PREFIX).and_then(from_hex);
        let hash = hash.ok_or_else(|| InvalidApiKey::Hash(self.merchant.clone()))?;
        let name = self.name.as_ref().unwrap_or(&self.merchant);
        let name = OperatorName::new(name).map_err(|_| InvalidApiKey::Name(name.clone()))?;
        let operator = match self.role {
            Role::Merchant => None,
            Role::Operator => Some(name),
        };
        Ok((Bearer { merchant, operator }, hash))
    }
}

const fn merchant_role() -> Role {
    Role::Merchant
}

/// A key in the configuration is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidApiKey {
    #[error("api_keys: merchant {0:?} must be {rule}", rule = Merchant::RULE)]
    Merchant(String),
    #[error("api_keys: the name {0:?} must be {rule}", rule = OperatorName::RULE)]
    Name(String),
    #[error(
        "api_keys: the hash of a key of merchant {0:?} must be sha256: and 64 hexadecimal digits; \
         `holdfast api-key new` prints a key and its block"
    )]
    Hash(String),
    #[error(
        "api_keys: a key of merchant {1:?} has the hash of an earlier key, of merchant {0:?}, so one secret would act for \
         both. Create a new key with `holdfast api-key new`, or remove one of the two blocks"
    )]
    Twice(String, String),
    #[error(
        "api_keys: the merchants {0:?} and {1:?} differ only in upper and lower case. One of them is probably a typing \
         mistake, and each would have its own idempotency keys"
    )]
    CaseOnly(String, String),
}

/// The holder of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The merchant that the holder acts for.
    pub(crate) merchant: Merchant,
    /// The name for the journal, if the holder may act as an operator.
    pub(crate) operator: Option<OperatorName>,
}

impl Bearer {
    /// The holder that every caller is if no keys are configured.
    fn anyone(merchant: Merchant) -> Self {
        let operator = OperatorName::new(merchant.as_str()).ok();
        Self { merchant, operator }
    }
}

/// The holders of all keys, each with the hash of its secret.
pub(crate) type Keys = Arc<[(Bearer, [u8; 32])]>;

/// The current keys. Clones share them: every request gets a clone of the front door, and a change applies to all.
#[derive(Clone)]
pub(crate) struct ApiKeys {
    in_force: watch::Sender<Keys>,
    /// The merchant that everyone acts for while there are no keys.
    everyone: Merchant,
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::none_for(Merchant::default_merchant())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.len())
    }
}

impl ApiKeys {
    /// No keys: everyone acts for one merchant.
    pub(crate) fn none_for(everyone: Merchant) -> Self {
        Self {
            in_force: watch::Sender::new(Arc::default()),
            everyone,
        }
    }

    /// The keys in the blocks of the configuration.
    ///
    /// # Errors
    /// Every mistake in the blocks.
    pub(crate) fn new(blocks: &[ApiKey]) -> Result<Self, Vec<InvalidApiKey>> {
        let mut wrong = Vec::new();
        let mut taken: Vec<(Bearer, [u8; 32])> = Vec::new();
        for block in blocks {
            match block.key() {
                Ok((bearer, hash)) => {
                    if let Some((twin, _)) = taken.iter().find(|(_, known)| *known == hash) {
                        let names = (twin.merchant.to_string(), bearer.merchant.to_string());
                        wrong.push(InvalidApiKey::Twice(names.0, names.1));
                    }
                    taken.push((bearer, hash));
                }
                Err(error) => wrong.push(error),
            }
        }
        let keys = Self {
            in_force: watch::Sender::new(taken.into()),
            ..Self::default()
        };
        let mut spelt: BTreeMap<String, Merchant> = BTreeMap::new();
        for merchant in keys.merchants() {
            let folded = merchant.as_str().to_ascii_lowercase();
            if let Some(twin) = spelt.insert(folded, merchant.clone()) {
                let names = (twin.to_string(), merchant.to_string());
                wrong.push(InvalidApiKey::CaseOnly(names.0, names.1));
            }
        }
        if wrong.is_empty() {
            Ok(keys)
        } else {
            Err(wrong)
        }
    }

    /// The merchants that the keys act for. Without keys, the merchant that everyone acts for.
    pub(crate) fn merchants(&self) -> BTreeSet<Merchant> {
        let keys = self.in_force.borrow();
        if keys.is_empty() {
            return BTreeSet::from([self.everyone.clone()]);
        }
        keys.iter()
            .map(|(bearer, _)| bearer.merchant.clone())
            .collect()
    }

    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        self.in_force.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces these keys by the other ones.
    pub(crate) fn replace(&self, other: &Self) {
        let keys = other.in_force.borrow().clone();
        self.in_force.send_if_modified(|in_force| {
            let changed = *in_force != keys;
            *in_force = keys;
            changed
        });
    }

    /// Receives the next change.
    pub(crate) fn changes(&self) -> watch::Receiver<Keys> {
        self.in_force.subscribe()
    }

    /// The holder that an `Authorization` header identifies. Without configured keys this is always the
    /// merchant that everyone acts for, as an operator.
    pub(crate) fn bearer(&self, authorization: Option<&[u8]>) -> Option<Bearer> {
        let keys = self.in_force.borrow().clone();
        if keys.is_empty() {
            return Some(Bearer::anyone(self.everyone.clone()));
        }
        let (scheme, secret) = std::str::from_utf8(authorization?).ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(secret.trim()).into();
        // Every key is compared, so the duration does not reveal which one matched.
        keys.iter().fold(None, |found, (bearer, known)| {
            if bool::from(known.ct_eq(&hash)) {
                Some(bearer.clone())
            } else {
                found
            }
        })
    }
}

/// A new secret, and the configuration block that accepts it.
pub(crate) fn generate(
    merchant: &Merchant,
    role: Role,
) -> Result<(String, String), rand::rngs::SysError> {
    let mut random = [0_u8; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut random)?;
    let secret = format!("{SECRET_PREFIX}{}", to_hex(&random));
    let hash = to_hex(&Sha256::digest(&secret));
    let role = match role {
        Role::Merchant => "merchant",
        Role::Operator => "operator",
    };
    let block = format!(
        "[[api_keys]]\nmerchant = \"{merchant}\"\nrole = \"{role}\"\nhash = \"{HASH_PREFIX}{hash}\"\n"
    );
    Ok((secret, block))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_opens_the_door_for_its_merchant_only_with_its_secret() {
        #[derive(Deserialize)]
        struct File {
            api_keys: Vec<ApiKey>,
        }
        let (secret, block) = generate(&Merchant::new("shop").unwrap(), Role::Merchant).unwrap();
        assert!(secret.starts_with("hf_"));
        assert!(!block.contains(&secret), "the block holds only the hash");
        let file: File = toml::from_str(&block).unwrap();
        let keys = ApiKeys::new(&file.api_keys).unwrap();
        let ask = |header: &str| keys.bearer(Some(header.as_bytes()));
        let bearer = ask(&format!("Bearer {secret}")).unwrap();
        assert_eq!((bearer.merchant.as_str(), bearer.operator), ("shop", None));
        assert!(ask(&format!("bearer {secret}")).is_some());
        assert_eq!(ask(&secret), None);
        assert_eq!(ask(&format!("Basic {secret}")), None);
        assert_eq!(ask(&format!("Bearer {secret}0")), None);
        assert_eq!(ask("Bearer hf_"), None);
        assert_eq!(keys.bearer(None), None);
        assert!(!format!("{keys:?}").contains("shop"));
    }

    #[test]
    fn without_keys_everyone_is_the_default_merchant_and_an_operator() {
        let bearer = ApiKeys::default().bearer(None).unwrap();
        assert_eq!(bearer.merchant.as_str(), "default");
        assert_eq!(bearer.operator.unwrap().as_str(), "default");
    }

    /// A different key for each digit.
    fn block(merchant: &str, digit: &str) -> ApiKey {
        ApiKey {
            merchant: merchant.into(),
            role: Role::Merchant,
            name: None,
            hash: format!("{HASH_PREFIX}{}", digit.repeat(64)),
        }
    }

    #[test]
    fn two_merchants_that_differ_only_in_case_are_refused() {
        assert!(ApiKeys::new(&[block("shop", "0"), block("shop", "1")]).is_ok());
        assert_eq!(
            ApiKeys::new(&[block("shop", "0"), block("SHOP", "1")]).unwrap_err(),
            [InvalidApiKey::CaseOnly("SHOP".into(), "shop".into())]
        );
    }

    #[test]
    fn one_secret_speaks_for_one_key_and_all_that_is_wrong_is_told() {
        let same = InvalidApiKey::Twice("shop".into(), "shop".into());
        let twice = [block("shop", "0"), block("shop", "0")];
        assert_eq!(ApiKeys::new(&twice).unwrap_err(), [same]);
        let blocks = [
            block("a", "0"),
            block("b", "0"),
            block("", "1"),
            block("c", "x"),
        ];
        assert_eq!(
            ApiKeys::new(&blocks).unwrap_err(),
            [
                InvalidApiKey::Twice("a".into(), "b".into()),
                InvalidApiKey::Merchant(String::new()),
                InvalidApiKey::Hash("c".into()),
            ]
        );
    }

    #[test]
    fn a_block_with_a_bad_hash_is_refused() {
        let block = ApiKey {
            merchant: "m".into(),
            role: Role::Merchant,
            name: None,
            hash: "sha256:12".into(),
        };
        assert_eq!(
            ApiKeys::new(&[block]).unwrap_err(),
            [InvalidApiKey::Hash("m".into())]
        );
    }
}
