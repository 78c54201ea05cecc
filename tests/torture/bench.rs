//! The load generator: each workload is what it says, and a stall cannot hide in an open loop.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_tests::{Server, Stub, alone, beside_others, holdfast};
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

/// What `holdfast bench` with these arguments came to.
fn bench(url: &str, arguments: &[&str]) -> Value {
    let output = Command::new(holdfast())
        .args(["bench", url, "--warmup", "0", "--json", "-"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(report: &Value, pointer: &str) -> f64 {
    let value = report.pointer(pointer);
    value
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{pointer} is missing: {report:#}"))
}

#[test]
fn each_workload_is_what_it_says() {
    let _turn = alone("measures throughput");
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let plot = data.path().join("plot.svg");
    // How many payments come of a hundred answers.
    for (workload, fewest, most) in [
        ("fresh", 95.0, 125.0),
        ("replay", 0.0, 0.0),
        ("storm", 12.0, 20.0),
        ("mixed", 45.0, 65.0),
        ("status", 0.0, 0.0),
    ] {
        let arguments = [
            "--workload",
            workload,
            "--seconds",
            "2",
            "--connections",
            "12",
        ];
        let plotted = ["--plot", plot.to_str().unwrap()];
        let report = bench(&server.url(), &[&arguments[..], &plotted].concat());
        assert_eq!(report["workload"], workload);
        assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
        let answers = number(&report, "/answers");
        let payments = number(&report, "/server/payments_admitted") / answers * 100.0;
        assert!(
            (fewest..=most).contains(&payments),
            "{workload}: {payments}"
        );
        for figure in [
            "/per_second",
            "/latency_us/p50",
            "/latency_us/p99.9",
            "/server/cpu_us_per_request",
        ] {
            assert!(number(&report, figure) > 0.0, "{figure}: {report:#}");
        }
        let picture = fs::read_to_string(&plot).unwrap();
        assert!(picture.contains("<polyline") && picture.contains(workload));
    }
}

/// Machines read standard output, people standard error; and what was measured is not lost for a slip in a path.
#[test]
fn the_result_reaches_whom_it_is_for() {
    let _turn = beside_others();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), &[]);
    let url = format!("{}/", server.url());
    let quick = [
        "bench",
        &url,
        "--warmup",
        "0",
        "--seconds",
        "1",
        "--connections",
        "2",
    ];
    let run = |arguments: &[&str]| {
        let output = Command::new(holdfast())
            .args(quick)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), output.stdout, said)
    };
    let (code, out, said) = run(&["--json", "-"]);
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_slice::<Value>(&out).unwrap();
    assert!(
        said.contains("per second)") && said.contains("p99.9"),
        "{said}"
    );
    // A picture that cannot be written takes nothing else away.
    let json = directory.path().join("result.json");
    let full = ["--json", json.to_str().unwrap(), "--plot", "/dev/full"];
    let (code, out, said) = run(&full);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot write /dev/full"), "{said}");
    assert!(String::from_utf8(out).unwrap().contains("p99.9"));
    serde_json::from_slice::<Value>(&fs::read(&json).unwrap()).unwrap();
    // Nor does a reader that has gone.
    fs::remove_file(&json).unwrap();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let unread = Command::new(holdfast())
        .args(quick)
        .args(["--json", json.to_str().unwrap()])
        .stdout(gone)
        .status();
    assert_eq!(unread.unwrap().code(), Some(141));
    serde_json::from_slice::<Value>(&fs::read(&json).unwrap()).unwrap();
    let missing = directory.path().join("missing/result");
    let missing = missing.to_str().unwrap();
    for option in ["--json", "--plot"] {
        let (code, out, said) = run(&[option, missing]);
        assert_eq!(code, Some(1));
        assert!(said.contains(&format!("cannot write {missing}")), "{said}");
        assert!(out.is_empty(), "it was told before anything was measured");
    }
}

