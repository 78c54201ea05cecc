//! TLS for clients: the certificate and its key come from PEM files, which are read again after a renewal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::codes::{Code, Coded};

/// HTTP/2 if the client supports it, otherwise HTTP/1.1 (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of the certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// The certificate, followed by the intermediate certificates.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {option} {}: {problem}", path.display())]
    File {
        option: &'static str,
        path: PathBuf,
        problem: String,
    },
    #[error("the key in tls_key {} does not belong to the certificate in tls_certificate {}: {source}", key.display(), certificate.display())]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
}

impl Coded for TlsError {
    fn code(&self) -> Code {
        Code::Tls
    }
}

/// The current certificate. A new connection gets the one that is current when it is made.
#[derive(Clone)]
pub(crate) struct Tls {
    options: TlsOptions,
    config: watch::Sender<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn new(options: TlsOptions) -> Result<Self, TlsError> {
        let config = watch::Sender::new(config(&options)?);
        Ok(Self { options, config })
    }

    /// Reads the files again. If they cannot be used, the current certificate stays.
    pub(crate) fn read_again(&self) -> Result<(), TlsError> {
        self.config.send_replace(config(&self.options)?);
        Ok(())
    }

    /// An acceptor for the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.borrow().clone().into()
    }
}

/// Sets the cryptography provider of all TLS in this process.
pub(crate) fn install_provider() {
    // If other code in this process has set a provider already, that one is good enough too.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn config(options: &TlsOptions) -> Result<Arc<ServerConfig>, TlsError> {
    install_provider();
    let failed = |option, path: &Path, problem: String| TlsError::File {
        option,
        path: path.to_owned(),
        problem,
    };
    let TlsOptions { certificate, key } = options;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed("tls_certificate", certificate, error.to_string()))?;
    if chain.is_empty() {
        let problem = "it contains no certificate; use a PEM file with the certificate of the service first, then the intermediate certificates";
        return Err(failed("tls_certificate", certificate, problem.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| failed("tls_key", key, error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| TlsError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}
