//! Counts answers by route and status, and times them by route.

use poem::http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Counts answers by route and status, and times them by route.
#[derive(Debug, Clone)]
pub(super) struct RequestMetrics {
    answers: Family<AnswerLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

/// A method and a route, each one of a bounded set of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) method: &'static str,
    pub(super) route: &'static str,
}

impl RouteLabels {
    /// Of what never became a request.
    pub(super) const UNREAD: Self = Self {
        method: "other",
        route: "other",
    };
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let buckets = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        Self {
            answers: Family::default(),
            seconds: Family::new_with_constructor(buckets),
        }
    }
}

impl RequestMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Answers by method, route and status",
            self.answers.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time of a request: to the answer's head, waits that clients ask for included",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    pub(super) fn count(&self, labels: RouteLabels, status: u16) {
        let RouteLabels { method, route } = labels;
        let labels = AnswerLabels {
            method,
            route,
            status,
        };
        self.answers.get_or_create(&labels).inc();
    }

    pub(super) fn time(&self, labels: RouteLabels, seconds: f64) {
        self.seconds.get_or_create(&labels).observe(seconds);
    }
}

/// Standard methods by name; the rest is client input and would grow the metrics without bound.
pub(super) fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
