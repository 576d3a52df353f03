//! The listener over real sockets: how long connections may do nothing, who makes room for whom, and
//! what is set on them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use souk_kit::listener::{Networks, Options, Peer, Protocol, bind, raise_descriptor_limit, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(200);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: souk\r\n\r\n";

fn options(protocol: Protocol) -> Options {
    Options {
        protocol,
        tls: None,
        connections: 100,
        connections_per_address: 100,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: PATIENCE * 10,
        idle: PATIENCE * 10,
        drain: SHORT,
        rejection: None,
    }
}

/// A listener whose answer is `yes`, after the whole body of the request.
async fn listener(options: Options) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = tower::service_fn(|request: Request<Incoming>| async {
        let (parts, body) = request.into_parts();
        let waiting = parts.extensions.get::<Peer>().map(Peer::waiting);
        let whole = body.collect().await;
        drop(waiting);
        let answer = if whole.is_ok() { "yes" } else { "no" };
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
    });
    tokio::spawn(serve(listener, answer, options, CancellationToken::new()));
    address
}

async fn saying(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Waits until the listener closes a connection.
async fn closes(mut stream: TcpStream) -> bool {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.is_ok()
}

/// Whether a request over a connection is answered, which then stays open.
async fn answers(stream: &mut TcpStream) -> bool {
    if stream.write_all(ASK).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"yes") {
        match timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an answer") {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

#[tokio::test]
async fn a_grpc_connection_that_does_not_begin_is_closed_after_the_header_timeout() {
    let options = Options { header_timeout: SHORT, ..options(Protocol::Grpc) };
    let address = listener(options).await;
    for beginning in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", PREFACE] {
        let stream = saying(address, beginning).await;
        assert!(closes(stream).await, "{:?}", String::from_utf8_lossy(beginning));
    }
}

#[tokio::test]
async fn a_grpc_connection_that_begins_and_asks_nothing_is_closed_when_it_is_idle() {
    let options = Options { idle: SHORT, ..options(Protocol::Grpc) };
    let address = listener(options).await;
    assert!(closes(saying(address, &[PREFACE, &SETTINGS].concat()).await).await);
}

#[tokio::test]
async fn a_grpc_connection_that_has_asked_is_closed_when_it_is_idle() {
    let options = Options { idle: SHORT, ..options(Protocol::Grpc) };
    let address = listener(options).await;
    // GET, http, /, of the static table, and `a` as the authority
    let headers = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let request = [PREFACE, &SETTINGS, &headers].concat();
    let mut stream = saying(address, &request).await;
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it closes").unwrap();
    assert!(bytes.windows(3).any(|part| part == b"yes"), "it was answered first");
}

#[tokio::test]
async fn a_kept_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let options = Options { header_timeout: SHORT, ..options(Protocol::Http) };
    let mut stream = saying(listener(options).await, b"").await;
    for _ in 0..3 {
        assert!(answers(&mut stream).await);
        sleep(SHORT * 2).await;
    }
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_it_is_idle() {
    let options = Options { idle: SHORT, ..options(Protocol::Http) };
    let mut stream = saying(listener(options).await, b"").await;
    assert!(answers(&mut stream).await);
    assert!(closes(stream).await);
}

#[tokio::test]
async fn a_second_head_must_come_as_fast_as_the_first() {
    let options = Options { header_timeout: SHORT, ..options(Protocol::Http) };
    let mut stream = saying(listener(options).await, b"").await;
    assert!(answers(&mut stream).await);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: so").await.unwrap();
    assert!(closes(stream).await);
}

#[tokio::test]
async fn the_idlest_connections_make_room_and_those_at_work_stay() {
    let options = Options { connections: 4, ..options(Protocol::Http) };
    let address = listener(options).await;
    let mut kept = saying(address, b"").await;
    assert!(answers(&mut kept).await);
    // all of these want the three other places; each new one finds `kept` the least idle
    let mut others = Vec::new();
    for _ in 0..10 {
        let mut other = saying(address, b"").await;
        assert!(answers(&mut other).await);
        others.push(other);
        // longer than what two points in time differ by at least
        sleep(Duration::from_millis(5)).await;
        assert!(answers(&mut kept).await);
    }
    let mut open = 0;
    for mut other in others {
        open += usize::from(answers(&mut other).await);
    }
    assert!(open <= 3, "{open} connections besides the first");
}

#[tokio::test]
async fn silent_http2_connections_make_room() {
    let options = Options { connections: 5, ..options(Protocol::Http) };
    let address = listener(options).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(saying(address, &[PREFACE, &SETTINGS].concat()).await);
    }
    assert!(answers(&mut saying(address, b"").await).await);
}

#[tokio::test]
async fn connections_that_wait_for_a_body_make_room() {
    let options = Options { connections: 5, ..options(Protocol::Http) };
    let address = listener(options).await;
    let stalled = b"POST / HTTP/1.1\r\nhost: souk\r\ncontent-length: 9\r\n\r\nx";
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(saying(address, stalled).await);
    }
    assert!(answers(&mut saying(address, b"").await).await);
}

#[tokio::test]
async fn a_burst_of_connections_waits_for_the_listener_and_is_not_dropped() {
    raise_descriptor_limit();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut burst = Vec::new();
    // nobody accepts them yet
    for number in 0..1_000 {
        let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
        burst.push(connected.unwrap_or_else(|_| panic!("number {number} was dropped")).unwrap());
    }
}

/// Small writes that wait for each other's acknowledgement cost 40 ms each.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn accepted_connections_send_at_once() {
    use rustix::net::sockopt::tcp_nodelay;
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    for protocol in [Protocol::Http, Protocol::Grpc] {
        let address = listener(options(protocol)).await;
        let mut stream = saying(address, &[PREFACE, &SETTINGS].concat()).await;
        // its settings: the connection is being served
        timeout(PATIENCE, stream.read_u8()).await.expect("an answer").unwrap();
        let client = stream.local_addr().unwrap();
        let process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        // the other end of the connection is in this process, too
        let accepted = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|fd| pidfd_getfd(&process, fd, PidfdGetfdFlags::empty()).ok())
            .find(|fd| {
                let peer = rustix::net::getpeername(fd).ok().flatten();
                peer.and_then(|peer| SocketAddr::try_from(peer).ok()) == Some(client)
            })
            .expect("the accepted socket");
        assert!(tcp_nodelay(&accepted).unwrap(), "{protocol:?}");
    }
}
