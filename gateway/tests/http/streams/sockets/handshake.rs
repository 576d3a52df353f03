//! Who gets a WebSocket.

use souk_gateway::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::join;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tonic::Status;

use super::super::{PATIENCE, Service, feed, feeds};
use super::{CHAT, HANDSHAKE, Socket, WATCH, begun};
use crate::shop::admin_token;

#[tokio::test]
async fn who_fails_before_the_first_message_fails_without_a_websocket() {
    for (service, shop) in feeds(Options::default()).await {
        let failing = async { service.call().await.fail(Status::not_found("no")).await };
        let (refused, ()) = join!(Socket::with(&shop, WATCH, &[]), failing);
        assert_eq!(refused.err(), Some(404));
        let (mut socket, call) = join!(Socket::to(&shop, WATCH), begun(&service));
        assert!(socket.hear().await["result"].is_object());
        call.fail(Status::not_found("no")).await;
        assert_eq!(socket.failed().await, ("NOT_FOUND".to_owned(), CloseCode::Policy));
    }
    let shop = feed(&Service::new(), Options::default()).await;
    let wrong = format!("{WATCH}?size=x");
    assert_eq!(Socket::with(&shop, &wrong, &[]).await.err(), Some(400));
    assert_eq!(Socket::with(&shop, "/v1/topics/news/followed", &[]).await.err(), Some(401));
}

#[tokio::test]
async fn a_page_of_another_host_must_be_allowed() {
    let service = Service::new();
    let origins = vec!["https://shop.example".parse().unwrap()];
    let shop = feed(&service, Options { origins, ..Options::default() }).await;
    let from = async |origin: &str| {
        let socket = Socket::with(&shop, CHAT, &[("origin", origin)]).await;
        socket.map_or_else(|status| status, |_| 101)
    };
    assert_eq!(from("https://evil.example").await, 403);
    assert_eq!(from("https://shop.example").await, 101);
    let here = format!("http://{}", shop.address);
    assert_eq!(from(&here).await, 101);
    let both = [("origin", here.as_str()), ("origin", "https://evil.example")];
    assert_eq!(Socket::with(&shop, CHAT, &both).await.err(), Some(400));
}

#[tokio::test]
async fn a_browser_names_its_token_as_a_subprotocol() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let token = admin_token();
    let protocols = format!("bearer, {token}");
    let named = [("sec-websocket-protocol", protocols.as_str())];
    let socket = Socket::with(&shop, "/v1/topics/news/followed", &named);
    let (socket, call) = join!(socket, begun(&service));
    assert!(socket.unwrap().hear().await["result"].is_object());
    let told = call.metadata.get("authorization").unwrap();
    assert_eq!(told, format!("Bearer {token}").as_str());
    let wrong = [("sec-websocket-protocol", "bearer, x.y.z")];
    let refused = Socket::with(&shop, "/v1/topics/news/followed", &wrong).await;
    assert_eq!(refused.err(), Some(401));
}

#[tokio::test]
async fn what_is_no_stream_has_no_websocket() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let serving = async { drop(begun(&service).await) };
    let (refused, ()) = join!(Socket::with(&shop, "/v1/topics/news", &[]), serving);
    assert_eq!(refused.err(), Some(200));
    assert_eq!(Socket::with(&shop, "/v1/nothing", &[]).await.err(), Some(404));
    let version = [("sec-websocket-version", "8")];
    assert_eq!(Socket::with(&shop, CHAT, &version).await.err(), Some(400));
    for body in
        ["content-length: 2\r\n\r\n{}", "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
    {
        let head = HANDSHAKE.strip_suffix("\r\n").unwrap();
        let body = format!("connection: close\r\n{body}");
        let reply = shop.raw(&format!("GET {CHAT} {head}{body}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{body}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_speak_websocket_is_not_kept() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let mut stream = shop.connect().await;
    let request = format!("GET {CHAT} {HANDSHAKE}");
    // a frame that is not masked, as those of clients must be (RFC 6455, section 5.1)
    stream.write_all(&[request.as_bytes(), b"\x81\x02{}"].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed").ok();
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}
