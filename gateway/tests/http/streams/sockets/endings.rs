//! How a WebSocket ends, and what it says then.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use souk_gateway::{Options, Streams};
use tokio::join;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tonic::Status;

use super::super::{Entry, PATIENCE, Service, entry, feed, feeds};
use super::{CHAT, SHORT, Socket, WATCH, begun};

#[tokio::test]
async fn a_frame_that_cannot_be_read_breaks_the_stream_off() {
    for (service, shop) in feeds(Options::default()).await {
        let large = format!("{{\"text\": \"{}\"}}", "x".repeat(300_000));
        for (frame, code, close) in [
            (Message::text("{\"sequence\": 1"), "MALFORMED_REQUEST", CloseCode::Policy),
            (Message::text("{\"topic\": \"x\"}"), "MALFORMED_REQUEST", CloseCode::Policy),
            (Message::binary("{}"), "UNSUPPORTED_MEDIA_TYPE", CloseCode::Unsupported),
            (Message::text(large.as_str()), "PAYLOAD_TOO_LARGE", CloseCode::Size),
        ] {
            let mut socket = Socket::to(&shop, CHAT).await;
            socket.say("{}").await;
            let mut call = service.call().await;
            assert!(call.hear::<Entry>().await.unwrap().is_some());
            let _ = socket.0.send(frame).await;
            assert_eq!(socket.failed().await, (code.to_owned(), close));
            assert!(call.hear::<Entry>().await.is_err());
        }
    }
}

#[tokio::test]
async fn a_service_that_breaks_is_told_from_a_client_that_does() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    for (status, code, close) in [
        (Status::internal("secret"), "INTERNAL", CloseCode::Error),
        (Status::unavailable("secret"), "UNAVAILABLE", CloseCode::Again),
        (Status::permission_denied("no"), "PERMISSION_DENIED", CloseCode::Policy),
    ] {
        let (mut socket, call) = join!(Socket::to(&shop, CHAT), begun(&service));
        assert!(socket.hear().await["result"].is_object());
        call.fail(status).await;
        assert_eq!(socket.failed().await, (code.to_owned(), close));
    }
}

#[tokio::test]
async fn a_websocket_that_has_lasted_long_enough_ends_and_says_why() {
    let service = Service::new();
    let streams = Streams { limit: SHORT, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let (mut socket, call) = join!(Socket::to(&shop, CHAT), begun(&service));
    assert!(socket.hear().await["result"].is_object());
    assert_eq!(socket.hear().await, json!({"end": {"reason": "max_duration"}}));
    assert_eq!(socket.closed().await, (CloseCode::Away, "max_duration".to_owned()));
    call.gone().await;
}

#[tokio::test]
async fn where_no_message_is_expected_there_may_be_none() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut socket, call) = join!(Socket::to(&shop, WATCH), begun(&service));
    assert!(socket.hear().await["result"].is_object());
    socket.say("{}").await;
    assert_eq!(socket.failed().await.0, "MALFORMED_REQUEST");
    call.gone().await;
}

#[tokio::test]
async fn a_client_that_leaves_breaks_the_stream_off() {
    for (service, shop) in feeds(Options::default()).await {
        for says_so in [false, true] {
            let (mut socket, mut call) = join!(Socket::to(&shop, CHAT), begun(&service));
            socket.say("{}").await;
            assert!(call.hear::<Entry>().await.unwrap().is_some());
            if says_so {
                socket.0.close(None).await.unwrap();
            }
            drop(socket);
            assert!(call.hear::<Entry>().await.is_err());
            call.gone().await;
        }
    }
}

#[tokio::test]
async fn a_client_is_asked_whether_it_is_there() {
    let service = Service::new();
    let streams = Streams { heartbeat: SHORT, ..Streams::default() };
    // a WebSocket may be silent for longer than another connection
    let options = Options { streams, connection_idle: SHORT, ..Options::default() };
    let shop = feed(&service, options).await;
    let (mut socket, mut call) = join!(Socket::to(&shop, WATCH), begun(&service));
    let mut pings = 0;
    while pings < 8 {
        let frame = timeout(PATIENCE, socket.0.next()).await.expect("a frame");
        pings += usize::from(matches!(frame, Some(Ok(Message::Ping(_)))));
    }
    call.say(entry(2, "")).await;
    assert_eq!(socket.hear().await["result"]["sequence"], 2);
    // from now on it says nothing
    call.gone().await;
    assert_eq!(socket.failed().await, ("DEADLINE_EXCEEDED".to_owned(), CloseCode::Error));
}

#[tokio::test]
async fn websockets_end_with_the_process_and_say_so() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut socket, call) = join!(Socket::to(&shop, CHAT), begun(&service));
    assert!(socket.hear().await["result"].is_object());
    shop.shutdown.cancel();
    assert_eq!(socket.hear().await, json!({"end": {"reason": "shutdown"}}));
    assert_eq!(socket.closed().await, (CloseCode::Away, "shutdown".to_owned()));
    assert!(socket.next().await.is_none());
    call.gone().await;
    timeout(PATIENCE / 2, shop.serving).await.expect("an end").unwrap();
}
