//! The documentation in a real browser, with the network closed: all assets come from the binary,
//! and a payment can be made from the page.

use std::path::Path;
use std::process::Command;

use holdfast_tests::{Server, need_tool};

#[test]
fn a_payment_is_made_from_the_docs_with_the_network_closed() {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !need_tool("chromium", "Debian's package chromium") || !need_tool("node", "Node.js") {
        return;
    }
    if !browser.join("node_modules/playwright-core").is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "playwright-core is missing under CI"
        );
        println!("SKIPPED: playwright-core is not installed; run `npm ci` in tests/browser");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let bank = Server::start_bank(&[]);
    let output = Command::new("node")
        .arg(browser.join("docs.mjs"))
        .arg(server.url())
        .arg(bank.url())
        .arg(browser.join("screenshots"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
