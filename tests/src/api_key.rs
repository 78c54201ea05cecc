//! API keys as `holdfast api-key new` makes them.

use std::process::Command;

use crate::holdfast;

/// A new key.
pub struct ApiKey {
    /// The value of the `Authorization` header of whoever holds it.
    pub bearer: String,
    /// The block of the configuration file that admits it.
    pub block: String,
}

impl ApiKey {
    /// A key for a merchant and a role.
    ///
    /// # Panics
    /// When none can be made.
    pub fn of(merchant: &str, role: &str) -> Self {
        let made = Command::new(holdfast())
            .args(["api-key", "new", "--merchant", merchant, "--role", role])
            .output();
        let made = made.expect("the command can be run");
        let text = String::from_utf8_lossy(&made.stdout).into_owned();
        let (secret, block) = text.split_once('\n').expect("a secret, then its block");
        Self {
            bearer: format!("Bearer {secret}"),
            block: block.to_owned(),
        }
    }
}
