//! Marks by which the accept loop and the endpoints inform each other, in the extensions of a request or a response.

/// In a request over HTTP/1: what is wrong with its Host (RFC 9112, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongHost(pub(crate) &'static str);

/// In a response: break the connection instead of sending it. Only a simulated bank does so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the simulated bank breaks the connection without an answer")]
pub(crate) struct Abort;
