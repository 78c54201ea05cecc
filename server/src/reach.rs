//! How a command reaches a running service: its URL, whom it trusts there, and its API key.

use std::path::Path;

use http::HeaderValue;
use reqwest::Url;
use rustls::ClientConfig;

use crate::bank_client::{BankClientError, trusting};
use crate::codes::{Code, Coded};

/// Nothing above HTTP/1.1 is spoken to a service (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// A running service, and how to speak to it.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Without user, query or fragment.
    pub(crate) url: Url,
    /// For `https`.
    pub(crate) tls: Option<ClientConfig>,
    /// Visible ASCII.
    pub(crate) api_key: Option<String>,
}

/// What was given does not say how to reach a service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    #[error("{0} is not the URL of a service; use one such as http://127.0.0.1:8080")]
    Url(String),
    #[error(
        "the URL of the service must not contain a user, a query or a fragment; use one such as http://127.0.0.1:8080, and \
         set the API key with --api-key"
    )]
    Parts,
    #[error(
        "the API key is empty or contains characters other than visible ASCII; use it as `holdfast api-key new` printed it"
    )]
    ApiKey,
    #[error(transparent)]
    Trust(#[from] BankClientError),
}

impl Coded for ReachError {
    fn code(&self) -> Code {
        match self {
            Self::Url(_) | Self::Parts | Self::ApiKey => Code::Configuration,
            Self::Trust(error) => error.code(),
        }
    }
}

impl Reach {
    /// Checks what was given. Nothing is sent yet.
    pub(crate) fn new(
        url: &str,
        ca: Option<&Path>,
        api_key: Option<&str>,
    ) -> Result<Self, ReachError> {
        // What may hold a secret is not repeated.
        if url.contains(['@', '?', '#']) {
            return Err(ReachError::Parts);
        }
        let no_url = || ReachError::Url(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| no_url())?;
        let is_https = match parsed.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(no_url()),
        };
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(no_url());
        }
        let is_key = |key: &&str| {
            !key.is_empty() && HeaderValue::from_str(key).is_ok_and(|key| key.to_str().is_ok())
        };
        if !api_key.iter().all(is_key) {
            return Err(ReachError::ApiKey);
        }
        let tls = is_https.then(|| trusting("--ca", ca)).transpose()?;
        Ok(Self {
            url: parsed,
            tls: tls.map(|trusting| {
                let mut config = trusting.with_no_client_auth();
                config.alpn_protocols = vec![PROTOCOL.to_vec()];
                config
            }),
            api_key: api_key.map(str::to_owned),
        })
    }
}
