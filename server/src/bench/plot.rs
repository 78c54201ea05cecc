//! The latencies as a picture: each percentile, with as much room for the last in ten thousand as for the first half.

use std::fmt::Write;

use super::report::Report;
use crate::web::html::escape;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// The percentiles that have a name on the axis, as shares.
const NAMED: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
];

const STYLE: &str = "svg{color-scheme:light dark}text{font:12px ui-monospace,monospace;fill:#16181d}\
    .grid{stroke:#8886}.curve{fill:none;stroke:#2a6fdb;stroke-width:2}\
    @media(prefers-color-scheme:dark){text{fill:#e8eaee}.curve{stroke:#7fb0ff}}";

/// Where a share stands from left to right: each step to the right is a tenth of those that are left.
fn x(share: f64) -> f64 {
    let decades = -(1.0 - share).max(1e-4).log10();
    LEFT + decades / 4.0 * (WIDTH - LEFT - RIGHT)
}

/// The picture, as an SVG document.
pub(super) fn render(report: &Report) -> String {
    let latency = report.latency_us();
    let (low, high) = decades(latency.min(), latency.max());
    let span = f64::from(high - low);
    let y = |us: f64| {
        let place = (us.max(1.0).log10() - f64::from(low)) / span;
        HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Latency by percentile\"><style>{STYLE}</style>\
         <text x=\"{LEFT}\" y=\"24\">{}: {:.0} answers a second</text>",
        escape(&report.title()),
        report.per_second()
    );
    for (share, name) in NAMED {
        let x = x(share);
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            bottom + 20.0
        );
    }
    for decade in low..=high {
        let y = y(10_f64.powi(decade));
        let right = WIDTH - RIGHT;
        let name = match decade {
            0..=2 => format!("{} us", 10_u64.pow(decade.unsigned_abs())),
            3..=5 => format!("{} ms", 10_u64.pow((decade - 3).unsigned_abs())),
            _ => format!("{} s", 10_u64.pow((decade - 6).unsigned_abs())),
        };
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 10.0,
            y + 4.0
        );
    }
    let steps = (0..=400).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 100.0));
    let points = steps.fold(String::new(), |mut points, share| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of a minute at most"
        )]
        let us = latency.value_at_quantile(share) as f64;
        let _ = write!(points, "{:.1},{:.1} ", x(share), y(us));
        points
    });
    let _ = write!(
        svg,
        "<polyline class=\"curve\" points=\"{}\"/><text x=\"{LEFT}\" y=\"{:.1}\">share of requests answered within \
         that time</text></svg>",
        points.trim_end(),
        HEIGHT - 12.0
    );
    svg
}

/// The powers of ten around the smallest and the largest latency.
fn decades(min: u64, max: u64) -> (i32, i32) {
    let low = i32::try_from(min.max(1).ilog10()).unwrap_or(0);
    let high = i32::try_from(max.max(1).ilog10()).unwrap_or(6) + 1;
    (low, high)
}
