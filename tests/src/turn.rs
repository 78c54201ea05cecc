//! Turns of the tests in `torture`: alone, or beside each other.
//!
//! Tests of one binary run side by side. Some must not, because they measure time or memory, or mount disks. A test takes its turn
//! once, at its beginning, and keeps it until its end; a second one would wait for the first for ever.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by tests beside others, for writing by one that is alone. It guards nothing that a failed test could have left
/// half done, so poison is ignored.
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

/// Waits until no other test has a turn, and keeps all others waiting. The reason is in the output of a test that fails.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::{alone, beside_others};

    #[test]
    fn alone_waits_for_all_others_and_others_do_not_wait_for_each_other() {
        let others = [beside_others(), beside_others()];
        let over = AtomicBool::new(false);
        let begun = AtomicBool::new(false);
        thread::scope(|scope| {
            let alone = scope.spawn(|| {
                begun.store(true, Ordering::SeqCst);
                let _turn = alone("shows that it is");
                over.load(Ordering::SeqCst)
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            let [first, last] = others;
            drop(first);
            // Time in which it would take a turn that it should not get.
            (0..1_000).for_each(|_| thread::yield_now());
            over.store(true, Ordering::SeqCst);
            drop(last);
            let waited = alone.join().expect("it ends");
            assert!(waited, "it was alone while another test ran");
        });
    }
}
