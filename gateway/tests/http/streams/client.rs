//! A client that reads an answer as it comes.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use super::service::PATIENCE;
use crate::shop::Shop;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An answer that has begun.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    /// What has come, and was not read yet.
    text: String,
    // open for as long as the answer is there
    _sender: http1::SendRequest<Body>,
}

/// What comes next of an answer.
#[derive(Debug, PartialEq)]
pub enum Next {
    Text(String),
    /// It has come to its end.
    End,
    /// It was cut.
    Cut,
}

impl Answer {
    /// The beginning of the answer to a request.
    pub async fn to(shop: &Shop, request: http::request::Builder, body: &str) -> Self {
        Self::with(shop, request, Full::new(body.to_owned().into()).boxed_unsync()).await
    }

    /// The same for a body that comes as it likes.
    pub async fn with(shop: &Shop, request: http::request::Builder, body: Body) -> Self {
        let stream = shop.connect().await;
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = request.header("host", "souk").body(body).unwrap();
        let answer = timeout(PATIENCE, sender.send_request(request));
        let (parts, body) = answer.await.expect("an answer").unwrap().into_parts();
        let (status, headers) = (parts.status, parts.headers);
        Self { status, headers, body, text: String::new(), _sender: sender }
    }

    pub async fn get(shop: &Shop, path: &str, accept: &str) -> Self {
        Self::to(shop, Request::get(path).header("accept", accept), "").await
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What comes next, up to and with `end`.
    pub async fn until(&mut self, end: &str) -> Next {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return Next::Text(std::mem::replace(&mut self.text, rest));
            }
            match timeout(PATIENCE, self.body.frame()).await.expect("more of the answer") {
                None => return Next::End,
                Some(Err(_)) => return Next::Cut,
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.text.push_str(std::str::from_utf8(&data).unwrap());
                }
            }
        }
    }

    /// The next line as JSON.
    pub async fn line(&mut self) -> Value {
        match self.until("\n").await {
            Next::Text(line) => serde_json::from_str(&line).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The next server-sent event.
    pub async fn event(&mut self) -> String {
        match self.until("\n\n").await {
            Next::Text(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// The whole of an answer.
    pub async fn json(&mut self) -> Value {
        let body = timeout(PATIENCE, (&mut self.body).collect()).await.expect("the whole answer");
        serde_json::from_slice(&body.unwrap().to_bytes()).expect("JSON")
    }

    /// The error that an answer is.
    pub async fn error(mut self) -> Value {
        self.json().await["error"].take()
    }

    /// Its code.
    pub async fn code(self) -> String {
        self.error().await["code"].as_str().expect("a code").to_owned()
    }
}
