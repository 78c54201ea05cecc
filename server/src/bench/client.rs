//! One connection of the load generator.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::error::BenchError;
use super::workload::{STORM, Workload};
use crate::reach::Reach;

/// Latencies above this are counted as this, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;

/// How long to wait before a broken connection is made again.
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

/// Where the service is, and how it is spoken to.
pub(super) struct Address {
    /// Host and port.
    pub(super) host: String,
    /// For `https`: for whom the certificate must be.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Address {
    pub(super) fn new(reach: &Reach) -> Result<Self, BenchError> {
        let url = &reach.url;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let tls = reach.tls.clone().map(|config| {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
            let name = name.map_err(|_| BenchError::Name(host.to_owned()))?;
            Ok::<_, BenchError>((TlsConnector::from(Arc::new(config)), name))
        });
        Ok(Self {
            host: format!("{host}:{port}"),
            tls: tls.transpose()?,
        })
    }

    pub(super) async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.host).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => speak(stream).await,
            Some((connector, name)) => speak(connector.connect(name.clone(), stream).await?).await,
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<SendRequest<Full<Bytes>>> {
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = connected.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// What is measured.
pub(super) struct Target {
    pub(super) service: Address,
    pub(super) api_key: Option<String>,
    /// Keys of this run are of no other.
    pub(super) run: u64,
    pub(super) workload: Workload,
    /// How many accounts payments are drawn from; at least 2.
    pub(super) accounts: u32,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) begin: Instant,
    /// From when on it counts.
    from: Instant,
    until: Instant,
    rate: Option<u64>,
    /// The next request that is due in an open loop.
    due: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) errors: AtomicU64,
}

