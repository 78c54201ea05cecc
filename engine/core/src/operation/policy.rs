//! The recovery policy: the next step for an operation that the bank may have and for which no call is under way. It
//! follows from the bank's promise.

use super::mark::Capability;
use super::state::{BankCalled, Operation, Phase};
use crate::time::Timestamp;

/// Limits of the automatic attempts and inquiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Most attempts of one payment.
    pub attempts_max: u32,
    /// Most inquiries without a decision after one attempt.
    pub inquiries_max: u32,
}

/// The next automatic step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Send the same reference again.
    Send,
    /// Ask the bank by our reference.
    Inquire,
    /// The outcome is unknown, and no automatic option is left.
    Escalate,
    /// Proven unsent, and no attempts are left.
    GiveUp,
    /// Nothing to do: an operator decides.
    Rest,
}

/// Decides the next step for a payment whose `next_at` has come.
///
/// `present` is today's promise of the bank. The promise at the time of sending counts too, and the weaker of the two
/// decides. `latest` is the latest time that it may be now: if clocks disagree, the bank may have forgotten more than
/// the earlier clock says.
///
/// If the end of an attempt was never recorded (`next_at` is `None`), the caller must close it first.
pub fn next_step(
    present: Capability,
    budgets: Budgets,
    payment: &Operation,
    called: &BankCalled,
    latest: Timestamp,
) -> NextStep {
    let capability = called.capability(present);
    // What was held back for want of time was no attempt.
    let attempts_left = payment.attempts.saturating_sub(called.held_back) < budgets.attempts_max;
    match called.phase {
        Phase::Review => NextStep::Rest,
        Phase::Awaiting if attempts_left => NextStep::Send,
        Phase::Awaiting => NextStep::GiveUp,
        Phase::Unknown => {
            let inquiries_left = called.inquiries < budgets.inquiries_max;
            match capability {
                Capability::Keyed {
                    window_ms,
                    grace_ms,
                } if attempts_left
                    && !called.known
                    && latest
                        .ms_since(called.first_called_at)
                        .saturating_add(grace_ms)
                        < window_ms =>
                {
                    NextStep::Send
                }
                Capability::Keyed { .. } | Capability::InquiryOnly { .. } if inquiries_left => {
                    NextStep::Inquire
                }
                Capability::Keyed { .. } | Capability::InquiryOnly { .. } | Capability::Neither => {
                    NextStep::Escalate
                }
            }
        }
    }
}
