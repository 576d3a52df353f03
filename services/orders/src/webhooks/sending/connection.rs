//! A connection for one call.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error};
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::CONNECTING;

/// So much of an answer is read, its head and its framing included. It is more than is kept: who is cut off
/// while answering may take it for a failure.
const READ: u64 = 64 * 1024;

/// No more addresses of a name are tried, so that each has a second and more.
const TRIED: usize = 4;

/// TCP, or TLS upon it.
pub(super) type Stream = Box<dyn Duplex>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// TLS that trusts whom the system trusts, and these.
pub(super) fn tls(
    trusted: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<TlsConnector, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(trusted, provider.clone())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

/// Connects to one of the addresses. The certificate is for the URL's host.
pub(super) async fn open(
    url: &Url,
    addresses: &[SocketAddr],
    tls: Option<&TlsConnector>,
) -> io::Result<Stream> {
    let stream = connect(addresses).await?;
    stream.set_nodelay(true)?;
    if url.scheme() == "http" {
        return Ok(Box::new(stream));
    }
    let tls = tls.ok_or(io::ErrorKind::Unsupported)?;
    Ok(Box::new(tls.connect(server_name(url)?, stream).await?))
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let tried = &addresses[..addresses.len().min(TRIED)];
    for address in tried {
        // one that is silent leaves time for the others
        let share = CONNECTING / u32::try_from(tried.len()).unwrap_or(u32::MAX);
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(io::ErrorKind::NotConnected.into())
}

fn server_name(url: &Url) -> io::Result<ServerName<'static>> {
    match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(io::Error::other),
        Some(Host::Ipv4(address)) => Ok(address.into()),
        Some(Host::Ipv6(address)) => Ok(address.into()),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Sends a request, and waits for the head of the answer. Where what this returns is dropped, or it is dropped
/// itself, the connection is gone at once: nobody can keep it by not reading.
pub(super) async fn call(
    stream: Stream,
    request: Request<Full<Bytes>>,
) -> hyper::Result<(Response<Incoming>, AbortOnDropHandle<hyper::Result<()>>)> {
    let (reading, writing) = tokio::io::split(stream);
    let limited = tokio::io::join(reading.take(READ), writing);
    let (mut calls, connection) = http1::handshake(TokioIo::new(limited)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    Ok((calls.send_request(request).await?, connection))
}
