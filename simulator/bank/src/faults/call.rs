//! A call to the simulated bank, and the plan for it: whether it is processed, and what its caller gets.

use holdfast_core::{DeclineCode, DeclineMessage};

use super::fault::Fault;

/// The kind of a call.
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
    /// Its number among the calls of this kind about this reference, from 1.
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
    /// This many milliseconds after the call.
    After(u64),
}

/// How the answer is delivered.
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
    /// The answer of a gateway arrives. It looks as if the request had not been processed.
    Gateway,
    /// An unreadable answer arrives.
    Unreadable,
    /// This status arrives in its place.
    Error(u16),
    /// This status arrives in its place, with `Retry-After`.
    Throttled {
        /// 429 or 503.
        status: u16,
        /// How long the caller should wait, in milliseconds.
        retry_after_ms: u64,
    },
}

/// The plan for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlan {
    /// The fault, if there is one.
    pub fault: Option<Fault>,
    /// Whether the bank processes it.
    pub processing: Processing,
    /// How long the bank takes for it, in milliseconds.
    pub delay_ms: u64,
    /// How the answer is delivered.
    pub delivery: Delivery,
    /// How the bank declines, if it processes the call; `None` to confirm.
    pub decline: Option<(DeclineCode, DeclineMessage)>,
    /// Whether a repeat of a reference is refused as a duplicate.
    pub refuses_repeat: bool,
    /// How long an outage begins with this call, in milliseconds.
    pub outage_ms: Option<u64>,
    /// How long a debit made by this call is not found when asked for, in milliseconds.
    pub hidden_ms: Option<u64>,
}
