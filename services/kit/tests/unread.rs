//! Clients that ask and do not take what they are answered.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
// clients of several addresses, which other systems have not
#![cfg(target_os = "linux")]

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
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const MIB: usize = 1024 * 1024;

/// A listener whose answer to everything has as many bytes as the path says.
async fn listener(connections: usize, proxies: Networks) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(|request: Request<Incoming>| async move {
        let bytes = request.uri().path()[1..].parse().unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'.'; bytes]))))
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections,
        connections_per_address: connections,
        proxies,
        streams: 100,
        header_timeout: PATIENCE * 10,
        idle: PATIENCE * 10,
        drain: Duration::from_millis(200),
        rejection: None,
    };
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    address
}

/// A connection from an address of this machine.
async fn connection(own: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

/// A connection that asks, and has not read anything of its answer.
async fn asking(address: SocketAddr, bytes: usize) -> TcpStream {
    let mut stream = connection("127.0.0.1", address).await;
    let ask = format!("GET /{bytes} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream
}

/// Reads an answer of so many bytes to its end.
async fn read(mut stream: TcpStream, bytes: usize) {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let body = answer.iter().rev().take_while(|byte| **byte == b'.').count();
    assert_eq!(body, bytes);
}

/// Longer than what two points in time differ by at least.
async fn a_moment() {
    sleep(Duration::from_millis(5)).await;
}

/// A connection that gives no room for answers.
struct Mute {
    sender: http2::SendRequest<Empty<Bytes>>,
    connection: JoinHandle<()>,
    held: Vec<Response<Incoming>>,
}

impl Mute {
    async fn to(address: SocketAddr) -> Self {
        Self::from("127.0.0.1", address).await
    }

    async fn from(own: &str, address: SocketAddr) -> Self {
        let io = TokioIo::new(connection(own, address).await);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.initial_stream_window_size(0).handshake(io).await.unwrap();
        let connection = tokio::spawn(async move { connection.await.unwrap_or_default() });
        Self { sender, connection, held: Vec::new() }
    }

    /// Asks, and sees the beginning of an answer; whether there was one.
    async fn ask(&mut self, bytes: usize) -> bool {
        let request = Request::get(format!("http://souk/{bytes}")).body(Empty::new()).unwrap();
        let answer = timeout(PATIENCE, self.sender.send_request(request)).await.unwrap();
        answer.map(|answer| self.held.push(answer)).is_ok()
    }
}

#[tokio::test]
async fn who_leaves_most_unread_when_it_is_too_much_loses_the_connection() {
    let address = listener(100, Networks::default()).await;
    let (mut greedy, mut modest) = (Mute::to(address).await, Mute::to(address).await);
    assert!(modest.ask(MIB).await);
    let mut asked = 0;
    while greedy.ask(MIB).await {
        asked += 1;
        assert!(asked < 60, "{asked} MiB are unread");
    }
    assert!(asked >= 30, "only {asked} MiB were unread");
    timeout(PATIENCE, greedy.connection).await.expect("it is closed").unwrap();
    assert!(modest.ask(MIB).await);
    assert!(!modest.connection.is_finished());
}

#[tokio::test]
async fn who_reads_a_large_answer_gets_all_of_it_whatever_others_leave_unread() {
    const LARGE: usize = 16 * MIB;
    let address = listener(100, Networks::default()).await;
    let mut mutes = Vec::new();
    for number in 2..7 {
        let mut mute = Mute::from(&format!("127.0.0.{number}"), address).await;
        assert!(mute.ask(6 * MIB).await);
        mutes.push(mute);
    }
    a_moment().await;
    // one after another, and several at once
    read(asking(address, LARGE).await, LARGE).await;
    let readers = [asking(address, LARGE).await, asking(address, LARGE).await];
    let [first, second] = readers.map(|reader| read(reader, LARGE));
    tokio::join!(first, second);
    assert!(mutes.iter().any(|mute| mute.connection.is_finished()));
}

#[tokio::test]
async fn many_connections_of_one_address_go_before_the_one_of_another() {
    let address = listener(100, Networks::default()).await;
    let mut many = Vec::new();
    for _ in 0..5 {
        let mut mute = Mute::from("127.0.0.2", address).await;
        assert!(mute.ask(4 * MIB).await);
        many.push(mute);
    }
    let mut single = Mute::from("127.0.0.3", address).await;
    assert!(single.ask(8 * MIB).await);
    a_moment().await;
    let mut last = Mute::to(address).await;
    while many.iter().all(|mute| !mute.connection.is_finished()) {
        assert!(last.held.len() < 30, "{} MiB more are unread", last.held.len());
        assert!(last.ask(MIB).await);
    }
    assert!(single.ask(1).await);
    assert!(!single.connection.is_finished());
}

#[tokio::test]
async fn the_connections_of_a_proxy_count_each_for_itself() {
    let proxies = ["127.0.0.2".parse().unwrap()].into_iter().collect();
    let address = listener(100, proxies).await;
    let mut single = Mute::from("127.0.0.3", address).await;
    assert!(single.ask(8 * MIB).await);
    let mut many = Vec::new();
    for _ in 0..5 {
        let mut mute = Mute::from("127.0.0.2", address).await;
        assert!(mute.ask(4 * MIB).await);
        many.push(mute);
    }
    a_moment().await;
    for _ in 0..6 {
        let mut other = Mute::from("127.0.0.2", address).await;
        assert!(other.ask(MIB).await);
        many.push(other);
    }
    timeout(PATIENCE, single.connection).await.expect("it is closed").unwrap();
    assert!(many.iter().all(|mute| !mute.connection.is_finished()));
}

#[tokio::test]
async fn a_connection_whose_answers_are_unread_makes_room_for_others() {
    let address = listener(3, Networks::default()).await;
    let mut mutes = Vec::new();
    for _ in 0..3 {
        let mut mute = Mute::to(address).await;
        assert!(mute.ask(1_000).await);
        mutes.push(mute);
    }
    for _ in 0..3 {
        read(asking(address, 1_000).await, 1_000).await;
    }
    assert!(mutes.iter().any(|mute| mute.connection.is_finished()));
}
