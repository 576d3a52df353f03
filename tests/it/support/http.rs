//! A small HTTP client: what an outside client of the gateway does, and its answers as they are.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::documented;

/// A client of one gateway.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Http {
    pub fn new(address: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, address: address.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], "").await.unwrap()
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Response {
        let bearer = format!("Bearer {token}");
        self.send(Method::GET, path, &[("authorization", &bearer)], "").await.unwrap()
    }

    /// Sends JSON with a token.
    pub async fn json_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, path, &headers, &body.to_string()).await.unwrap()
    }

    /// Places an order under a key.
    pub async fn order(&self, token: &str, key: &str, items: &Value) -> Option<Response> {
        let body = serde_json::json!({ "items": items });
        self.try_post(token, key, "/v1/orders", &body).await
    }

    /// Posts JSON under a key.
    pub async fn post(&self, token: &str, key: &str, path: &str, body: &Value) -> Response {
        self.try_post(token, key, path, body).await.expect("an answer")
    }

    /// The same of somebody who may get no answer.
    pub async fn try_post(
        &self,
        token: &str,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Option<Response> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        self.send(Method::POST, path, &headers, &body.to_string()).await
    }

    /// The status of an answer that may have no end.
    pub async fn begins(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> StatusCode {
        let request = self.request(method, path, headers, body.as_bytes());
        self.client.request(request).await.expect("an answer").status()
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> http::Request<Full<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::from(Bytes::copy_from_slice(body))).unwrap()
    }

    /// So many server-sent events of a stream that goes on after one, with their ids.
    pub async fn events(
        &self,
        token: &str,
        path: &str,
        after: &str,
        count: usize,
    ) -> Vec<(String, Value)> {
        let request = http::Request::get(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "text/event-stream")
            .header("last-event-id", after)
            .body(Full::default())
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (mut body, mut text) = (response.into_body(), String::new());
        let reading = async {
            while text.matches("\ndata: ").count() < count || !text.ends_with("\n\n") {
                let frame = body.frame().await.expect("another event").unwrap();
                text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(super::PATIENCE, reading).await.expect("events in time");
        let event = |event: &str| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data = serde_json::from_str(field("data: ")?).unwrap();
            Some((field("id: ")?.to_owned(), data))
        };
        text.split("\n\n").filter_map(event).collect()
    }

    /// Sends anything; `None` when there is no answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Option<Response> {
        let request = self.request(method.clone(), path, headers, body.as_ref());
        let response = self.client.request(request).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let response = Response { status: parts.status, headers: parts.headers, body };
        documented::check(&method, path, &response);
        Some(response)
    }
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
