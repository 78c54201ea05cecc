//! Scripts that look at pages in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::need_tool;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// Whether there is a browser, and what drives it. Skips and fails as [`need_tool`] does.
///
/// # Panics
/// When something is missing under CI.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn can_browse() -> bool {
    if !need_tool("chromium", "Debian's package chromium") || !need_tool("node", "Node.js") {
        return false;
    }
    if scripts().join("node_modules/playwright-core").is_dir() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "playwright-core is missing under CI"
    );
    eprintln!("SKIPPED: playwright-core is not installed; run `npm ci` in tests/browser");
    false
}

/// Runs a script of `tests/browser` with its arguments; screenshots go beside it.
///
/// # Panics
/// When the script finds something wrong, or cannot be run.
pub fn browse(script: &str, arguments: &[&str]) {
    let output = Command::new("node")
        .arg(scripts().join(script))
        .args(arguments)
        .arg(scripts().join("screenshots"))
        .output()
        .expect("node is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
