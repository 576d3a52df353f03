//! Streams of answers that their clients do not take: what others still get, and how long they last.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
// clients of several addresses, which other systems have not
#![cfg(target_os = "linux")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use souk_kit::Channel;
use souk_kit::auth::{AUDIENCE, Verifier};
use souk_kit::listener::{Networks, Options, Pace, Protocol, bind, serve};
use souk_kit::stack::{Limits, Stack};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, service_fn};

/// As long as a client may let a stream wait.
const SHORT: Duration = Duration::from_millis(500);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const DOWNLOAD: &str = "/souk.catalog.v2.CatalogService/DownloadImage";
const CALL: &str = "/souk.catalog.v2.CatalogService/GetProduct";

/// A message of this many bytes.
fn message(size: u32) -> Bytes {
    [&[0][..], &size.to_be_bytes(), &vec![b'.'; size as usize]].concat().into()
}

/// Answers calls at once, and has messages of 64 KiB for downloads, one whenever there is leave for one more.
async fn service(limits: Limits, leave: watch::Receiver<usize>) -> SocketAddr {
    let inner = service_fn(move |request: Request<Body>| {
        let messages = stream::unfold((leave.clone(), 0), |(mut leave, given)| async move {
            leave.wait_for(|leave| *leave > given).await.ok()?;
            Some((Ok::<_, Status>(Frame::data(message(65_536))), (leave, given + 1)))
        });
        let body = match request.uri().path() {
            CALL => Body::new(Full::new(message(0))),
            _ => Body::new(StreamBody::new(messages.boxed())),
        };
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let nobody = Channel::in_process(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Status::unavailable("").into_http())
    }));
    let mut stack = Stack::new(inner, Arc::new(Verifier::new(nobody, AUDIENCE)), limits);
    listener(service_fn(move |request: Request<Incoming>| stack.call(request.map(Body::new)))).await
}

async fn listener<S>(handler: S) -> SocketAddr
where
    S: souk_kit::listener::Handler<Body>,
{
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let options = Options {
        protocol: Protocol::Http,
        tls: None,
        connections: 100,
        connections_per_address: 100,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: PATIENCE * 10,
        idle: PATIENCE * 10,
        drain: SHORT,
        rejection: None,
    };
    tokio::spawn(serve(listener, handler, options, CancellationToken::new()));
    address
}

/// A connection of a client that gives so much room for each answer.
struct Client(http2::SendRequest<Full<Bytes>>);

impl Client {
    async fn from(own: &str, address: SocketAddr, window: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
        let io = TokioIo::new(socket.connect(address).await.unwrap());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let handshake = builder.initial_stream_window_size(window).handshake(io);
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn ask(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::post(format!("http://souk{path}"));
        let request = request.header("content-type", "application/grpc");
        let request = request.body(Full::new(message(0))).unwrap();
        timeout(PATIENCE, self.0.send_request(request)).await.expect("an answer").unwrap()
    }

    /// Asks until there is a place for it.
    async fn ask_until_taken(&mut self, path: &str) -> Response<Incoming> {
        let asking = async {
            loop {
                let answer = self.ask(path).await;
                if refusal(&answer).is_none() {
                    return answer;
                }
                sleep(SHORT / 10).await;
            }
        };
        timeout(PATIENCE, asking).await.expect("a place")
    }
}

/// Why a call was refused.
fn refusal(answer: &Response<Incoming>) -> Option<Status> {
    Status::from_header_map(answer.headers())
}

/// Takes so many bytes of an answer.
async fn take(answer: &mut Response<Incoming>, bytes: usize) {
    let mut taken = 0;
    while taken < bytes {
        let frame = timeout(PATIENCE, answer.frame()).await.expect("more").unwrap().unwrap();
        taken += frame.into_data().unwrap().len();
    }
}

#[tokio::test]
async fn streams_that_nobody_takes_leave_calls_their_permits() {
    let limits = Limits { calls: 8, answers: 8, patience: PATIENCE * 10, ..Limits::default() };
    let (_leave, pieces) = watch::channel(usize::MAX);
    let address = service(limits, pieces).await;
    let mut stalled = Vec::new();
    for own in ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"] {
        let mut client = Client::from(own, address, 1).await;
        for _ in 0..2 {
            let answer = client.ask(DOWNLOAD).await;
            assert!(refusal(&answer).is_none(), "{answer:?}");
            stalled.push(answer);
        }
    }
    let mut honest = Client::from("127.0.0.1", address, 65_536).await;
    for _ in 0..20 {
        assert!(refusal(&honest.ask(CALL).await).is_none());
    }
}

