//! The handlers, by section of the documentation, and what they share.

pub(super) mod accounts;
pub(super) mod feed;
pub(super) mod operators;
mod paging;
pub(super) mod payment_answers;
pub(super) mod payments;
pub(super) mod probes;
