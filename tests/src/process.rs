//! Real processes: the `holdfast` binary as a user runs it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::Client;

/// A server must say where it listens within this time.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Path of the `holdfast` binary. Cargo builds it for the tests of its package, and tells them where it is.
///
/// # Panics
/// When the test was not started by cargo.
pub fn holdfast() -> PathBuf {
    let path = std::env::var_os("CARGO_BIN_EXE_holdfast");
    path.expect(
        "`cargo test` names the binary; to run a test without it, set CARGO_BIN_EXE_holdfast",
    )
    .into()
}

/// Whether the program `name` is there. Where it is not, the test says that it is skipped and why;
/// under CI it fails instead, for there every tool must be installed.
///
/// # Panics
/// When the tool is missing under CI.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn need_tool(name: &str, install: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&paths).any(|path| path.join(name).is_file()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} is missing under CI; install {install}"
    );
    eprintln!("SKIPPED: {name} is not installed; to run this test, install {install}");
    false
}

/// Whether Python has the module `name`, which pip knows by the same name, `-` for `_`. Skips and fails as [`need_tool`] does.
///
/// # Panics
/// When the module is missing under CI.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn need_module(name: &str) -> bool {
    if !need_tool("python3", "python3") {
        return false;
    }
    let mut python = Command::new("python3");
    let found = python.args(["-c", &format!("import {name}")]).output();
    if found.is_ok_and(|found| found.status.success()) {
        return true;
    }
    let package = name.replace('_', "-");
    assert!(
        std::env::var_os("CI").is_none(),
        "Python's module {name} is missing under CI; pip install {package}"
    );
    eprintln!("SKIPPED: Python has no module {name}; to run this test, pip install {package}");
    false
}

/// A running server. It is killed when this goes.
pub struct Server {
    child: Child,
    /// Process to signal: the server itself, also when another program runs it.
    pid: u32,
    /// Where it listens.
    pub address: String,
    stderr: std::thread::JoinHandle<String>,
}

impl Server {
    /// Starts `holdfast serve` on a free port over `data`.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_under(&[], data, arguments)
    }

    /// As [`Self::start`], where it may refuse: says with which exit code, and what it said.
    ///
    /// # Errors
    /// When it ended before it listened.
    pub fn try_start(data: &Path, arguments: &[&str]) -> Result<Self, (Option<i32>, String)> {
        Self::try_spawn(&[], &[], &serve(data, arguments))
    }

    /// As [`Self::try_start`], with more variables in its environment.
    ///
    /// # Errors
    /// When it ended before it listened.
    pub fn try_start_in(
        environment: &[(&str, &str)],
        data: &Path,
        arguments: &[&str],
    ) -> Result<Self, (Option<i32>, String)> {
        Self::try_spawn(&[], environment, &serve(data, arguments))
    }

    /// As [`Self::start`], run by another program, such as strace.
    pub fn start_under(wrapper: &[&str], data: &Path, arguments: &[&str]) -> Self {
        Self::spawn(wrapper, &[], &serve(data, arguments))
    }

    /// As [`Self::start`], with more variables in its environment.
    pub fn start_in(environment: &[(&str, &str)], data: &Path, arguments: &[&str]) -> Self {
        Self::spawn(&[], environment, &serve(data, arguments))
    }

    /// Starts `holdfast bank`, on a free port unless the arguments name one.
    pub fn start_bank(arguments: &[&str]) -> Self {
        let mut bank = vec!["bank"];
        if !arguments.contains(&"--listen") {
            bank.extend(["--listen", "127.0.0.1:0"]);
        }
        bank.extend(arguments);
        let bank: Vec<&OsStr> = bank.into_iter().map(OsStr::new).collect();
        Self::spawn(&[], &[], &bank)
    }

    /// Starts `holdfast chaos --ui` on a free port.
    pub fn start_chaos_page() -> Self {
        let page = ["chaos", "--ui", "--listen", "127.0.0.1:0"].map(OsStr::new);
        Self::spawn(&[], &[], &page)
    }

    /// Runs `holdfast` and waits until it listens.
    ///
    /// # Panics
    /// When the server does not come up.
    fn spawn(wrapper: &[&str], environment: &[(&str, &str)], arguments: &[&OsStr]) -> Self {
        Self::try_spawn(wrapper, environment, arguments).unwrap_or_else(|(code, said)| {
            panic!("the server did not come up ({code:?}); it said: {said}")
        })
    }

    fn try_spawn(
        wrapper: &[&str],
        environment: &[(&str, &str)],
        arguments: &[&OsStr],
    ) -> Result<Self, (Option<i32>, String)> {
        let binary = holdfast();
        let mut command = match wrapper {
            [] => Command::new(&binary),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(&binary);
                command
            }
        };
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .env("HOLDFAST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let (said, listening) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening on  ") {
                    let (_, address) = address.split_once("://").unwrap_or(("", address));
                    let _ = said.send(address.to_owned());
                }
            }
        });
        let address = match listening.recv_timeout(START_PATIENCE) {
            Ok(address) => address,
            Err(why) => {
                if why == mpsc::RecvTimeoutError::Timeout {
                    let _ = child.kill();
                }
                let ended = child.wait().expect("the server can be waited for");
                return Err((ended.code(), stderr.join().unwrap_or_default()));
            }
        };
        let pid = if wrapper.is_empty() {
            child.id()
        } else {
            child_of(child.id())
        };
        Ok(Self {
            child,
            pid,
            address,
            stderr,
        })
    }

    /// The process that runs it.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name, such as `TERM`.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.pid.to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "SIG{name} was not sent"
        );
    }

    /// Waits until it ends; returns how, and what it said on standard error.
    ///
    /// # Panics
    /// When waiting fails.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("the server can be waited for");
        let stderr = std::mem::replace(&mut self.stderr, std::thread::spawn(String::new));
        (status, stderr.join().unwrap_or_default())
    }
}

/// The arguments that serve a data directory on a free port.
fn serve<'a>(data: &'a Path, arguments: &'a [&'a str]) -> Vec<&'a OsStr> {
    let first = ["serve", "--listen", "127.0.0.1:0", "--data"].map(OsStr::new);
    let mut all = first.to_vec();
    all.push(data.as_os_str());
    all.extend(arguments.iter().map(OsStr::new));
    all
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn child_of(parent: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let first = children
        .unwrap_or_default()
        .split_whitespace()
        .next()
        .map(str::to_owned);
    first
        .and_then(|pid| pid.parse().ok())
        .expect("the wrapper runs the server as its child")
}
