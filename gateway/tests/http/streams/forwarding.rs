//! Headers that only the service knows, in each kind of stream.

use http::Request;
use http::request::Builder;
use souk_gateway::Options;
use tokio::join;

use super::{Answer, Summary, entry, feeds};

/// A request that the service answers with a message of this kind.
async fn echoed(request: impl Fn() -> Builder, body: &str, is_summary: bool) {
    let options =
        Options { forwarded_headers: vec!["x-echo".parse().unwrap()], ..Options::default() };
    for (service, shop) in feeds(options).await {
        let serving = async {
            let mut call = service.call().await;
            match is_summary {
                true => call.say(Summary { count: 1 }).await,
                false => call.say(entry(1, "")).await,
            };
        };
        let request = request().header("x-echo", "there and back");
        let (answer, ()) = join!(Answer::to(&shop, request, body), serving);
        assert!(answer.status.as_u16() < 300, "{}", answer.status);
        assert_eq!(answer.header("x-echo"), "there and back");
    }
}

#[tokio::test]
async fn they_come_back_with_the_beginning_of_a_stream() {
    echoed(|| Request::get("/v1/topics/news/entries"), "", false).await;
}

#[tokio::test]
async fn they_come_back_with_the_answer_to_a_stream() {
    let lines = || Request::post("/v1/topics/news/entries");
    let lines = || lines().header("content-type", "application/x-ndjson");
    echoed(lines, "{}", true).await;
}

#[tokio::test]
async fn they_come_back_with_the_handshake_of_a_websocket() {
    let request = || {
        Request::get("/v1/topics/news/entries")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    echoed(request, "", false).await;
}
