//! Turns of the tests that take long: alone, or beside each other.
//!
//! Tests of one binary run side by side. Some would find something else then: they measure time or memory, or mount disks. A test
//! takes its turn once, at its beginning, and has it until its end.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by tests beside others, for writing by one that is alone. A test that failed leaves nothing behind it.
static MACHINE: RwLock<()> = RwLock::new(());

/// The turn of a test, until this goes.
#[must_use = "the turn is over when this goes"]
pub struct Turn {
    _held: Held,
}

#[expect(dead_code, reason = "they are held, and never looked at")]
enum Held {
    Alone(RwLockWriteGuard<'static, ()>),
    BesideOthers(RwLockReadGuard<'static, ()>),
}

/// Waits until no other test has a turn, and keeps all others waiting. The reason is shown when the test fails.
pub fn alone(reason: &str) -> Turn {
    let held = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    println!("runs alone: {reason}");
    Turn {
        _held: Held::Alone(held),
    }
}

/// Waits until no other test is alone.
pub fn beside_others() -> Turn {
    let held = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    Turn {
        _held: Held::BesideOthers(held),
    }
}
