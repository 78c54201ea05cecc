//! The command line: exit codes and messages.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::process::{Command, Output};

fn holdfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_usage_is_exit_code_2_with_a_message() {
    for arguments in [
        &["serve", "--listen", "nonsense"][..],
        &["serve", "--surprise"],
        &["surprise"],
        &[],
        &["serve", "--bank-calls-max", "0"],
        &["serve", "--bank", "carrier-pigeon"],
        &["serve", "--config", "/nonexistent/holdfast.toml"],
        &["api-key", "new", "--merchant", "not a merchant"],
    ] {
        let output = holdfast(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            !output.stderr.is_empty(),
            "{arguments:?} says what is wrong"
        );
    }
}

/// An empty variable, as an unset one in a unit file leaves it, is not the directory that one is in.
#[test]
fn an_empty_path_is_wrong_usage() {
    for command in [
        &["verify"][..],
        &["export", "--out", "x"],
        &["import", "--in", "x"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(command)
            .env("HOLDFAST_DATA", "")
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("--data"), "{command:?}: {said}");
    }
}

#[test]
fn listening_to_the_world_without_api_keys_is_refused_with_an_explanation() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let output = holdfast(&["serve", "--listen", address]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("no API keys are configured"),
            "{}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("holdfast api-key new"),
            "it says what to do"
        );
    }
}

#[test]
fn a_configuration_file_with_an_unknown_key_is_refused() {
    let file = std::env::temp_dir().join(format!("holdfast-cli-{}.toml", std::process::id()));
    std::fs::write(&file, "lissten = \"127.0.0.1:1\"\n").unwrap();
    let output = holdfast(&["serve", "--config", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("lissten"), "{}", stderr(&output));
}

#[test]
fn an_address_in_use_is_exit_code_1_and_says_which() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = holdfast(&["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn a_new_api_key_prints_its_secret_once_and_only_its_hash_in_the_block() {
    let output = holdfast(&["api-key", "new", "--merchant", "shop", "--role", "operator"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let (secret, block) = text.split_once('\n').unwrap();
    assert!(secret.starts_with("hf_") && secret.len() == 67, "{secret}");
    assert!(
        block.contains("[[api_keys]]\nmerchant = \"shop\"\nrole = \"operator\"\nhash = \"sha256:")
    );
    assert!(!block.contains(secret));
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_configuration_is_shown_with_the_origin_of_each_value_and_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let hash = "ab".repeat(32);
    let block = format!("[[api_keys]]\nmerchant = \"shop\"\nhash = \"sha256:{hash}\"\n");
    std::fs::write(&file, format!("attempts_max = 7\ncache_mib = 5\n{block}")).unwrap();
    let file = file.to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["config", "show", "--config", file, "--cache-mib", "6"])
        .env("HOLDFAST_BANK_CALLS_MAX", "9")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    for (value, origin) in [
        ("attempts_max = 7", format!("file {file}")),
        (
            "bank_calls_max = 9",
            "environment HOLDFAST_BANK_CALLS_MAX".to_owned(),
        ),
        ("cache_mib = 6", "flag --cache-mib".to_owned()),
        ("listen = \"127.0.0.1:8080\"", "default".to_owned()),
    ] {
        let mut lines = shown.lines();
        let line = lines.find(|line| line.starts_with(value));
        let line = line.unwrap_or_else(|| panic!("{value} is missing:\n{shown}"));
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    assert!(shown.contains("# bank_ca is not set"), "{shown}");
    assert!(shown.contains("merchant = \"shop\""), "{shown}");
    assert!(!shown.contains(&hash), "{shown}");

    // What is shown, but for the masked hash, is a configuration.
    let again = directory.path().join("shown.toml");
    let (shown, _) = shown.split_once("[[api_keys]]").unwrap();
    std::fs::write(&again, shown).unwrap();
    let output = holdfast(&["config", "check", "--config", again.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).starts_with("The configuration can be used: listens on 127.0.0.1:8080")
    );
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let missing = directory.path().join("missing.pem");
    for (text, says) in [
        (
            "bank_timout_ms = 5",
            "no key \"bank_timout_ms\". Did you mean \"bank_timeout_ms\"?",
        ),
        (
            "colour = 1",
            "no key \"colour\"; `holdfast config show` lists all there are",
        ),
        ("cache_mib = \"much\"", "line 1, column 13"),
        ("bank_calls_max = 0", "bank_calls_max must be at least 1"),
        (
            &format!("bank = \"https://bank.example\"\nbank_ca = {missing:?}"),
            "cannot read bank_ca",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = holdfast(&["config", "check", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            stderr(&output).contains(says),
            "{text}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).is_empty(), "{text}");
    }
}

#[test]
fn a_package_can_be_made_of_what_it_says_of_itself() {
    let version = stdout(&holdfast(&["--version"]));
    let (name, commit) = version.trim().split_once(" (").unwrap();
    assert_eq!(name, concat!("holdfast ", env!("CARGO_PKG_VERSION")));
    assert!(commit.ends_with(')') && commit.len() > 8, "{version}");

    let manual = stdout(&holdfast(&["man"]));
    assert!(manual.starts_with(".ie"), "{manual}");
    for command in ["serve", "config check", "api-key new", "verify"] {
        assert!(
            manual.contains(&format!(".SH \"holdfast {command}\"")),
            "{command}"
        );
    }
    assert!(manual.contains("bank\\-timeout\\-ms"), "each flag is in it");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&holdfast(&["completions", shell]));
        assert!(
            script.contains("api-key") && script.contains("bank-timeout-ms"),
            "{shell}"
        );
    }
}
