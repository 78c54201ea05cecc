//! Requests and answers on their way between clients and the service.

use bytes::Bytes;

/// The identity of a request: operation, attempt, copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Message {
    pub(super) operation: u32,
    pub(super) attempt: u32,
    pub(super) copy: u32,
}

/// An answer as it leaves the service.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: Message,
    pub(super) status: u16,
    pub(super) replayed: bool,
    pub(super) body: Bytes,
}
