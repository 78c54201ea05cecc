//! A TCP proxy that fails in the ways networks do: silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does to a connection once the request has gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: everything passes.
    None,
    /// The answer vanishes; the connection stays open.
    Swallow,
    /// The answer vanishes; the client's connection is reset.
    Reset,
    /// A part of the answer passes, then the client's connection is closed.
    HalfAnswer,
    /// The proxy closes its sending side to the client before the answer comes, and goes on reading.
    HalfClose,
}

/// A running proxy.
pub struct TcpProxy {
    /// Where it listens.
    pub address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TcpProxy {
    /// Passes connections on to `target`; the first of them suffers `loss`.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(target: &str, loss: Loss) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let (target, count) = (target.to_owned(), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let first = count.fetch_add(1, Ordering::SeqCst) == 0;
                let loss = if first { loss } else { Loss::None };
                tokio::spawn(pass(client, target.clone(), loss));
            }
        });
        Self { address, task }
    }
}

async fn pass(mut client: TcpStream, target: String, loss: Loss) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    if loss == Loss::None {
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let passed = tokio::sync::Notify::new();
    let upward = async {
        // A small request comes in one piece.
        let mut request = vec![0; 64 * 1024];
        let bytes = from_client.read(&mut request).await?;
        to_server.write_all(&request[..bytes]).await?;
        passed.notify_one();
        let copied = tokio::io::copy(&mut from_client, &mut to_server).await;
        // Whoever gave up must not take what was asked for with it.
        std::future::pending::<()>().await;
        copied
    };
    let downward = async {
        let mut answer = vec![0; 64 * 1024];
        if loss == Loss::HalfClose {
            passed.notified().await;
            to_client.shutdown().await?;
        }
        // The answer has come: the charge is made. Now it is lost.
        let bytes = from_server.read(&mut answer).await?;
        if loss == Loss::HalfAnswer {
            to_client.write_all(&answer[..bytes / 2]).await?;
        }
        if matches!(loss, Loss::Swallow | Loss::HalfClose) {
            std::future::pending::<()>().await;
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        _ = upward => {}
        done = downward => done?,
    }
    if loss == Loss::Reset {
        client.set_zero_linger()?;
    }
    Ok(())
}
