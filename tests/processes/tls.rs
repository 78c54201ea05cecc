//! TLS, HTTP/1.1 and HTTP/2, and a certificate that is renewed while the service runs.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_tests::Server;
use holdfast_tests::sample::BODY;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a certificate for `localhost` and its key, in files.
fn certificate(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn start(directory: &Path) -> Server {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.join(name));
    let arguments = [
        "--tls-certificate",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
        "--head-timeout-ms",
        "2000",
    ];
    Server::start(&directory.join("data"), &arguments)
}

type Answer = Response<Bytes>;

/// Pays over a new connection that trusts one certificate and offers one protocol.
async fn pay_over_tls(
    server: &Server,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<Answer> {
    let stream = connect(server, trusted, protocol).await?;
    Ok(pay_over(stream, protocol == H2).await)
}

async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(&server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Ok(stream)
}

async fn pay_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    over_http2: bool,
) -> Answer {
    let stream = TokioIo::new(stream);
    let request = Request::post("https://localhost/v1/payments")
        .header("host", "localhost")
        .header("idempotency-key", "k")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(BODY)))
        .unwrap();
    let answer = if over_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (head, body) = answer.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_the_same_over_every_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certificate(directory.path());
    let server = start(directory.path());
    let first = pay_over_tls(&server, &trusted, H2).await.unwrap();
    assert_eq!(
        (first.version(), first.status()),
        (Version::HTTP_2, StatusCode::CREATED)
    );
    assert_eq!(first.headers()["idempotent-replayed"], "false");
    let again = pay_over_tls(&server, &trusted, H1).await.unwrap();
    assert_eq!(
        (again.version(), again.status()),
        (Version::HTTP_11, StatusCode::CREATED)
    );
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.body(), first.body());

    // Whoever speaks without TLS to it, or says nothing, is cut off.
    let mut plain = TcpStream::connect(&server.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut silent = TcpStream::connect(&server.address).await.unwrap();
    for stream in [&mut plain, &mut silent] {
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        ended.expect("the connection is ended").ok();
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    // Also over HTTP/2, whether it has asked for something before or not.
    let mut silent = connect(&server, &trusted, H2).await.unwrap();
    let ended = timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await;
    ended.expect("the connection is ended").ok();
    let idle = TokioIo::new(connect(&server, &trusted, H2).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), idle).await.unwrap();
    let connection = tokio::spawn(connection);
    let probe = Request::get("https://localhost/livez").body(Full::new(Bytes::new()));
    let answer = sender.send_request(probe.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer);
    let ended = timeout(PATIENCE, connection).await;
    ended.expect("the connection is ended").unwrap().ok();

    // HTTP/2 without TLS, by prior knowledge, and HTTP/1.1 on the same port.
    drop(server);
    let server = Server::start(&directory.path().join("data"), &[]);
    for over_http2 in [true, false] {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let again = pay_over(stream, over_http2).await;
        assert_eq!(again.body(), first.body());
        assert_eq!(again.version() == Version::HTTP_2, over_http2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let old = certificate(directory.path());
    let server = start(directory.path());
    assert!(pay_over_tls(&server, &old, H2).await.is_ok());

    let new = certificate(directory.path());
    assert!(
        pay_over_tls(&server, &new, H2).await.is_err(),
        "nobody has told the service yet"
    );
    server.signal("HUP");
    let began = Instant::now();
    while pay_over_tls(&server, &new, H2).await.is_err() {
        assert!(
            began.elapsed() < PATIENCE,
            "the new certificate is never taken"
        );
        sleep(Duration::from_millis(5)).await;
    }
    assert!(pay_over_tls(&server, &old, H2).await.is_err());

    // One that cannot be used leaves the one in force.
    std::fs::write(directory.path().join("key.pem"), "no key").unwrap();
    server.signal("HUP");
    sleep(Duration::from_millis(200)).await;
    assert!(pay_over_tls(&server, &new, H1).await.is_ok());
    server.signal("TERM");
    let (ended, said) = server.wait();
    assert!(ended.success(), "{said}");
    assert!(
        said.contains("the new certificate cannot be used"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let [certificate_file, key] =
        ["certificate.pem", "key.pem"].map(|name| directory.path().join(name));
    let refused = |certificate: &Path, key: Option<&Path>| {
        let mut arguments = vec!["--tls-certificate", certificate.to_str().unwrap()];
        if let Some(key) = key {
            arguments.extend(["--tls-key", key.to_str().unwrap()]);
        }
        let started = Server::try_start(&directory.path().join("data"), &arguments);
        started.err().expect("it is refused").1
    };
    let said = refused(&certificate_file, None);
    assert!(
        said.contains("tls_certificate and tls_key go together"),
        "{said}"
    );
    let said = refused(&key, Some(&key));
    assert!(said.contains("it contains no certificate"), "{said}");
    let said = refused(&certificate_file, Some(&certificate_file));
    assert!(said.contains("cannot read tls_key"), "{said}");
    let elsewhere = tempfile::tempdir().unwrap();
    certificate(elsewhere.path());
    let said = refused(&certificate_file, Some(&elsewhere.path().join("key.pem")));
    assert!(
        said.contains("does not belong to the certificate"),
        "{said}"
    );
}
