//! A call to the simulated bank, and the plan for it: whether it is processed, and what its caller gets.

use holdfast_core::{DeclineCode, DeclineMessage};

use super::fault::Fault;

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// A charge.
    Charge,
    /// An inquiry by reference.
    Inquire,
}

/// A call, as far as its faults depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its kind.
    pub kind: CallKind,
    /// The reference it is about.
    pub reference: &'a str,
    /// The how manieth call of this kind about this reference, from 1.
    pub number: u32,
}

/// Whether and when the bank processes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// Not at all.
    Never,
    /// Before it answers.
    Now,
    /// Before it answers, twice.
    Twice,
    /// So many milliseconds after the call.
    After(u64),
}

/// What becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    Whole,
    /// Nothing arrives; the connection stays open.
    Silence,
    /// The connection breaks before a byte of it.
    Broken,
    /// The connection breaks in the middle of it.
    Cut,
    /// An answer about another reference arrives in its place.
    Stray,
    /// What arrives is a gateway's, which looks as if the request had not been processed.
    Gateway,
    /// Something arrives that cannot be read.
    Unreadable,
    /// This status arrives in its place.
    Error(u16),
    /// This status arrives in its place, with `Retry-After`.
    Throttled {
        /// 429 or 503.
        status: u16,
        /// How long to stay away, in milliseconds.
        retry_after_ms: u64,
    },
}

/// What is to happen with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlan {
    /// What goes wrong, if anything does.
    pub fault: Option<Fault>,
    /// Whether the bank processes it.
    pub processing: Processing,
    /// How long the bank takes for it, in milliseconds.
    pub delay_ms: u64,
    /// What becomes of the answer.
    pub delivery: Delivery,
    /// How the bank decides, if it comes to that: `None` to confirm.
    pub decline: Option<(DeclineCode, DeclineMessage)>,
    /// Whether a repeat of a reference is refused as a duplicate.
    pub refuses_repeat: bool,
    /// How long an outage begins with this call, in milliseconds.
    pub outage_ms: Option<u64>,
    /// How long a debit made by this call is not found when asked for, in milliseconds.
    pub hidden_ms: Option<u64>,
}