impl Shared {
    pub(super) fn new(begin: Instant, from: Instant, until: Instant, rate: Option<u64>) -> Self {
        Self {
            begin,
            from,
            until,
            rate,
            due: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// When the next request is due: in an open loop at its own time, else now.
    async fn next(&self) -> Instant {
        let Some(rate) = self.rate else {
            return Instant::now();
        };
        // An open loop: a connection that is late sends what is due at once.
        let place = self.due.fetch_add(1, Ordering::Relaxed);
        let nanos = u128::from(place) * 1_000_000_000 / u128::from(rate);
        let due = self.begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        tokio::time::sleep_until(due.min(self.until)).await;
        due
    }
}

/// Where those meet that send the same key at once.
pub(super) struct Storm {
    barrier: Barrier,
    over: AtomicBool,
}

impl Storm {
    pub(super) fn new() -> Self {
        Self {
            barrier: Barrier::new(STORM as usize),
            over: AtomicBool::new(false),
        }
    }

    /// Waits for the others; whether all of them go on. One decides, so that nobody waits for who has gone.
    async fn goes_on(&self, until: Instant) -> bool {
        if self.barrier.wait().await.is_leader() {
            let over = Instant::now() >= until;
            self.over.store(over, Ordering::SeqCst);
        }
        self.barrier.wait().await;
        !self.over.load(Ordering::SeqCst)
    }
}

/// What connections saw.
pub(super) struct Seen {
    /// Latencies in microseconds.
    pub(super) latency_us: Histogram<u64>,
    /// Answers in each second.
    pub(super) seconds: Vec<u64>,
    /// Answers other than expected, by status; 0 where there was none.
    pub(super) errors: BTreeMap<u16, u64>,
}

impl Seen {
    pub(super) fn new(seconds: u64) -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
        Self {
            latency_us: histogram.expect("the bounds are in order"),
            seconds: vec![0; usize::try_from(seconds).unwrap_or(0)],
            errors: BTreeMap::new(),
        }
    }

    /// Notes an answer to a request that was due then.
    fn note(&mut self, shared: &Shared, due: Instant) {
        let us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(us);
        let second = usize::try_from(shared.from.elapsed().as_secs()).unwrap_or(usize::MAX);
        // What is answered after the end counts for its latency, and for no second.
        if let Some(count) = self.seconds.get_mut(second) {
            *count += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.latency_us
            .add(other.latency_us)
            .expect("histograms of one shape");
        for (sum, count) in self.seconds.iter_mut().zip(other.seconds) {
            *sum += count;
        }
        for (status, count) in other.errors {
            *self.errors.entry(status).or_default() += count;
        }
    }
}

/// A connection, and what it repeats.
pub(super) struct Client {
    target: Arc<Target>,
    connection: u32,
    sender: SendRequest<Full<Bytes>>,
    /// The payment that it looks at.
    location: String,
}

/// What one request is.
enum What {
    /// A payment under the key with this number; 0 was paid before.
    Pay(u64),
    Look,
}

impl Client {
    /// Connects, and creates the payments that will be replayed.
    pub(super) async fn prepare(target: Arc<Target>, connection: u32) -> Result<Self, BenchError> {
        let sender = target.service.connect().await;
        let sender = sender.map_err(|source| BenchError::Connect {
            address: target.service.host.clone(),
            source,
        })?;
        let mut client = Self {
            target,
            connection,
            sender,
            location: String::new(),
        };
        let answer = client.ask(What::Pay(0)).await.map_err(BenchError::Broken)?;
        if answer.status() != StatusCode::CREATED {
            return Err(BenchError::Answer {
                status: answer.status().as_u16(),
                body: String::from_utf8_lossy(answer.body()).into_owned(),
            });
        }
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        location
            .unwrap_or_default()
            .clone_into(&mut client.location);
        Ok(client)
    }

    pub(super) const fn connection(&self) -> u32 {
        self.connection
    }

    /// Sends until the time is up.
    pub(super) async fn send(mut self, shared: Arc<Shared>, storm: Option<Arc<Storm>>) -> Seen {
        let seconds = (shared.until - shared.from).as_secs();
        let mut seen = Seen::new(seconds);
        let mut turn = 0;
        loop {
            let goes_on = match &storm {
                Some(storm) => storm.goes_on(shared.until).await,
                None => Instant::now() < shared.until,
            };
            let due = shared.next().await;
            // What is due before the end is sent, however late.
            if !goes_on || (storm.is_none() && due >= shared.until) {
                return seen;
            }
            turn += 1;
            let what = self.what(turn);
            let expected = match what {
                What::Pay(_) => StatusCode::CREATED,
                What::Look => StatusCode::OK,
            };
            let answer = self.ask(what).await;
            let measured = due >= shared.from;
            match answer {
                Ok(answer) if answer.status() == expected => {
                    count(&shared.answered);
                    if measured {
                        seen.note(&shared, due);
                    }
                }
                Ok(answer) => {
                    count(&shared.errors);
                    *seen.errors.entry(answer.status().as_u16()).or_default() += 1;
                }
                Err(_) => {
                    count(&shared.errors);
                    *seen.errors.entry(0).or_default() += 1;
                    self.connect_again(shared.until).await;
                }
            }
        }
    }

    fn what(&self, turn: u64) -> What {
        match self.target.workload {
            Workload::Fresh | Workload::Storm => What::Pay(turn),
            Workload::Replay => What::Pay(0),
            Workload::Status => What::Look,
            Workload::Mixed => match turn % 10 {
                0 => What::Look,
                // Of those before.
                2 | 4 | 6 | 8 => What::Pay(turn - 1),
                _ => What::Pay(turn),
            },
        }
    }

    fn request(&self, what: &What) -> Request<Full<Bytes>> {
        let (method, path, number) = match what {
            What::Pay(number) => (Method::POST, "/v1/payments", Some(*number)),
            What::Look => (Method::GET, self.location.as_str(), None),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.target.service.host);
        if let Some(api_key) = &self.target.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {api_key}"));
        }
        let body = match number {
            Some(number) => {
                request = request
                    .header(header::CONTENT_TYPE, "application/json")
                    .header("idempotency-key", self.key(number));
                Full::from(self.body(number))
            }
            None => Full::default(),
        };
        request.body(body).expect("the parts are valid")
    }

    fn key(&self, number: u64) -> String {
        let (run, owner) = (self.target.run, self.owner(number));
        format!("{run:016x}-{owner:05}-{number}")
    }

    /// Whose key it is: in a storm six connections share one.
    fn owner(&self, number: u64) -> u32 {
        match self.target.workload {
            Workload::Storm if number > 0 => self.connection / STORM,
            Workload::Storm
            | Workload::Fresh
            | Workload::Replay
            | Workload::Mixed
            | Workload::Status => self.connection,
        }
    }

    /// The same for each repeat of a key; two accounts out of all of them.
    fn body(&self, number: u64) -> String {
        let owner = u64::from(self.owner(number));
        let drawn = spread(self.target.run ^ (owner << 40) ^ number);
        let accounts = u64::from(self.target.accounts);
        let debtor = drawn % accounts;
        let creditor = (debtor + 1 + (drawn >> 32) % (accounts - 1)) % accounts;
        format!(
            r#"{{"amount":1999,"currency":"EUR","debtor":"acct_{debtor}","creditor":"acct_{creditor}","reference":"order {number}"}}"#
        )
    }

    async fn ask(&mut self, what: What) -> Result<Response<Bytes>, hyper::Error> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(self.request(&what)).await?;
        let (parts, body): (_, Incoming) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    async fn connect_again(&mut self, until: Instant) {
        while Instant::now() < until {
            tokio::time::sleep(RECONNECT_AFTER).await;
            if let Ok(sender) = self.target.service.connect().await {
                self.sender = sender;
                return;
            }
        }
    }
}

/// Spreads numbers evenly over all numbers (`SplitMix64`; Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
/// 2014).
const fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Adds one.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
