//! What every long-running command needs of the operating system: a listening socket, and signals.

use std::io;
use std::net::SocketAddr;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::codes::{Code, Coded};

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}. Choose another address with --listen")]
pub(crate) struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

impl Coded for ListenError {
    fn code(&self) -> Code {
        Code::Listen
    }
}

/// Listens on an address; also returns the one it got, for port 0 stands for any.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// File descriptors that are not connections: the database, sockets to the bank, and the like.
const DESCRIPTORS_BESIDE: u64 = 1_000;

/// Raises the soft limit on file descriptors to the hard one, and says so when that is still too little: systems
/// start programs with 1024, which is an old caution and not a decision.
pub(crate) fn raise_descriptor_limit(connections_max: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let needed = DESCRIPTORS_BESIDE.saturating_add(connections_max as u64);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            connections_max,
            "the limit of open files is lower than connections_max needs; raise it (ulimit -n, LimitNOFILE) or lower \
             connections_max"
        );
    }
}

/// What this process has taken of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// CPU time so far, its own and the system's for it, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Memory that it has now, in bytes.
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// As the system tells it; `None` where it does not tell as Linux does (proc(5)).
    pub(crate) fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let field = |number: usize| {
            fields
                .split_whitespace()
                .nth(number - 3)?
                .parse::<u64>()
                .ok()
        };
        let ticks = field(14)? + field(15)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^52 for longer than machines live"
        )]
        let cpu_seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        let resident_bytes = field(24)? * rustix::param::page_size() as u64;
        Some(Self {
            cpu_seconds,
            resident_bytes,
        })
    }
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// The status that a shell shows for a program that one of [`Signals`] ended: 128 and its number.
pub(crate) fn status_of(signal: &str) -> u8 {
    match signal {
        "SIGINT" => 130,
        _ => 143,
    }
}

/// What this process makes from here on can be read by its owner only, whatever the shell's umask says: the database makes
/// files of its own and takes no mode.
pub(crate) fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// SIGHUP.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Catches it from here on.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Signals {
    /// Catches them from here on.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
