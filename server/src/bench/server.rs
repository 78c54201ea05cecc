//! What the service says of itself, by its metrics: CPU time, memory, commits.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};

use super::client::{Address, Target};

/// Figures of a service. One that is no Holdfast has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    /// CPU time of its process so far, in seconds.
    pub(super) cpu_seconds: Option<f64>,
    /// Memory that it has, in bytes.
    pub(super) resident_bytes: Option<f64>,
    pub(super) commits: Option<f64>,
    pub(super) writes: Option<f64>,
    pub(super) admitted: Option<f64>,
}

/// Asks the service.
pub(super) async fn figures(target: &Target) -> Figures {
    let text = metrics(&target.service).await.unwrap_or_default();
    let value = |name: &str| {
        let mut lines = text.lines();
        let line = lines.find(|line| line.strip_prefix(name).is_some_and(|r| r.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
    };
    Figures {
        cpu_seconds: value("holdfast_process_cpu_seconds_total"),
        resident_bytes: value("holdfast_process_resident_memory_bytes"),
        commits: value("holdfast_commit_batch_size_count"),
        writes: value("holdfast_commit_batch_size_sum"),
        admitted: value("holdfast_payments_admitted_total"),
    }
}

async fn metrics(service: &Address) -> Option<String> {
    let mut sender = service.connect().await.ok()?;
    let request = Request::get("/metrics")
        .header(header::HOST, &service.host)
        .body(Full::<Bytes>::default())
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8_lossy(&body).into_owned())
}
