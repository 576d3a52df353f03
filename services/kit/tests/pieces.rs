//! Answers that come in pieces: how long a client may wait for the next, and how long it may take.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use souk_kit::listener::{Networks, Options, Protocol, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// As long as a connection may be idle.
const IDLE: Duration = Duration::from_millis(200);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: souk\r\n\r\n";

/// A listener whose answer has a piece of this size whenever there is leave for one more.
async fn listener(size: usize, leave: watch::Receiver<usize>) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(move |_: Request<Incoming>| {
        let pieces = stream::unfold((leave.clone(), 0), move |(mut leave, given)| async move {
            leave.wait_for(|leave| *leave > given).await.ok()?;
            let piece = Frame::data(Bytes::from(vec![b'.'; size]));
            Some((Ok::<_, Infallible>(piece), (leave, given + 1)))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(pieces)))) }
    });
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections: 100,
        connections_per_address: 100,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: PATIENCE,
        idle: IDLE,
        drain: IDLE,
        rejection: None,
    };
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    address
}

async fn asking(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    stream
}

/// Reads until a piece is there.
async fn piece(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b".\r\n") {
        match timeout(PATIENCE, stream.read_buf(&mut read)).await.expect("a piece") {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

#[tokio::test]
async fn a_client_may_wait_for_the_next_piece_for_longer_than_a_connection_may_be_idle() {
    let (leave, pieces) = watch::channel(0);
    let mut stream = asking(listener(1, pieces).await).await;
    for more in 1..=3 {
        sleep(IDLE * 2).await;
        leave.send(more).unwrap();
        assert!(piece(&mut stream).await, "piece {more}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_take_the_pieces_that_are_there_is_cut_off() {
    let (leave, pieces) = watch::channel(usize::MAX);
    let stream = asking(listener(64 * 1024, pieces).await).await;
    let answers = |count: usize| leave.receiver_count() == 1 + count;
    // it begins, and is dropped with its connection
    for count in [1, 0] {
        let happens = async {
            while !answers(count) {
                sleep(IDLE / 20).await;
            }
        };
        timeout(PATIENCE, happens).await.unwrap_or_else(|_| panic!("{count} answers"));
    }
    drop(stream);
}
