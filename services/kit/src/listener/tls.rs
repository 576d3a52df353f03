//! TLS: a certificate and its key, from files that may be replaced while the process runs.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::fs;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// How often to look whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// What is spoken, the first rather than the second (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a listener needs for TLS. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What was in the files when they were last read, of use or not; `None` when they could not be.
    seen: Option<Pem>,
}

impl Tls {
    /// Reads a certificate, followed by those between it and an authority, and its key, both in PEM.
    ///
    /// # Errors
    ///
    /// A file cannot be read or has something else in it, or the key is another's.
    pub async fn load(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let pem = Pem::read(certificate, key).await?;
        let current = RwLock::new(Current { config: pem.config()?, seen: Some(pem) });
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self(Arc::new(Inner { certificate, key, current })))
    }

    /// Reads the files again. When they have changed, new connections have the new certificate.
    ///
    /// # Errors
    ///
    /// They have changed to something of no use. The old certificate stays, and the error is not told
    /// again before they change again.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        let pem = Pem::read(&self.0.certificate, &self.0.key).await;
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        if pem.as_ref().ok() == current.seen.as_ref() {
            return Ok(());
        }
        current.seen = pem.as_ref().ok().cloned();
        current.config = pem?.config()?;
        tracing::info!("new connections have a new certificate");
        Ok(())
    }

    /// Looks after the files for ever.
    pub(super) async fn keep_fresh(&self) -> Infallible {
        loop {
            sleep(LOOK).await;
            if let Err(error) = self.refresh().await {
                let error = format!("{error:#}");
                tracing::warn!(error, "the new certificate is of no use: the old one stays");
            }
        }
    }

    /// Does the handshake of a connection.
    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.0.current.read().unwrap_or_else(PoisonError::into_inner).config.clone();
        TlsAcceptor::from(config).accept(tcp).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.0.certificate).finish_non_exhaustive()
    }
}

/// What is in the two files.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pem {
    async fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = async |path: &Path| {
            fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self { certificate: read(certificate).await?, key: read(key).await? })
    }

    fn config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.context("the certificate is no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("the key is no PEM")?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("the certificate and the key")?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Arc::new(config))
    }
}
