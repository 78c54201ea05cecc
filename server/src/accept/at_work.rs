//! Counts the requests at work on an HTTP/2 connection, so that an idle one can be closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

/// The number of active requests on an HTTP/2 connection. Over HTTP/1.1 the header timeout ends an idle connection. Over
/// HTTP/2 a client could stay silent, or only answer pings, for ever.
#[derive(Default)]
pub(super) struct AtWork(watch::Sender<usize>);

/// One active request.
pub(super) struct Working(Arc<AtWork>);

/// The body of an answer. Its request is active until the body is dropped.
pub(super) struct AtWorkBody {
    body: BoxBody<Bytes, io::Error>,
    _at_work: Option<Working>,
}

impl AtWorkBody {
    pub(super) const fn new(body: BoxBody<Bytes, io::Error>, at_work: Option<Working>) -> Self {
        Self {
            body,
            _at_work: at_work,
        }
    }
}

impl Body for AtWorkBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    // Passed on, so that HTTP/1.1 answers have a Content-Length.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl AtWork {
    pub(super) fn begin(self: &Arc<Self>) -> Working {
        self.0.send_modify(|requests| *requests += 1);
        Working(self.clone())
    }

    /// Waits until no request was active for this time.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut requests = self.0.subscribe();
        loop {
            // This cannot fail: `self` owns the sender.
            let _ = requests.wait_for(|requests| *requests == 0).await;
            if timeout(patience, requests.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.send_modify(|requests| *requests -= 1);
    }
}
