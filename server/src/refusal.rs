//! What hyper refuses by itself, in our words.
//!
//! A request that is no HTTP, or whose head is too large, never becomes a request: hyper answers it with a bare status and
//! closes the connection. Over HTTP/1.1 that answer is found on its way out and replaced by problem details with a request
//! id. Over HTTP/2 there is nothing to replace: the protocol's own error ends the stream or the connection (RFC 9113,
//! section 8.1.1).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes the answer, head and body, to what was refused with this status.
pub(crate) type Words = Arc<dyn Fn(Refused<'_>) -> Bytes + Send + Sync>;

/// What hyper answered by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused<'a> {
    pub(crate) status: StatusCode,
    /// The value of its Date header.
    pub(crate) date: &'a str,
}

impl<'a> Refused<'a> {
    /// `None` for every other answer: ours all have a request id, and hyper writes a head at once.
    fn of(written: &'a [u8]) -> Option<Self> {
        let head = written.strip_prefix(b"HTTP/1.1 ");
        let head = head.or_else(|| written.strip_prefix(b"HTTP/1.0 "))?;
        let status = StatusCode::from_bytes(head.get(..3)?).ok()?;
        let is_own = matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::URI_TOO_LONG
                | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        if !is_own || !head.ends_with(b"\r\n\r\n") {
            return None;
        }
        let head = std::str::from_utf8(head).ok()?;
        let header = |line: &'a str, name: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        };
        if head
            .lines()
            .any(|line| header(line, "x-request-id").is_some())
        {
            return None;
        }
        let date = head.lines().find_map(|line| header(line, "date"));
        Some(Self {
            status,
            date: date.unwrap_or_default(),
        })
    }
}

/// The stream of a connection over HTTP/1.1.
pub(crate) struct InOurWords<S> {
    stream: S,
    words: Option<Words>,
    /// What is left of an answer of ours, and how long the one was that it stands for.
    instead: Option<(Bytes, usize)>,
}

impl<S> InOurWords<S> {
    pub(crate) const fn new(stream: S, words: Option<Words>) -> Self {
        Self {
            stream,
            words,
            instead: None,
        }
    }

    fn look(&mut self, written: &[u8]) {
        if let (None, Some(words)) = (&self.instead, &self.words)
            && let Some(refused) = Refused::of(written)
        {
            self.instead = Some((words(refused), written.len()));
        }
    }
}

impl<S: AsyncWrite + Unpin> InOurWords<S> {
    /// Writes our answer, if there is one; says then how much of the other was written, which is all of it.
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        let Some((left, length)) = &mut self.instead else {
            return Poll::Ready(None);
        };
        while left.has_remaining() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, left)) {
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Ok(count) => left.advance(count),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let length = *length;
        self.instead = None;
        Poll::Ready(Some(Ok(length)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InOurWords<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look(bytes);
        match ready!(this.poll_instead(context)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(&mut this.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look(slices.first().map_or(&[], |slice| slice));
        match ready!(this.poll_instead(context)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(&mut this.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InOurWords<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_hypers_own_is_replaced() {
        let date = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        let own = format!("HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n{date}\r\n");
        let found = Refused::of(own.as_bytes()).unwrap();
        assert_eq!(found.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(found.date, "Thu, 01 Jan 1970 00:00:00 GMT");
        let ours = format!("HTTP/1.1 400 Bad Request\r\nX-Request-Id: 7\r\n{date}\r\n");
        let fine = format!("HTTP/1.1 200 OK\r\n{date}\r\n");
        let body = "{\"detail\": \"HTTP/1.1 400 Bad Request\\r\\n\"}";
        for other in [ours.as_str(), &fine, body, "", "HTTP/1.1 4"] {
            assert_eq!(Refused::of(other.as_bytes()), None, "{other}");
        }
    }
}
