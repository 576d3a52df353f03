//! Clients that ask and do not take what they are answered.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use souk_kit::listener::{Networks, Options, Protocol, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const MIB: usize = 1024 * 1024;

/// A listener whose answer to everything has so many bytes.
async fn listener(connections: usize, bytes: usize) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(move |_: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'.'; bytes]))))
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections,
        connections_per_address: connections,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: PATIENCE * 10,
        idle: PATIENCE * 10,
        drain: Duration::from_millis(200),
        rejection: None,
    };
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    address
}

/// A connection that gives no room for answers.
struct Mute {
    sender: http2::SendRequest<Empty<Bytes>>,
    connection: JoinHandle<()>,
    held: Vec<Response<Incoming>>,
}

impl Mute {
    async fn to(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.initial_stream_window_size(0).handshake(io).await.unwrap();
        let connection = tokio::spawn(async move { connection.await.unwrap_or_default() });
        Self { sender, connection, held: Vec::new() }
    }

    /// Asks, and sees the beginning of an answer; whether there was one.
    async fn ask(&mut self) -> bool {
        let request = Request::get("http://souk/").body(Empty::new()).unwrap();
        let answer = timeout(PATIENCE, self.sender.send_request(request)).await.unwrap();
        answer.map(|answer| self.held.push(answer)).is_ok()
    }
}

#[tokio::test]
async fn who_leaves_most_unread_when_it_is_too_much_loses_the_connection() {
    let address = listener(100, MIB).await;
    let (mut greedy, mut modest) = (Mute::to(address).await, Mute::to(address).await);
    assert!(modest.ask().await);
    let mut asked = 0;
    while greedy.ask().await {
        asked += 1;
        assert!(asked < 60, "{asked} MiB are unread");
    }
    assert!(asked >= 30, "only {asked} MiB were unread");
    timeout(PATIENCE, greedy.connection).await.expect("it is closed").unwrap();
    assert!(modest.ask().await);
    assert!(!modest.connection.is_finished());
}

#[tokio::test]
async fn a_connection_whose_answers_are_unread_makes_room_for_others() {
    let address = listener(3, 1_000).await;
    let mut mutes = Vec::new();
    for _ in 0..3 {
        let mut mute = Mute::to(address).await;
        assert!(mute.ask().await);
        mutes.push(mute);
    }
    for _ in 0..3 {
        let mut other = TcpStream::connect(address).await.unwrap();
        let ask = b"GET / HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n";
        other.write_all(ask).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, other.read_to_end(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    assert!(mutes.iter().any(|mute| mute.connection.is_finished()));
}
