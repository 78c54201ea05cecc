//! Peers that speak HTTP just well enough to misbehave.

pub(crate) mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a peer does with each connection.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Reads a request and writes these bytes, then closes.
    Answer(Vec<u8>),
    /// Answers each request of a connection.
    AnswerEach(Vec<u8>),
    /// Answers the requests of a connection with one of these after the other.
    AnswerInTurn(Vec<Vec<u8>>),
    /// Answers the first request of a connection and resets at the second.
    AnswerOnceThenReset(Vec<u8>),
    /// Answers the first request of a connection as if there were to be more, and closes it.
    AnswerOnceThenClose(Vec<u8>),
    /// Resets as soon as it is connected.
    ResetAtOnce,
    /// Reads a request, then resets.
    ResetAfterRequest,
    /// Reads a request, then closes in order.
    CloseAfterRequest,
    /// Reads a request and says nothing.
    Silence,
}

/// Something that listens.
pub(crate) struct Peer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn start(script: Script) -> Self {
        Self::listen(script, None).await
    }

    pub(crate) async fn start_tls(script: Script, acceptor: TlsAcceptor) -> Self {
        Self::listen(script, Some(acceptor)).await
    }

    async fn listen(script: Script, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match &acceptor {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), seen.clone());
                match acceptor.clone() {
                    None => {
                        tokio::spawn(plain(stream, script, seen));
                    }
                    Some(acceptor) => {
                        tokio::spawn(async move {
                            if let Ok(mut stream) = acceptor.accept(stream).await {
                                play(&mut stream, &script, &seen).await;
                            }
                        });
                    }
                }
            }
        });
        Self {
            url,
            requests,
            connections,
            task,
        }
    }

    /// The requests that arrived, as text.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn plain(mut stream: TcpStream, script: Script, seen: Arc<Mutex<Vec<String>>>) {
    if matches!(script, Script::ResetAtOnce) {
        reset(&stream);
        return;
    }
    play(&mut stream, &script, &seen).await;
    match script {
        Script::ResetAfterRequest | Script::AnswerOnceThenReset(_) => reset(&stream),
        Script::Answer(_)
        | Script::AnswerEach(_)
        | Script::AnswerInTurn(_)
        | Script::AnswerOnceThenClose(_)
        | Script::ResetAtOnce
        | Script::CloseAfterRequest
        | Script::Silence => {}
    }
}

/// Closes with RST instead of FIN.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    script: &Script,
    seen: &Mutex<Vec<String>>,
) {
    read_request(stream, seen).await;
    match script {
        Script::Answer(bytes) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
        Script::AnswerEach(bytes) => {
            while stream.write_all(&kept(bytes)).await.is_ok() {
                read_request(stream, seen).await;
            }
        }
        Script::AnswerInTurn(answers) => {
            for bytes in answers {
                let _ = stream.write_all(&kept(bytes)).await;
                read_request(stream, seen).await;
            }
        }
        Script::AnswerOnceThenReset(bytes) => {
            let _ = stream.write_all(&kept(bytes)).await;
            read_request(stream, seen).await;
        }
        Script::AnswerOnceThenClose(bytes) => {
            let _ = stream.write_all(&kept(bytes)).await;
            let _ = stream.shutdown().await;
        }
        Script::Silence => std::future::pending::<()>().await,
        Script::ResetAtOnce | Script::ResetAfterRequest | Script::CloseAfterRequest => {}
    }
}

/// The answer without `Connection: close`, so that the client keeps the connection.
fn kept(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    text.replace("Connection: close\r\n", "").into_bytes()
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, seen: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&bytes).into_owned());
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// The bytes of an answer.
pub(crate) fn answer(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The bytes of a JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    answer(&format!("{status} Status"), "application/json", body)
}
