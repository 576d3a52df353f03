//! Connections that change their protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use souk_kit::listener::{Networks, Options, Peer, Protocol, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(200);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: souk\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

/// Sends bytes back, in capitals; whoever sends `!` gets more than a connection has room for.
async fn shout(upgrade: OnUpgrade) {
    let mut stream: TokioIo<Upgraded> = TokioIo::new(upgrade.await.unwrap());
    let mut bytes = [0; 100];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let mut heard = bytes[..count].to_ascii_uppercase();
        if heard == b"!" {
            heard = vec![b'!'; 64 * 1024 * 1024];
        }
        if stream.write_all(&heard).await.is_err() {
            return;
        }
    }
}

struct Listener {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

async fn listener(connections: usize, idle: Duration) -> Listener {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(|request: Request<Incoming>| async move {
        let mut response = Response::new(Empty::<Bytes>::new());
        if let Some(upgrade) = request.extensions().get::<OnUpgrade>() {
            request.extensions().get::<Peer>().unwrap().take_over(shout(upgrade.clone()));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("x"));
        }
        Ok::<_, Infallible>(response)
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections,
        connections_per_address: 100,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: PATIENCE,
        idle,
        drain: SHORT,
        rejection: None,
    };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, answer, options, shutdown.clone()));
    Listener { address, shutdown, serving }
}

impl Listener {
    async fn upgraded(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(ASK).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_buf(&mut head)).await.expect("an answer");
            assert_ne!(read.unwrap(), 0);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        stream
    }
}

async fn answers(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 5];
    stream.write_all(b"hello").await.is_ok()
        && timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").is_ok()
        && &answer == b"HELLO"
}

#[tokio::test]
async fn a_connection_that_has_changed_its_protocol_may_be_silent() {
    let listener = listener(10, SHORT).await;
    let mut stream = listener.upgraded().await;
    for _ in 0..3 {
        assert!(answers(&mut stream).await);
        sleep(SHORT * 2).await;
    }
}

#[tokio::test]
async fn it_keeps_its_place_until_it_ends() {
    let listener = listener(1, PATIENCE).await;
    let mut first = listener.upgraded().await;
    assert!(timeout(SHORT, listener.upgraded()).await.is_err());
    assert!(answers(&mut first).await);
    drop(first);
    assert!(answers(&mut listener.upgraded().await).await);
}

#[tokio::test]
async fn a_client_of_it_that_takes_nothing_is_cut_off() {
    let listener = listener(1, SHORT).await;
    let mut first = listener.upgraded().await;
    first.write_all(b"!").await.unwrap();
    // the place of the first
    let mut second = timeout(PATIENCE, listener.upgraded()).await.expect("room");
    assert!(answers(&mut second).await);
}

#[tokio::test]
async fn it_ends_with_the_process() {
    let listener = listener(10, PATIENCE).await;
    let mut stream = listener.upgraded().await;
    listener.shutdown.cancel();
    timeout(PATIENCE, listener.serving).await.expect("an end").unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("a closed connection").ok();
}
