//! What is rendered: payments, events and accounts as JSON has them, and as the OpenAPI document describes them.

pub(super) mod account;
pub(super) mod event;
pub(super) mod payment;
