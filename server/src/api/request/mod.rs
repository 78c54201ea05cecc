//! What a request says: who asks, its headers and its body, each read strictly and refused with the rule that it breaks.

pub(super) mod create_body;
mod json_body;
pub(super) mod key_header;
mod metadata_member;
pub(super) mod preconditions;
pub(super) mod prefer;
pub(super) mod principal;
pub(super) mod resolve_body;
