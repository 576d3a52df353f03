//! TLS for REST.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use souk_kit::listener::Tls;

/// The files that it takes; without them, REST is without TLS.
#[derive(Debug, Args)]
pub struct TlsFiles {
    /// The certificate with which REST is served over TLS, in PEM, followed by those between it and an
    /// authority; read again when it changes
    #[arg(long, env = "SOUK_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, env = "SOUK_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl TlsFiles {
    /// Whether any is named.
    pub fn is_some(&self) -> bool {
        self.tls_certificate.is_some() || self.tls_key.is_some()
    }

    /// What a listener needs for TLS.
    pub async fn load(&self) -> anyhow::Result<Option<Tls>> {
        match (&self.tls_certificate, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let tls = Tls::load(certificate, key).await;
                tls.map(Some).context("--tls-certificate and --tls-key")
            }
            _ => bail!("--tls-certificate and --tls-key need each other"),
        }
    }
}
