//! Services of the operating system that every long-running command needs: a listening socket, and signals.

use std::io;
use std::net::SocketAddr;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::codes::{Code, Coded};

/// Listening on the address failed.
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

/// Listens on an address. Also returns the actual address, because port 0 means any free port.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// File descriptors reserved for uses other than client connections: the database, sockets to the bank, and the like.
const DESCRIPTORS_BESIDE: u64 = 1_000;

/// Raises the soft limit on file descriptors to the hard limit, and warns if that is still too low. Systems start programs
/// with 1024 for historical reasons, not because someone decided it.
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

/// Resources that this process has used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// CPU time so far, user and system, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Resident memory now, in bytes.
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// The current values. `None` on systems that do not report them as Linux does (proc(5)).
    pub(crate) fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in parentheses, may contain any character.
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

/// The exit status that a shell shows for a program ended by one of [`Signals`]: 128 plus the number of the signal.
pub(crate) fn status_of(signal: &str) -> u8 {
    match signal {
        "SIGINT" => 130,
        _ => 143,
    }
}

/// From now on only the owner can read the files that this process creates, whatever the shell's umask. This is needed
/// because the database creates files itself and accepts no mode.
pub(crate) fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// SIGHUP.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Catches the signal from now on.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the signal.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Signals {
    /// Catches the signals from now on.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
