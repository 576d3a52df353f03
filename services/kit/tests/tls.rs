//! A listener with TLS, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertifiedKey;
use souk_kit::listener::{Networks, Options, Protocol, Tls, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(300);
/// Far more than anything here takes, and more than that.
const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(100);

/// A certificate and its key in files, which go with the test.
struct Files {
    dir: PathBuf,
    tls: Tls,
}

impl Files {
    async fn new(name: &str) -> (Self, CertificateDer<'static>) {
        let dir = std::env::temp_dir().join(format!("souk-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let certificate = replace(&dir);
        let tls = Tls::load(&dir.join("certificate"), &dir.join("key")).await.unwrap();
        (Self { dir, tls }, certificate)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.join(file), text).unwrap();
    }

    fn replace(&self) -> CertificateDer<'static> {
        replace(&self.dir)
    }
}

fn replace(dir: &std::path::Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("certificate"), cert.pem()).unwrap();
    std::fs::write(dir.join("key"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A listener that answers with the version of HTTP that it was asked in.
async fn listener(tls: &Tls, connections: usize, header_timeout: Duration) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(|request: Request<Incoming>| async move {
        let answer = format!("{:?}", request.version());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: Some(tls.clone()),
        connections,
        connections_per_address: connections,
        proxies: Networks::default(),
        streams: 100,
        header_timeout,
        idle: LONG,
        drain: SHORT,
        rejection: None,
    };
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    address
}

/// A connection of a client that trusts one certificate; `None` when the other side has another.
async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    timeout(PATIENCE, connecting).await.expect("a handshake").ok()
}

fn protocol(stream: &TlsStream<TcpStream>) -> Option<&[u8]> {
    stream.get_ref().1.alpn_protocol()
}

/// Whether the other side closes a connection.
async fn closes(mut stream: TcpStream) -> bool {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.is_ok()
}

#[tokio::test]
async fn a_client_chooses_http2_or_http1_in_the_handshake() {
    let (files, certificate) = Files::new("versions").await;
    let address = listener(&files.tls, 100, LONG).await;

    let stream = connect(address, &certificate, &[b"http/1.1", b"h2"]).await.unwrap();
    assert_eq!(protocol(&stream), Some(&b"h2"[..]));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0");

    let mut stream = connect(address, &certificate, &[b"http/1.1"]).await.unwrap();
    assert_eq!(protocol(&stream), Some(&b"http/1.1"[..]));
    let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut answer = String::new();
    // to the end that TLS announces: an answer that was cut off would be an error
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.ends_with("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn new_connections_have_a_new_certificate_and_old_ones_go_on() {
    let (files, old) = Files::new("renewal").await;
    let address = listener(&files.tls, 100, LONG).await;
    let mut kept = connect(address, &old, &[]).await.unwrap();
    let new = files.replace();
    files.tls.refresh().await.unwrap();
    assert!(connect(address, &new, &[]).await.is_some());
    assert!(connect(address, &old, &[]).await.is_none());
    kept.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, kept.read_to_string(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.ends_with("HTTP/1.0"), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_of_no_use_leaves_the_old_one_and_is_told_once() {
    let (files, old) = Files::new("broken").await;
    let address = listener(&files.tls, 100, LONG).await;
    let key = std::fs::read_to_string(files.dir.join("key")).unwrap();
    files.replace();
    // the key of the old one: the files are replaced one after the other
    files.write("key", &key);
    assert!(files.tls.refresh().await.is_err());
    assert!(files.tls.refresh().await.is_ok());
    std::fs::remove_file(files.dir.join("key")).unwrap();
    assert!(files.tls.refresh().await.is_err());
    assert!(files.tls.refresh().await.is_ok());
    files.write("certificate", "garbage");
    files.write("key", "garbage");
    assert!(files.tls.refresh().await.is_err());
    assert!(connect(address, &old, &[]).await.is_some());
    let new = files.replace();
    files.tls.refresh().await.unwrap();
    assert!(connect(address, &new, &[]).await.is_some());
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let (files, certificate) = Files::new("sending").await;
    let address = listener(&files.tls, 100, LONG).await;
    let stream = connect(address, &certificate, &[]).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = tokio::spawn(async move {
        let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n";
        writer.write_all(head).await.unwrap();
        writer.write_all(&[b'.'; 4_000_000]).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut answer = String::new();
    timeout(PATIENCE, reader.read_to_string(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.ends_with("HTTP/1.1"), "{answer}");
    sending.await.unwrap();
}

#[tokio::test]
async fn what_is_no_handshake_is_closed() {
    let (files, certificate) = Files::new("garbage").await;
    let address = listener(&files.tls, 1, LONG).await;
    // a request without TLS, nothing at all, and a record of TLS that is no handshake
    let request = &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..];
    for garbage in [request, &[0; 100], &[0x16, 3, 1, 0, 4, 9, 0, 0, 0]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        assert!(closes(stream).await, "{garbage:?}");
        // and its place is free
        assert!(connect(address, &certificate, &[]).await.is_some());
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_delays_nobody_and_is_closed_after_the_header_timeout() {
    let (files, certificate) = Files::new("stalled").await;
    let address = listener(&files.tls, 100, SHORT).await;
    let mut stalled = Vec::new();
    // nothing, the beginning of a record, and of a handshake
    for beginning in [&b""[..], &[0x16, 3, 1], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        stalled.push(stream);
    }
    assert!(connect(address, &certificate, &[]).await.is_some());
    for stream in stalled {
        assert!(closes(stream).await);
    }
}

#[tokio::test]
async fn handshakes_that_stall_make_room() {
    let (files, certificate) = Files::new("crowd").await;
    let address = listener(&files.tls, 3, LONG).await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(connect(address, &certificate, &[]).await.is_some());
}
