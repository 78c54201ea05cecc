//! Payments, events and accounts as JSON. The schemas of the OpenAPI document come from the same types.

pub(super) mod account;
pub(super) mod event;
pub(super) mod payment;