#[test]
fn a_service_over_tls_is_measured_and_exported_by_those_who_trust_it() {
    let _turn = beside_others();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let arguments = ["--tls-certificate", &certificate, "--tls-key", &key];
    let server = Server::start(&directory.path().join("data"), &arguments);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let url = format!("https://localhost:{port}");
    let trusting = ["--seconds", "1", "--connections", "2", "--ca", &certificate];
    let report = bench(&url, &trusting);
    assert!(number(&report, "/answers") > 0.0, "{report:#}");
    assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
    assert!(
        number(&report, "/server/payments_admitted") > 0.0,
        "its metrics, too"
    );

    let (out, other) = (path("out.jsonl"), path("other.jsonl"));
    let export = |arguments: &[&str]| {
        let output = Command::new(holdfast())
            .args(["export", "--url", &url])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = export(&["--out", &out, "--ca", &certificate]);
    assert_eq!(code, Some(0), "{said}");
    // Without the authority both say in words why not.
    let (code, said) = export(&["--out", &other]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(
        !said.contains("Error {") && !said.contains("kind:"),
        "{said}"
    );
    let refused = Command::new(holdfast())
        .args(["bench", &url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("invalid peer certificate"), "{said}");
}

/// A service that answers at once, but for one second in which it answers nobody.
async fn stalling() -> Stub {
    let began = Arc::new(std::sync::OnceLock::new());
    Stub::start(move |_| {
        let began: Instant = *began.get_or_init(Instant::now);
        Box::pin(async move {
            let stall = Duration::from_millis(500)..Duration::from_millis(1500);
            if stall.contains(&began.elapsed()) {
                sleep_until(began + stall.end).await;
            }
            let answer = Response::builder()
                .status(201)
                .header("location", "/v1/payments/1");
            answer.body(Full::<Bytes>::default()).unwrap()
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_cannot_hide_in_an_open_loop() {
    let _turn = alone("measures response times");
    let of = |arguments: &'static [&'static str]| async move {
        let stub = stalling().await;
        let report = tokio::task::spawn_blocking({
            let url = stub.url();
            move || bench(&url, arguments)
        });
        report.await.unwrap()
    };
    let arguments = &["--seconds", "3", "--connections", "4", "--rate", "200"];
    let open = of(arguments).await;
    // A third of what was due came late, most of it by hundreds of milliseconds.
    assert!(number(&open, "/latency_us/p90") > 300_000.0, "{open:#}");
    assert!(
        (550.0..650.0).contains(&number(&open, "/answers")),
        "{open:#}"
    );
    // In a closed loop only the four that were under way are late.
    let closed = of(&["--seconds", "3", "--connections", "4"]).await;
    assert!(number(&closed, "/latency_us/p90") < 100_000.0, "{closed:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_counted_and_what_cannot_be_measured_is_refused() {
    let _turn = beside_others();
    let paid = Arc::new(AtomicBool::new(false));
    let stub = Stub::start(move |_| {
        // The first connection pays what it needs, then everything fails.
        let status = if paid.swap(true, Ordering::SeqCst) {
            503
        } else {
            201
        };
        let answer = Response::builder()
            .status(status)
            .body(Full::default())
            .unwrap();
        Box::pin(async { answer })
    })
    .await;
    let url = stub.url();
    let report =
        tokio::task::spawn_blocking(move || bench(&url, &["--seconds", "1", "--connections", "1"]));
    let report = report.await.unwrap();
    assert_eq!(report["answers"], 0);
    assert!(number(&report, "/errors/503") > 0.0);
    let here = "http://127.0.0.1:1";
    for (arguments, code, said) in [
        (&["ftp://127.0.0.1"][..], 2, "is not the URL of a service"),
        (&["notaurl"], 2, "is not the URL of a service"),
        (&["http://me:pass@127.0.0.1"], 2, "must not contain a user"),
        (&["http://127.0.0.1:1/v1"], 2, "must not have a path"),
        (
            &["https://127.0.0.1:1", "--ca", "/missing"],
            2,
            "cannot read --ca /missing",
        ),
        (
            &["https://127.0.0.1:1", "--ca", "/dev/null"],
            2,
            "contains no certificate",
        ),
        (&[here, "--seconds", "0"], 2, "--seconds"),
        (&[here, "--api-key", ""], 2, "the API key is empty"),
        (
            &[here, "--api-key", "k\u{e9}"],
            2,
            "other than visible ASCII",
        ),
        (&[here, "--workload", "storm"], 2, "multiple of 6"),
        (&[here], 1, "cannot reach the service"),
    ] {
        let refused = Command::new(holdfast())
            .arg("bench")
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
        assert!(!text.contains("pass"), "{text}");
    }
}
