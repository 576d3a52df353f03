//! What one client has of the connections of a listener, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
// clients of several addresses, which other systems have not
#![cfg(target_os = "linux")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use souk_kit::listener::{Networks, Options, Peer, Protocol, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: souk\r\n\r\n";
const HANG: &[u8] = b"GET /never HTTP/1.1\r\nhost: souk\r\n\r\n";

/// A listener of which one client may have three connections. It answers with the address that asks, or
/// never, and has a permit for each request that it never answers.
async fn listener(proxies: Networks) -> (SocketAddr, Arc<Semaphore>) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let hanging = Arc::new(Semaphore::new(0));
    let begun = hanging.clone();
    let answer = tower::service_fn(move |request: Request<Incoming>| {
        let begun = begun.clone();
        async move {
            if request.uri().path() == "/never" {
                begun.add_permits(1);
                std::future::pending::<()>().await;
            }
            let address = request.extensions().get::<Peer>().unwrap().address;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("<{address}>")))))
        }
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections: 100,
        connections_per_address: 3,
        proxies,
        streams: 100,
        header_timeout: PATIENCE * 10,
        idle: PATIENCE * 10,
        drain: Duration::from_millis(200),
        rejection: None,
    };
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    (address, hanging)
}

/// A connection from an address of this machine, which says something.
async fn saying(from: &str, to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// The address that the listener tells whoever asks; nothing from one that has been closed.
async fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(ASK).await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b">") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an answer");
        if read.is_ok_and(|bytes| bytes > 0) {
            continue;
        }
        return None;
    }
    let begin = answer.iter().position(|byte| *byte == b'<')?;
    Some(String::from_utf8_lossy(&answer[begin + 1..answer.len() - 1]).into_owned())
}

#[tokio::test]
async fn a_request_knows_the_address_that_it_comes_from() {
    let (address, _) = listener(Networks::default()).await;
    for from in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(ask(&mut saying(from, address, b"").await).await.as_deref(), Some(from));
    }
}

#[tokio::test]
async fn a_client_with_too_many_connections_loses_its_own_idlest() {
    let (address, _) = listener(Networks::default()).await;
    let mut neighbour = saying("127.0.0.2", address, b"").await;
    assert!(ask(&mut neighbour).await.is_some());
    let mut own = Vec::new();
    for _ in 0..10 {
        // longer than what two points in time differ by at least
        sleep(Duration::from_millis(5)).await;
        let mut stream = saying("127.0.0.1", address, b"").await;
        assert!(ask(&mut stream).await.is_some());
        own.push(stream);
    }
    let mut open = Vec::new();
    for (number, stream) in own.iter_mut().enumerate() {
        if ask(stream).await.is_some() {
            open.push(number);
        }
    }
    assert_eq!(open, [7, 8, 9]);
    assert!(ask(&mut neighbour).await.is_some(), "the idlest of all is another's");
}

#[tokio::test]
async fn where_all_of_its_connections_are_at_work_a_clients_newest_is_closed() {
    let (address, hanging) = listener(Networks::default()).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(saying("127.0.0.1", address, HANG).await);
    }
    let _at_work = timeout(PATIENCE, hanging.acquire_many(3)).await.expect("all are at work");
    assert!(ask(&mut saying("127.0.0.1", address, b"").await).await.is_none());
    assert!(ask(&mut saying("127.0.0.2", address, b"").await).await.is_some());
    // there is room again when one has gone
    busy.pop();
    let served =
        async { while ask(&mut saying("127.0.0.1", address, b"").await).await.is_none() {} };
    timeout(PATIENCE, served).await.expect("a connection is served");
}

#[tokio::test]
async fn the_connections_of_a_proxy_are_those_of_many() {
    let (address, hanging) =
        listener(["127.0.0.0/30".parse().unwrap()].into_iter().collect()).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(saying("127.0.0.1", address, HANG).await);
    }
    let _at_work = timeout(PATIENCE, hanging.acquire_many(20)).await.expect("all are at work");
    assert!(ask(&mut saying("127.0.0.1", address, b"").await).await.is_some());
}
