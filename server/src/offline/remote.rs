//! The journal of a running service, read over HTTP page by page.

use std::collections::VecDeque;
use std::time::Duration;

use holdfast_core::JournalEntry;
use http::StatusCode;
use reqwest::{Client, Url};
use serde::Deserialize;

use crate::causes::causes;
use crate::codes::{Code, Coded};
use crate::reach::Reach;
use crate::tls::install_provider;

/// The service must answer each page within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The journal could not be read from the service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("cannot reach the service: {}", causes(.0))]
    Http(#[from] reqwest::Error),
    #[error("the service answered {status}: {body}. {}", advice(*status))]
    Refused { status: StatusCode, body: String },
    #[error("the response of the service is not a page of its journal: {0}")]
    Page(#[from] serde_json::Error),
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(
        "entry {0} belongs to another merchant. A running service shows an operator only the entries of one merchant. \
         For a service with several merchants, stop it and export its data directory"
    )]
    Foreign(u64),
}

impl Coded for RemoteError {
    fn code(&self) -> Code {
        match self {
            Self::Foreign(_) => Code::SeveralMerchants,
            Self::Http(_) | Self::Refused { .. } | Self::Page(_) => Code::Remote,
            Self::Runtime(_) => Code::System,
        }
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "Use an API key with the role operator: --api-key"
        }
        StatusCode::NOT_FOUND => {
            "For --url, use the address that `holdfast serve` prints, without a path"
        }
        _ => "Try again, or stop the service and export its directory with --data",
    }
}

/// Characters of an answer that are repeated in an error: it may be anybody's page.
const QUOTED_CHARS_MAX: usize = 500;

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Item>,
    read_to: u64,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    sequence: u64,
    entry: JournalEntry,
}

/// The journal, entry by entry, up to the end that it had when it was reached.
pub(super) struct Remote {
    runtime: tokio::runtime::Runtime,
    client: Client,
    journal: Url,
    api_key: Option<String>,
    ahead: VecDeque<Item>,
    /// The sequence of the last entry that came.
    reached: u64,
    /// Where the next page begins; `None` at the end.
    after: Option<String>,
}

impl Remote {
    pub(super) fn new(service: Reach) -> Result<Self, RemoteError> {
        install_provider();
        let base = service.url.as_str().trim_end_matches('/');
        let journal = Url::parse(&format!("{base}/v1/journal"));
        let client = Client::builder().no_proxy().timeout(PATIENCE);
        let client = match service.tls {
            Some(tls) => client.tls_backend_preconfigured(tls),
            None => client,
        };
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            client: client.build()?,
            journal: journal.expect("a longer path is a URL still"),
            api_key: service.api_key,
            ahead: VecDeque::new(),
            reached: 0,
            after: Some("0".to_owned()),
        })
    }

    fn page(&self, after: &str) -> Result<Page, RemoteError> {
        let mut journal = self.journal.clone();
        journal.query_pairs_mut().append_pair("after", after);
        let mut request = self.client.get(journal);
        if let Some(api_key) = &self.api_key {
            request = request.bearer_auth(api_key);
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            let body = response.text().await?;
            if status != StatusCode::OK {
                let body = body.chars().take(QUOTED_CHARS_MAX).collect();
                return Err(RemoteError::Refused { status, body });
            }
            Ok(serde_json::from_str(&body)?)
        })
    }
}

impl Iterator for Remote {
    type Item = Result<(u64, JournalEntry), RemoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ahead.is_empty() {
            let after = self.after.take()?;
            match self.page(&after) {
                Ok(page) => {
                    for item in &page.data {
                        if item.sequence != self.reached + 1 {
                            return Some(Err(RemoteError::Foreign(self.reached + 1)));
                        }
                        self.reached = item.sequence;
                    }
                    if page.read_to > self.reached {
                        // Entries that are not shown to this operator: half a journal is no backup.
                        return Some(Err(RemoteError::Foreign(self.reached + 1)));
                    }
                    self.ahead.extend(page.data);
                    self.after = page.next_cursor;
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let Item { sequence, entry } = self.ahead.pop_front()?;
        Some(Ok((sequence, entry)))
    }
}