#[tokio::test]
async fn an_address_has_a_quarter_of_the_streams_over_all_its_connections() {
    let limits = Limits { answers: 8, patience: PATIENCE * 10, ..Limits::default() };
    let (_leave, pieces) = watch::channel(0);
    let address = service(limits, pieces).await;
    let mut begun = Vec::new();
    for expected in [None, None, Some(Code::ResourceExhausted)] {
        let mut client = Client::from("127.0.0.2", address, 65_536).await;
        let answer = client.ask(DOWNLOAD).await;
        assert_eq!(refusal(&answer).map(|status| status.code()), expected);
        begun.push((client, answer));
    }
    let mut other = Client::from("127.0.0.3", address, 65_536).await;
    assert!(refusal(&other.ask(DOWNLOAD).await).is_none());
    // what is held at once counts, by whichever connection
    begun.remove(0);
    Client::from("127.0.0.2", address, 65_536).await.ask_until_taken(DOWNLOAD).await;
}

#[tokio::test]
async fn a_stream_that_is_taken_byte_by_byte_is_reset_and_its_connection_goes_on() {
    let limits = Limits { answers: 1, patience: SHORT, ..Limits::default() };
    let (_leave, pieces) = watch::channel(usize::MAX);
    let address = service(limits, pieces).await;
    for window in [0, 1] {
        let mut client = Client::from("127.0.0.1", address, window).await;
        let mut answer = client.ask_until_taken(DOWNLOAD).await;
        assert!(refusal(&client.ask(DOWNLOAD).await).is_some());
        let trickle = async {
            while let Some(Ok(_)) = answer.frame().await {
                sleep(SHORT / 10).await;
            }
        };
        timeout(PATIENCE, trickle).await.expect("it is reset");
        assert!(refusal(&client.ask(CALL).await).is_none());
        client.ask_until_taken(DOWNLOAD).await;
    }
}

#[tokio::test]
async fn a_client_that_waits_for_the_service_may_wait_and_a_slow_one_may_be_slow() {
    let limits = Limits { patience: SHORT, ..Limits::default() };
    let (leave, pieces) = watch::channel(0);
    let address = service(limits, pieces).await;
    let mut client = Client::from("127.0.0.1", address, 65_536).await;
    let mut answer = client.ask(DOWNLOAD).await;
    for given in 1..=3 {
        sleep(SHORT * 2).await;
        leave.send(given).unwrap();
        take(&mut answer, message(65_536).len()).await;
    }
    // in all it takes far longer than it may for one step
    leave.send(usize::MAX).unwrap();
    for _ in 0..12 {
        sleep(SHORT / 3).await;
        take(&mut answer, 65_536).await;
    }
}

#[tokio::test]
async fn over_http_1_a_client_that_takes_nothing_loses_its_connection() {
    let pieces = || stream::repeat_with(|| Ok::<_, Status>(Frame::data(vec![b'.'; 65_536].into())));
    let answer = service_fn(move |_: Request<Incoming>| async move {
        let mut response = Response::new(Body::new(StreamBody::new(pieces())));
        response.extensions_mut().insert(Pace::of(SHORT));
        Ok::<_, Infallible>(response)
    });
    let address = listener(answer).await;
    let mut stream = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    sleep(SHORT * 5).await;
    let rest = async {
        let mut buffer = vec![0; 65_536];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    timeout(PATIENCE, rest).await.expect("an end");
}
