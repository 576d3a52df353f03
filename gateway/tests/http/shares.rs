//! One connection among others: it has no more than its part of what all share.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use souk_gateway::Options;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;
use crate::shop::Shop;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(8);

type Body = BoxBody<Bytes, Infallible>;

/// An HTTP/2 connection.
struct Connection {
    sender: SendRequest<Body>,
    origin: String,
}

impl Connection {
    async fn to(shop: &Shop) -> Self {
        Self::with(shop, &mut Builder::new(TokioExecutor::new())).await
    }

    async fn with(shop: &Shop, builder: &mut Builder<TokioExecutor>) -> Self {
        let io = TokioIo::new(shop.connect().await);
        let (sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self { sender, origin: format!("http://{}", shop.address) }
    }

    /// The answer to one of the requests of the connection.
    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Body,
    ) -> impl Future<Output = (StatusCode, String)> + Send + 'static {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let mut sender = self.sender.clone();
        async move {
            let response = timeout(LONG, sender.send_request(request)).await.expect("an answer");
            let (parts, body) = response.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (parts.status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    /// A call that takes no body.
    fn get(&self) -> impl Future<Output = (StatusCode, String)> + Send + 'static {
        self.ask("GET", "/v1/products/p", Body::new(Empty::new()))
    }
}

/// The beginning of a body that does not go on.
fn trickle(bytes: usize) -> Body {
    let begun = stream::iter([Ok(Frame::data(Bytes::from(vec![b' '; bytes])))]);
    Body::new(StreamBody::new(begun.chain(stream::pending())))
}

#[track_caller]
fn assert_overloaded((status, body): (StatusCode, String)) {
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"OVERLOADED\""), "{body}");
}

#[tokio::test]
async fn one_connection_has_a_quarter_of_the_calls() {
    let released = CancellationToken::new();
    let waiting = released.clone();
    let fake = Fake::with(move || {
        let waiting = waiting.clone();
        async move {
            waiting.cancelled().await;
            Ok(tonic::Response::new(Bytes::new()))
        }
    });
    let shop = Shop::with(&fake, Options { max_calls: 8, ..Options::default() }).await;
    let (greedy, other) = (Connection::to(&shop).await, Connection::to(&shop).await);
    let mut under_way = vec![tokio::spawn(greedy.get()), tokio::spawn(greedy.get())];
    sleep(SHORT).await;
    assert_overloaded(greedy.get().await);
    under_way.push(tokio::spawn(other.get()));
    sleep(SHORT).await;
    released.cancel();
    for call in under_way {
        assert_eq!(call.await.unwrap().0, 200);
    }
    // what is held at once counts, not what was asked over time
    for _ in 0..8 {
        assert_eq!(greedy.get().await.0, 200);
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_are_no_calls() {
    let options = Options { max_calls: 8, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let mut unread = Vec::new();
    for _ in 0..5 {
        let mut builder = Builder::new(TokioExecutor::new());
        let mute = Connection::with(&shop, builder.initial_stream_window_size(0)).await;
        for _ in 0..4 {
            let request = Request::get(format!("{}/v1/products/p", mute.origin));
            let request = request.body(Body::new(Empty::new())).unwrap();
            let answer = timeout(LONG, mute.sender.clone().send_request(request)).await.unwrap();
            unread.push(answer.unwrap());
        }
    }
    assert!(unread.iter().all(|answer| answer.status() == 200));
    assert_eq!(Connection::to(&shop).await.get().await.0, 200);
}

#[tokio::test]
async fn one_connection_has_a_quarter_of_the_room_for_bodies() {
    let options = Options { max_body: 10_000, body_bytes: 80_000, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let greedy = Connection::to(&shop).await;
    let begin = |bytes| greedy.ask("POST", "/v1/auth/revoke", trickle(bytes));
    let begun = [tokio::spawn(begin(9_000)), tokio::spawn(begin(9_000))];
    sleep(SHORT).await;
    assert_overloaded(begin(9_000).await);
    // the body of another is read meanwhile, piece by piece
    let piece = " ".repeat(4_000);
    let chunked = format!(
        "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         fa0\r\n{piece}\r\nfa0\r\n{piece}\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    let reply = timeout(LONG, shop.raw(&chunked)).await.expect("an answer");
    assert!(reply.status < 300, "{reply:?}");
    begun.iter().for_each(tokio::task::JoinHandle::abort);
}
