//! The handlers, grouped as in the documentation, and the code that they share.

pub(super) mod accounts;
pub(super) mod feed;
pub(super) mod operators;
mod paging;
pub(super) mod payment_answers;
pub(super) mod payments;
pub(super) mod probes;
