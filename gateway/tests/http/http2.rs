//! An HTTP/2 connection of a client.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use crate::shop::Shop;

/// Far more than an answer takes.
const LONG: Duration = Duration::from_secs(8);

pub type Body = BoxBody<Bytes, Infallible>;

/// An HTTP/2 connection.
pub struct Connection {
    sender: SendRequest<Body>,
    origin: String,
}

impl Connection {
    pub async fn to(shop: &Shop) -> Self {
        Self::with(shop, &mut Builder::new(TokioExecutor::new())).await
    }

    /// One that gives no room for answers.
    pub async fn mute(shop: &Shop) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        Self::with(shop, builder.initial_stream_window_size(0)).await
    }

    async fn with(shop: &Shop, builder: &mut Builder<TokioExecutor>) -> Self {
        let io = TokioIo::new(shop.connect().await);
        let (sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self { sender, origin: format!("http://{}", shop.address) }
    }

    /// The beginning of the answer to one of the requests of the connection.
    pub fn begin(
        &self,
        method: &str,
        path: &str,
        body: Body,
    ) -> impl Future<Output = Response<Incoming>> + Send + 'static {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let mut sender = self.sender.clone();
        async move { timeout(LONG, sender.send_request(request)).await.expect("an answer").unwrap() }
    }

    /// The answer to one of them.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        body: Body,
    ) -> impl Future<Output = (StatusCode, String)> + Send + 'static {
        let answer = self.begin(method, path, body);
        async move {
            let (parts, body) = answer.await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (parts.status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    /// The answer to a call that takes no body.
    pub fn get(&self) -> impl Future<Output = (StatusCode, String)> + Send + 'static {
        self.ask("GET", "/v1/products/p", Body::new(Empty::new()))
    }

    /// The same, of which nothing is taken.
    pub fn begin_get(&self) -> impl Future<Output = Response<Incoming>> + Send + 'static {
        self.begin("GET", "/v1/products/p", Body::new(Empty::new()))
    }
}

/// The beginning of a body that does not go on.
pub fn trickle(bytes: usize) -> Body {
    let begun = stream::iter([Ok(Frame::data(Bytes::from(vec![b' '; bytes])))]);
    Body::new(StreamBody::new(begun.chain(stream::pending())))
}
