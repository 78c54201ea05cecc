//! A service that is killed and started again over the same data, under clients that go on.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Mutex, watch};

use crate::{Answer, Client, Server};

/// Some life must answer within this time.
const PATIENCE: Duration = Duration::from_mins(3);

/// One service after another, over one data directory.
pub struct Lives {
    data: PathBuf,
    arguments: Vec<String>,
    current: Mutex<Option<Server>>,
    client: watch::Sender<Client>,
}

impl Lives {
    /// Starts the first life.
    pub fn start(data: PathBuf, arguments: &[&str]) -> Self {
        let server = Server::start(&data, arguments);
        Self {
            data,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            client: watch::Sender::new(server.client()),
            current: Mutex::new(Some(server)),
        }
    }

    /// Kills the service as `kill -9` does, and starts the next life.
    ///
    /// # Panics
    /// When the next one does not come up.
    pub async fn kill_and_restart(&self) {
        self.restart(Server::kill).await;
    }

    /// Asks the service to end, as an operator does, and starts the next life.
    ///
    /// # Panics
    /// When it does not end well, or the next one does not come up.
    pub async fn stop_and_restart(&self) {
        let stop = |server: Server| {
            server.signal("TERM");
            let (status, said) = server.wait();
            assert!(status.success(), "{said}");
        };
        self.restart(stop).await;
    }

    /// The process of the life that runs now.
    ///
    /// # Panics
    /// Between two lives.
    pub async fn pid(&self) -> u32 {
        self.current.lock().await.as_ref().expect("a life").pid()
    }

    async fn restart(&self, end: fn(Server)) {
        let mut current = self.current.lock().await;
        let (data, arguments) = (self.data.clone(), self.arguments.clone());
        let dying = current.take();
        let next = tokio::task::spawn_blocking(move || {
            if let Some(dying) = dying {
                end(dying);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            Server::start(&data, &arguments)
        });
        let next = next.await.expect("the next life begins");
        self.client.send_replace(next.client());
        *current = Some(next);
    }

    /// A client of the life that runs now.
    pub fn client(&self) -> Client {
        self.client.borrow().clone()
    }

    /// Creates a payment, or repeats it, until some life answers. `Prefer: wait` is in seconds.
    ///
    /// # Panics
    /// When an answer is none that a create of a valid payment may get.
    pub async fn pay(&self, key: &str, body: &str, wait_s: u32) -> Answer {
        let wait = format!("wait={wait_s}");
        let started = tokio::time::Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "{key}: no life answers");
            match self
                .client()
                .pay_with(key, body, &[("prefer", &wait)])
                .await
            {
                Ok(answer) if answer.is_final() || answer.status == StatusCode::ACCEPTED => {
                    return answer;
                }
                Ok(answer) => {
                    let busy = answer.status == StatusCode::SERVICE_UNAVAILABLE;
                    assert!(busy, "{key}: {answer:?}");
                }
                // That life is over: what a client does then is to repeat.
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
