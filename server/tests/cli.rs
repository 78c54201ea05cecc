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

#[test]
fn the_version_is_told() {
    let output = holdfast(&["--version"]);
    let version = format!("holdfast {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
}
