//! Ctrl-C and SIGTERM while a command works on files: what it made on the way is removed, and the process ends.
//!
//! A thread of its own hears the signal and removes, because the work may be deep inside the database or wait for a disk
//! or a pipe, where nobody could tell it to stop.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::output::complain;
use crate::process::{Signals, status_of};

/// Signals cannot be waited for.
#[derive(Debug, thiserror::Error)]
#[error("cannot wait for signals: {0}")]
pub(crate) struct SignalsError(#[from] io::Error);

#[derive(Debug)]
enum State {
    /// An interruption removes these.
    Working { leftovers: Vec<PathBuf> },
    /// The result has its name: an interruption comes too late, and the command ends on its own in a moment.
    Done,
}

/// What an interruption must know of the work.
#[derive(Debug)]
pub(super) struct Interrupts(Arc<Mutex<State>>);

/// Runs work that an interruption ends and cleans up after.
pub(super) fn interruptible<T>(work: impl FnOnce(&Interrupts) -> T) -> Result<T, SignalsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let interrupts = Interrupts(Arc::new(Mutex::new(State::Working {
        leftovers: Vec::new(),
    })));
    let heard = Interrupts(interrupts.0.clone());
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || heard.end(runtime.block_on(signals.next())))?;
    let done = work(&interrupts);
    // Work from under which its files were removed has failed for no reason worth telling: here it waits for the end of the
    // process.
    drop(interrupts.state());
    Ok(done)
}

impl Interrupts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a file or a directory that must not outlive an interruption. There is no moment at which it exists and an
    /// interruption does not know of it.
    pub(super) fn make<T: AsRef<Path>>(
        &self,
        step: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let made = step()?;
        if let State::Working { leftovers } = &mut *state {
            leftovers.push(made.as_ref().to_owned());
        }
        Ok(made)
    }

    /// The step that gives the result its name. An interruption comes before it or after it.
    pub(super) fn last<T, E>(&self, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut state = self.state();
        let done = step()?;
        *state = State::Done;
        Ok(done)
    }

    /// Ends the process, unless the work is done. The state stays locked, so that the work does not go on meanwhile.
    fn end(&self, signal: &'static str) {
        let state = self.state();
        let State::Working { leftovers } = &*state else {
            return;
        };
        for path in leftovers {
            if let Err(error) = remove(path) {
                complain(format_args!(
                    "holdfast: cannot remove {}: {error}. Remove it by hand",
                    path.display()
                ));
            }
        }
        complain(format_args!("holdfast: interrupted by {signal}."));
        std::process::exit(i32::from(status_of(signal)));
    }
}

/// The work may still be writing below the path while it is removed: it is tried again this often. Work that meets a
/// missing directory stops by itself.
const TRIES: u32 = 100;

fn remove(path: &Path) -> io::Result<()> {
    let mut tries_left = TRIES;
    loop {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if tries_left > 0 => tries_left -= 1,
            removed => return removed,
        }
    }
}
