//! Gateways from the distribution, run over loopback with a configuration of one's own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// A gateway must listen within this time.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway. It is ended when this goes.
pub struct Gateway {
    child: Child,
    /// Where it listens.
    pub address: String,
    _directory: tempfile::TempDir,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("there is a free port");
    listener.local_addr().expect("it listens").port()
}

impl Gateway {
    /// `HAProxy` before one backend; it tries again whatever fails or takes longer than `timeout_ms`,
    /// POST or not.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn haproxy(backend: &str, timeout_ms: u32) -> Self {
        let port = free_port().await;
        let config = format!(
            "defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server \
             {timeout_ms}ms\n  retries 5\n  retry-on all-retryable-errors\n  option \
             http-buffer-request\nlisten gateway\n  bind 127.0.0.1:{port}\n  server one {backend}\n"
        );
        Self::run(port, &config, |directory| {
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(directory.join("config"));
            command
        })
        .await
    }

    /// nginx before two backends; it passes a request on to the next one after `timeout_ms`, also one
    /// that is not idempotent.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn nginx(backends: [&str; 2], timeout_ms: u32) -> Self {
        let port = free_port().await;
        let [one, two] = backends;
        let config = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
             http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  \
             fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  \
             upstream payments {{ server {one}; server {two}; }}\n  server {{\n    listen \
             127.0.0.1:{port};\n    location / {{\n      proxy_pass http://payments;\n      \
             proxy_read_timeout {timeout_ms}ms;\n      proxy_next_upstream error timeout \
             non_idempotent;\n    }}\n  }}\n}}\n"
        );
        Self::run(port, &config, |directory| {
            let mut command = Command::new("nginx");
            command
                .arg("-p")
                .arg(directory)
                .args(["-c", "config", "-e", "error.log"]);
            command
        })
        .await
    }

    async fn run(port: u16, config: &str, command: impl FnOnce(&Path) -> Command) -> Self {
        let directory = tempfile::tempdir().expect("there is room for a configuration");
        std::fs::write(directory.path().join("config"), config).expect("it can be written");
        let mut command = command(directory.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway starts");
        let address = format!("127.0.0.1:{port}");
        let listening = async {
            while TcpStream::connect(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START_PATIENCE, listening)
            .await
            .is_err()
        {
            let _ = child.kill();
            let said = child.wait_with_output().expect("it can be waited for");
            panic!(
                "the gateway did not come up: {}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
        Self {
            child,
            address,
            _directory: directory,
        }
    }
}
