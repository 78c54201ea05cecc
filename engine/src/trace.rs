//! The trace context (W3C Trace Context) of the request that opened a flight.
//!
//! The engine does not trace by itself. It carries the context from the task of a request into the task of its flight,
//! so that the adapter of the bank can pass it on. It opens `tracing` spans around slow work.

use std::sync::Arc;

/// Longest accepted `traceparent`: later versions may be longer than the 55 characters of version 00.
const PARENT_CHARS_MAX: usize = 256;

/// Longest `tracestate` that is passed on: the minimum that the standard requires.
const STATE_CHARS_MAX: usize = 512;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The two headers of W3C Trace Context, as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: Arc<str>,
    tracestate: Option<Arc<str>>,
}

impl TraceContext {
    /// Takes the headers; `None` when `traceparent` is not one. A `tracestate` that is too long is left out, as
    /// the standard allows.
    ///
    /// Source: W3C Trace Context, section 3.2.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.splitn(4, '-');
        let [version, trace_id, parent_id, rest] = [(); 4].map(|()| parts.next().unwrap_or(""));
        let is_hex = |text: &str, chars: usize| {
            text.len() == chars && text.bytes().all(|b| b"0123456789abcdef".contains(&b))
        };
        let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
        let (flags, more) = rest.split_at_checked(2)?;
        let ends_well = more.is_empty() || (version != "00" && more.starts_with('-'));
        let valid = traceparent.len() <= PARENT_CHARS_MAX
            && is_hex(version, 2)
            && version != "ff"
            && is_hex(trace_id, 32)
            && !is_zero(trace_id)
            && is_hex(parent_id, 16)
            && !is_zero(parent_id)
            && is_hex(flags, 2)
            && ends_well;
        valid.then(|| Self {
            traceparent: traceparent.into(),
            tracestate: tracestate
                .filter(|state| state.len() <= STATE_CHARS_MAX)
                .map(Into::into),
        })
    }

    /// The value of `traceparent`.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The value of `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The context of the calling task.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Wraps a future so that it runs within the caller's context, whichever task runs it.
    pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
        Self::within(Self::current(), future)
    }

    /// Runs a future within a context, if there is one.
    pub async fn within<F: Future>(context: Option<Self>, future: F) -> F::Output {
        match context {
            Some(context) => CURRENT.scope(context, future).await,
            None => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_calls_valid_is_taken_and_nothing_else() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let valid = |text: &str| TraceContext::new(text, None).is_some();
        assert!(valid(&format!("00-{trace}-{parent}-01")));
        assert!(valid(&format!("00-{trace}-{parent}-00")));
        // Of a later version only the known parts are used.
        assert!(valid(&format!("cc-{trace}-{parent}-01-what-comes")));
        assert!(!valid(&format!("00-{trace}-{parent}-01-what-comes")));
        assert!(!valid(&format!("cc-{trace}-{parent}-01.what")));
        assert!(!valid(&format!("ff-{trace}-{parent}-01")));
        assert!(!valid(&format!("00-{}-{parent}-01", trace.to_uppercase())));
        assert!(!valid(&format!("00-{}-{parent}-01", "0".repeat(32))));
        assert!(!valid(&format!("00-{trace}-{}-01", "0".repeat(16))));
        assert!(!valid(&format!("00-{trace}-{parent}-é")));
        assert!(!valid(&format!("00-{trace}-{parent}")));
        assert!(!valid(""));
    }

    #[tokio::test]
    async fn a_context_holds_within_its_future_alone() {
        let context = TraceContext::new(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some("a=1"),
        );
        let seen = TraceContext::within(context.clone(), async { TraceContext::current() }).await;
        assert_eq!(seen, context);
        assert_eq!(TraceContext::current(), None);
        let long = "x".repeat(STATE_CHARS_MAX + 1);
        let context = TraceContext::new(context.unwrap().traceparent(), Some(&long)).unwrap();
        assert_eq!(context.tracestate(), None);
    }
}
