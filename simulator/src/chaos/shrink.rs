//! Finds the smallest world that still fails.

use std::collections::BTreeSet;

use super::plan::{Family, Plan};
use super::setup::Setup;

/// Most worlds that are tried.
const TRIES_MAX: u32 = 400;

/// Removes everything from a world that it does not need to fail: families of faults, keys, and single
/// operations. `fails` says whether a world still fails in the same way.
pub fn shrink(setup: &Setup, fails: &dyn Fn(&Setup) -> bool) -> Setup {
    let mut shrinking = Shrinking {
        best: setup.clone(),
        tries_left: TRIES_MAX,
        fails,
    };
    for family in Family::ALL {
        shrinking.attempt(|setup| setup.mask.families.insert(family));
    }
    let plan = Plan::draw(setup.seed, setup.scenario);
    let keys: BTreeSet<u32> = plan
        .operations
        .iter()
        .map(|operation| operation.action.key())
        .collect();
    let keys: Vec<u32> = keys.difference(&setup.mask.keys).copied().collect();
    shrinking.halve(&keys, &|setup, key| setup.mask.keys.insert(key));
    let left = Plan::draw(setup.seed, setup.scenario).masked(&shrinking.best.mask);
    let operations: Vec<u32> = left
        .operations
        .iter()
        .map(|operation| operation.id)
        .collect();
    shrinking.halve(&operations, &|setup, id| setup.mask.operations.insert(id));
    shrinking.best
}

struct Shrinking<'a> {
    best: Setup,
    tries_left: u32,
    fails: &'a dyn Fn(&Setup) -> bool,
}

impl Shrinking<'_> {
    /// Keeps a change if the world still fails. Returns whether it did.
    fn attempt(&mut self, change: impl FnOnce(&mut Setup) -> bool) -> bool {
        let mut smaller = self.best.clone();
        if self.tries_left == 0 || !change(&mut smaller) {
            return false;
        }
        self.tries_left -= 1;
        let fails = (self.fails)(&smaller);
        if fails {
            self.best = smaller;
        }
        fails
    }

    /// Leaves out as many of these as possible: all at once, else each half by itself.
    fn halve(&mut self, from: &[u32], leave_out: &dyn Fn(&mut Setup, u32) -> bool) {
        if from.is_empty() {
            return;
        }
        let all = self.attempt(|setup| {
            let left_out = from.iter().filter(|item| leave_out(setup, **item));
            left_out.count() > 0
        });
        if !all && from.len() > 1 {
            let (left, right) = from.split_at(from.len() / 2);
            self.halve(left, leave_out);
            self.halve(right, leave_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_stays() {
        let setup = Setup {
            seed: 3,
            ..Setup::default()
        };
        // Fails as long as keys 7 and 31 are in, and the network is.
        let fails = |setup: &Setup| {
            let mask = &setup.mask;
            !mask.keys.contains(&7)
                && !mask.keys.contains(&31)
                && !mask.families.contains(&Family::Network)
        };
        let small = shrink(&setup, &fails);
        assert!(fails(&small));
        assert_eq!(small.mask.keys.len(), 48);
        assert_eq!(small.mask.families.len(), Family::ALL.len() - 1);
        assert!(!small.mask.operations.is_empty());
    }
}
