//! The pages in a real browser, with the network closed: all assets come from the binary. A payment is made from the
//! documentation, the console is worked through by clicks and by keyboard, and worlds are run on the page of
//! `holdfast chaos --ui`.

use holdfast_tests::{ApiKey, Server, browse, can_browse};

#[test]
fn a_payment_is_made_from_the_docs_with_the_network_closed() {
    if !can_browse() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let bank = Server::start_bank(&[]);
    browse("docs.mjs", &[&server.url(), &bank.url()]);
}

#[test]
fn an_operator_works_through_the_console() {
    if !can_browse() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let keys = [
        ("shop", "operator"),
        ("shop", "merchant"),
        ("mall", "merchant"),
    ];
    let keys = keys.map(|(merchant, role)| ApiKey::of(merchant, role));
    let blocks: String = keys.iter().map(|key| key.block.as_str()).collect();
    std::fs::write(&file, blocks).unwrap();
    let bank = Server::start_bank(&[]);
    // A lost answer leads to review at once.
    let arguments = [
        "--config",
        file.to_str().unwrap(),
        "--bank",
        &bank.url(),
        "--bank-capability",
        "neither",
        "--bank-timeout-ms",
        "500",
    ];
    let server = Server::start(&directory.path().join("data"), &arguments);
    // A bank that can be asked: what it says after an operator's decision may contradict it. Two inquiries without an
    // answer lead to review.
    let arguments = [
        "--config",
        file.to_str().unwrap(),
        "--bank",
        &bank.url(),
        "--bank-capability",
        "inquiry-only",
        "--inquiries-max",
        "2",
        "--bank-timeout-ms",
        "500",
    ];
    let askable = Server::start(&directory.path().join("askable"), &arguments);
    let [operator, merchant, other] = keys
        .each_ref()
        .map(|key| key.bearer.trim_start_matches("Bearer "));
    let (service, askable, bank) = (server.url(), askable.url(), bank.url());
    browse(
        "console.mjs",
        &[&service, &askable, &bank, operator, merchant, other],
    );
}

#[test]
fn a_world_is_run_on_the_page_of_chaos() {
    if !can_browse() {
        return;
    }
    let chaos = Server::start_chaos_page();
    browse("chaos.mjs", &[&chaos.url()]);
    // It ends as every server does.
    chaos.signal("INT");
    let (status, said) = chaos.wait();
    assert!(status.success(), "{status}: {said}");
}
