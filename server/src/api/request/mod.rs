//! Reads a request: credentials, headers, body. Each reader is strict and names the rule that was broken.

pub(super) mod create_body;
pub(super) mod filters;
mod json_body;
pub(super) mod key_header;
mod metadata_member;
pub(super) mod preconditions;
pub(super) mod prefer;
pub(super) mod principal;
pub(super) mod resolve_body;
