//! The command line: exit codes and messages.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Child;
use std::process::{Command, Output, Stdio};

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
        &["chaos", "--seeds", "0"],
        &["chaos", "--jobs", "0"],
        &["chaos", "--repeat-every", "0"],
        &["chaos", "--without", "key:5-3"],
        &["chaos", "--without", "key:0-4294967295"],
        &["chaos", "--without", "operation:0-4294967295"],
        &["chaos", "--ui", "--seed", "1"],
        &["chaos", "--ui", "--listen", "0.0.0.0:0"],
        &["chaos", "--listen", "127.0.0.1:0"],
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

/// What an operator searches for stands in the last line.
#[test]
fn an_error_ends_with_its_code_and_where_to_read_about_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (missing, data, out) = (&path("missing"), &path("data"), &path("out"));
    for (arguments, code) in [
        (&["serve", "--flights-max", "0"][..], "HF0301"),
        (
            &[
                "serve",
                "--tls-key",
                missing,
                "--tls-certificate",
                missing,
                "--data",
                data,
                "--listen",
                "127.0.0.1:0",
            ],
            "HF0302",
        ),
        (
            &[
                "config",
                "check",
                "--bank",
                "https://127.0.0.1",
                "--bank-ca",
                missing,
            ],
            "HF0303",
        ),
        (&["serve", "--listen", &address], "HF0304"),
        (&["bank", "--listen", &address], "HF0304"),
        (&["verify", "--data", missing], "HF0102"),
        (
            &["import", "--data", missing, "--in", "/dev/null"],
            "HF0505",
        ),
        (
            &["export", "--url", "http://127.0.0.1:1", "--out", out],
            "HF0503",
        ),
        (
            &[
                "export",
                "--url",
                "http://127.0.0.1:1",
                "--out",
                "/dev/null",
            ],
            "HF0501",
        ),
    ] {
        let said = stderr(&holdfast(arguments));
        let expected = format!("{code}: docs/errors.md#{}", code.to_lowercase());
        assert_eq!(
            said.lines().last(),
            Some(expected.as_str()),
            "{arguments:?}: {said}"
        );
    }
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
    assert!(stdout(&output).starts_with("The configuration is valid: listens on 127.0.0.1:8080"));
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let missing = directory.path().join("missing.pem");
    for (text, says) in [
        (
            "bank_timout_ms = 5",
            "unknown key \"bank_timout_ms\". Did you mean \"bank_timeout_ms\"?",
        ),
        (
            "colour = 1",
            "unknown key \"colour\"; `holdfast config show` lists all keys",
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
        "HOLDFAST_FLIGHT_MAX is unknown to Holdfast. Did you mean HOLDFAST_FLIGHTS_MAX?",
        "unknown key \"colour\"",
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

/// What is missing only because its value cannot be used is no mistake of its own.
#[test]
fn no_mistake_is_told_that_follows_from_another() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    for (text, flags, never) in [
        (
            "",
            &["--rate-per-second", "0", "--rate-burst", "5"][..],
            "rate_burst is set",
        ),
        (
            "tls_certificate = 5\ntls_key = \"key.pem\"\n",
            &[],
            "go together",
        ),
        (
            "[[api_keys]]\nmerchnt = \"a\"\n",
            &["--listen", "0.0.0.0:9"],
            "no API keys",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let check = ["config", "check", "--config", file.to_str().unwrap()];
        let output = holdfast(&[&check, flags].concat());
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            !stderr(&output).contains(never),
            "{text}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn an_argument_that_is_no_text_is_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.arg(odd).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// A service and a bank are of use also where nobody reads where they are.
#[test]
fn a_banner_that_cannot_be_printed_stops_nobody() {
    use std::io::{BufRead, BufReader, Read, Write};
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    for command in [&["serve", "--data", data.to_str().unwrap()][..], &["bank"]] {
        for closed in [true, false] {
            let mut holdfast = Command::new(env!("CARGO_BIN_EXE_holdfast"));
            holdfast.args(command).args(["--listen", "127.0.0.1:0"]);
            let full = std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            if closed {
                holdfast.stdout(writer);
            } else {
                holdfast.stdout(full);
            }
            let mut child = holdfast
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let said = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut said = said.map_while(Result::ok);
            let line = said.find(|line| line.contains("serving anyway")).unwrap();
            let (_, address) = line.split_once("address=").unwrap();
            let mut stream = std::net::TcpStream::connect(address.trim()).unwrap();
            let request = b"GET /docs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{command:?}: {answer}");
        }
    }
}

#[test]
fn an_option_that_means_nothing_with_the_chosen_bank_is_told() {
    for (arguments, told) in [
        (
            &["--bank-window-ms", "5", "--bank-ca", "ca.pem"][..],
            &["bank_window_ms has no effect", "bank_ca has no effect"][..],
        ),
        (
            &["--bank", "http://127.0.0.1:9", "--bank-latency-ms", "5"],
            &["bank_latency_ms has no effect"],
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
            &["bank_not_found has no effect"],
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
        assert_eq!(said.matches("has no effect").count(), told.len(), "{said}");
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

fn chaos_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("chaos").args(arguments).stdin(Stdio::null());
    command
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stdout(output)))
}

/// The largest seed is a world like any other, and there is none after it.
#[test]
fn the_largest_seed_is_run_and_none_beyond_it_is_asked_for() {
    let largest = u64::MAX.to_string();
    for arguments in [
        &["chaos", "--json", "-", "--seed", &largest][..],
        &[
            "chaos",
            "--json",
            "-",
            "--first-seed",
            &largest,
            "--seeds",
            "1",
        ],
    ] {
        let output = holdfast(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(json(&output)["seeds"], 1);
    }
    let output = holdfast(&["chaos", "--first-seed", &largest, "--seeds", "2"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("--seeds") && said.contains(&largest),
        "{said}"
    );
}

/// Machines have standard output for themselves, and people are told all the same.
#[test]
fn json_on_standard_output_stands_alone() {
    let bug = ["--sabotage", "timeout-is-failure"];
    let output = holdfast(&[&["chaos", "--json", "-", "--seeds", "100"], &bug[..]].concat());
    assert_eq!(output.status.code(), Some(129), "{}", stderr(&output));
    let result = json(&output);
    assert_eq!(result["interrupted"], false);
    assert_eq!(result["seeds_asked"], 100);
    let said = stderr(&output);
    let again = result["failures"][0]["again"].as_str().unwrap();
    let smallest = result["smallest"].as_str().unwrap();
    for words in ["moments, rarest first", "FAILED: ", again, smallest] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
    let output = holdfast(&["chaos", "--list", "--json", "-"]);
    assert!(json(&output)["scenarios"].is_array());
}

/// As a shell has it: whoever read the output has gone before it is written, or the device that it leads to is full.
#[test]
fn chaos_ends_quietly_when_nobody_reads_and_says_so_when_there_is_no_room() {
    let run = |arguments: &[&str], into: Stdio| {
        let mut command = chaos_command(arguments);
        let child = command.stdout(into).stderr(Stdio::piped()).spawn();
        child.unwrap().wait_with_output().unwrap()
    };
    for arguments in [
        &["--seed", "1"][..],
        &["--seed", "1", "--json", "-"],
        &["--list"],
        &["--list", "--json", "-"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(arguments, writer.into());
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
        let said = stderr(&output);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(!said.contains("cannot write"), "{arguments:?}: {said}");
        if Path::new("/dev/full").exists() {
            let full = std::fs::File::create("/dev/full").unwrap();
            let output = run(arguments, full.into());
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let said = stderr(&output);
            assert!(said.contains("cannot write to standard output"), "{said}");
        }
    }
}

/// Found out before a world is run: so many that a test would not end.
#[test]
fn a_file_that_cannot_be_written_is_named_before_any_world_is_run() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").join("file");
    for (option, content) in [
        ("--json", "the JSON"),
        ("--trace", "the trace"),
        ("--report", "the page"),
    ] {
        for (place, why) in [(directory.path(), "directory"), (&missing, "No such file")] {
            let place = place.to_str().unwrap();
            let output = holdfast(&["chaos", "--seeds", "1000000000", option, place]);
            assert_eq!(output.status.code(), Some(1), "{option} {place}");
            let said = stderr(&output);
            for words in [content, place, why] {
                assert!(said.contains(words), "{option} {place}: {said}");
            }
        }
    }
    // What was there before is left as it was, and nothing is made in vain.
    let kept = directory.path().join("kept.html");
    std::fs::write(&kept, "kept").unwrap();
    let unmade = directory.path().join("unmade.html");
    for page in [&kept, &unmade] {
        let output = holdfast(&["chaos", "--seeds", "2", "--report", page.to_str().unwrap()]);
        assert!(stdout(&output).contains("No report was written"));
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "kept");
    assert!(!unmade.exists());
}

/// The page's place is said whole, so that it is found from everywhere.
#[test]
fn the_place_of_the_page_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let output = chaos_command(&["--seed", "1", "--report", "page.html"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let page = directory.path().canonicalize().unwrap().join("page.html");
    let said = format!("The page is at {}\n", page.display());
    assert!(stdout(&output).ends_with(&said), "{}", stdout(&output));
    assert!(page.is_file());
}

/// Waits until a process catches SIGINT and SIGTERM, as Linux shows it.
#[cfg(target_os = "linux")]
#[expect(
    clippy::disallowed_methods,
    reason = "the event is in another process, which tells nobody of it"
)]
fn wait_until_signals_are_caught(child: &Child) {
    const BOTH: u64 = 1 << 1 | 1 << 14;
    let status = format!("/proc/{}/status", child.id());
    loop {
        let text = std::fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & BOTH == BOTH {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[cfg(target_os = "linux")]
fn kill(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_run_says_what_it_has_found_so_far() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let child = chaos_command(&["--seeds", "1000000000", "--json", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until_signals_are_caught(&child);
        kill(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        let result = json(&output);
        assert_eq!(result["interrupted"], true);
        assert_eq!(result["seeds_asked"], 1_000_000_000);
        let (seeds, said) = (&result["seeds"], stderr(&output));
        let words = format!("INTERRUPTED after {seeds} of 1000000000 seeds");
        assert!(said.starts_with(&words), "{said}");
        assert!(said.contains("moments, rarest first"), "{said}");
    }
}

/// The JSON goes to a pipe that nobody reads, on which the process would wait for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_second_interrupt_ends_a_run_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let arguments = ["--seeds", "1000000000", "--json", pipe.to_str().unwrap()];
    let mut child = chaos_command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_signals_are_caught(&child);
    kill(&child, "-INT");
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("INTERRUPTED"), "{line}");
    kill(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
