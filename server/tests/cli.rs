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
fn everything_that_is_wrong_with_a_configuration_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let block = format!(
        "[[api_keys]]\nmerchant = \"a\"\nhash = \"sha256:{}\"\n",
        "ab".repeat(32)
    );
    let text = [
        "colour = 1\nflights_max = \"many\"\nattempts_max = 0\nbank_name = \"no name\"\n",
        "bank_ca = \"/nonexistent/ca.pem\"\notlp_ratio = 7.5\ntls_key = \"/nonexistent/key.pem\"\n\n",
        &block,
        &block.replace("\"a\"", "\"b\""),
    ];
    std::fs::write(&file, text.concat()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["config", "check", "--bank", "https://bank.example"])
        .args(["--cache-mib", "18446744073709551615", "--rate-burst=-1"])
        .args(["--config", file.to_str().unwrap()])
        .env("HOLDFAST_CONNECTIONS_MAX", "lots")
        .env("HOLDFAST_FLIGHT_MAX", "5")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = stderr(&output);
    for mistake in [
        "HOLDFAST_FLIGHT_MAX, which means nothing to Holdfast. Did you mean HOLDFAST_FLIGHTS_MAX?",
        "no key \"colour\"",
        "line 2, column 15",
        "attempts_max must be at least 1",
        "bank_name \"no name\"",
        "otlp_ratio (7.5)",
        "tls_certificate and tls_key go together",
        "has the hash of an earlier key",
        "cache_mib must be at most",
        "--rate-burst",
        "'lots' for '--connections-max",
    ] {
        assert!(said.contains(mistake), "{mistake}:\n{said}");
    }
    // What is in the file alone is told by `serve` as well.
    let output = holdfast(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("attempts_max must be"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_option_that_means_nothing_with_the_chosen_bank_is_told() {
    for (arguments, told) in [
        (
            &["--bank-window-ms", "5", "--bank-ca", "ca.pem"][..],
            &["bank_window_ms means nothing here", "bank_ca means nothing"][..],
        ),
        (
            &["--bank", "http://127.0.0.1:9", "--bank-latency-ms", "5"],
            &["bank_latency_ms means nothing here"],
        ),
        (
            &[
                "--bank",
                "http://127.0.0.1:9",
                "--bank-capability",
                "neither",
                "--bank-not-found",
                "bare",
            ],
            &["bank_not_found means nothing here"],
        ),
        (
            &[
                "--bank",
                "http://127.0.0.1:9",
                "--bank-window-ms",
                "90000000",
            ],
            &[],
        ),
    ] {
        let output = holdfast(&[&["config", "check"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stderr(&output);
        assert_eq!(said.matches("means nothing").count(), told.len(), "{said}");
        for words in told {
            assert!(said.contains(words), "{said}");
        }
    }
}

/// Runs a command whose standard output nobody reads.
fn with_closed_pipe(arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).stdout(writer);
    command.output().unwrap()
}

#[test]
fn output_that_cannot_be_written_ends_a_command_without_a_panic() {
    const COMMANDS: [&[&str]; 9] = [
        &["openapi"],
        &["man"],
        &["completions", "bash"],
        &["config", "show"],
        &["config", "check"],
        &["api-key", "new", "--merchant", "shop"],
        &["--help"],
        &["--version"],
        &["serve", "--help"],
    ];
    for arguments in COMMANDS {
        let output = with_closed_pipe(arguments);
        // As for a program that SIGPIPE ended.
        assert_eq!(
            output.status.code(),
            Some(141),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert_eq!(stderr(&output), "", "{arguments:?}");

        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let output = command.args(arguments).stdout(full).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            stderr(&output)
        );
        let said = stderr(&output);
        assert!(
            said.contains("cannot write to standard output"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("panic"), "{arguments:?}: {said}");

        // Nor where errors lead.
        let full = || {
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let status = command
            .args(arguments)
            .stdout(full())
            .stderr(full())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
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
