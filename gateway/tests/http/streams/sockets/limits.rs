//! What a WebSocket may take, and for how long.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use souk_gateway::{Options, Streams};
use tokio::join;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::super::{Entry, PATIENCE, Service, entry, feed, feeds};
use super::{CHAT, SHORT, Socket, WATCH, begun};

#[tokio::test]
async fn all_messages_together_may_be_too_large() {
    for (service, shop) in feeds(Options::default()).await {
        let mut socket = Socket::to(&shop, "/v1/entries:collect").await;
        let frame = json!({"text": "x".repeat(489)}).to_string();
        assert_eq!(frame.len(), 500);
        let mut call = service.call().await;
        for _ in 0..2 {
            socket.say(&frame).await;
            assert!(call.hear::<Entry>().await.unwrap().is_some());
        }
        socket.say("1").await;
        let error = socket.hear().await["error"].clone();
        assert_eq!(error["message"], "the call takes no more than 1000 bytes");
        assert_eq!(socket.closed().await, (CloseCode::Size, "PAYLOAD_TOO_LARGE".to_owned()));
        assert!(call.hear::<Entry>().await.is_err());
    }
}

#[tokio::test]
async fn a_websocket_has_the_place_of_a_stream() {
    let service = Service::new();
    let streams = Streams { max: 1, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    // also one over which nobody says anything
    let (first, mut call) = join!(Socket::to(&shop, CHAT), service.call());
    call.begin();
    assert_eq!(Socket::with(&shop, WATCH, &[]).await.err(), Some(503));
    assert_eq!(Socket::with(&shop, CHAT, &[]).await.err(), Some(503));
    drop(first);
    call.gone().await;
    let (mut second, _call) = join!(Socket::to(&shop, CHAT), begun(&service));
    assert!(second.hear().await["result"].is_object());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_when_it_is_too_late() {
    let service = Service::new();
    let streams = Streams { max: 1, patience: SHORT, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let (mut socket, mut call) = join!(Socket::to(&shop, WATCH), begun(&service));
    let talk = async {
        let mut said = 0;
        while call.say(entry(1, &"x".repeat(60 * 1024))).await {
            said += 1;
        }
        said
    };
    let said = timeout(PATIENCE, talk).await.expect("it is cut off");
    assert!((1..400).contains(&said), "{said} messages of 60 KiB");
    // what it has not read keeps its place
    assert_eq!(Socket::with(&shop, CHAT, &[]).await.err(), Some(503));
    let last = loop {
        let frame = socket.hear().await;
        if frame["result"].is_null() {
            break frame;
        }
    };
    assert_eq!(last["error"]["code"], "OVERLOADED");
    assert_eq!(socket.closed().await.0, CloseCode::Again);
}

#[tokio::test]
async fn a_service_that_does_not_listen_holds_up_its_client_and_may_still_speak() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut socket, mut call) = join!(Socket::to(&shop, CHAT), begun(&service));
    assert!(socket.hear().await["result"].is_object());
    let large = json!({"text": "x".repeat(100_000)}).to_string();
    let mut sent = 0;
    while timeout(SHORT, socket.0.feed(Message::text(large.as_str()))).await.is_ok()
        && timeout(SHORT, socket.0.flush()).await.is_ok()
    {
        sent += 1;
        assert!(sent < 400, "{sent} messages of 100 kB");
    }
    call.say(entry(2, "")).await;
    assert_eq!(socket.hear().await["result"]["sequence"], 2);
}

#[tokio::test]
async fn a_large_message_comes_whole_and_one_that_is_not_taken_is_cut_with_a_reason() {
    let service = Service::new();
    let streams = Streams { patience: SHORT, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let (mut socket, mut call) = join!(Socket::to(&shop, WATCH), begun(&service));
    assert!(socket.hear().await["result"].is_object());
    let large = "x".repeat(3_000_000);
    let (said, heard) = join!(call.say(entry(2, &large)), socket.hear());
    assert!(said && heard["result"]["text"] == large);
    // more than the sockets take
    for sequence in 3.. {
        if !call.say(entry(sequence, &large)).await {
            break;
        }
    }
    // also within a message a close frame may come
    let close = loop {
        match timeout(PATIENCE, socket.0.next()).await.expect("a frame") {
            Some(Ok(Message::Close(Some(close)))) => break close,
            Some(Ok(Message::Text(_) | Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Again, "OVERLOADED"));
}

#[tokio::test]
async fn what_is_not_whole_takes_room_and_must_become_whole() {
    let service = Service::new();
    // a client has a quarter of it
    let streams = Streams { bytes: 400_000, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let part = || {
        let text = format!("{{\"text\": \"{}", "x".repeat(60_000));
        Message::Frame(Frame::message(text, OpCode::Data(Data::Text), false))
    };
    let mut first = Socket::to(&shop, CHAT).await;
    first.0.send(part()).await.unwrap();
    let mut call = service.call().await;
    let mut refused = Socket::to(&shop, CHAT).await;
    let _other = service.call().await;
    refused.0.send(part()).await.unwrap();
    assert_eq!(refused.failed().await, ("OVERLOADED".to_owned(), CloseCode::Again));
    // what is whole takes none
    let end = || Message::Frame(Frame::message("\"}", OpCode::Data(Data::Continue), true));
    first.0.send(end()).await.unwrap();
    assert_eq!(call.hear::<Entry>().await.unwrap().unwrap().text.len(), 60_000);
    let mut second = Socket::to(&shop, CHAT).await;
    let mut call = service.call().await;
    second.0.send(part()).await.unwrap();
    second.0.send(end()).await.unwrap();
    assert_eq!(call.hear::<Entry>().await.unwrap().unwrap().text.len(), 60_000);
}

#[tokio::test]
async fn a_message_that_does_not_become_whole_is_not_waited_for() {
    let service = Service::new();
    let streams = Streams { patience: SHORT, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let mut socket = Socket::to(&shop, CHAT).await;
    // it is there, and has nothing to say for longer than that
    for _ in 0..3 {
        socket.0.send(Message::Ping("?".into())).await.unwrap();
        sleep(SHORT).await;
    }
    socket.say("{}").await;
    let mut call = service.call().await;
    assert!(call.hear::<Entry>().await.unwrap().is_some());
    let part = Frame::message("{", OpCode::Data(Data::Text), false);
    socket.0.send(Message::Frame(part)).await.unwrap();
    sleep(SHORT * 2).await;
    socket.0.send(Message::Ping("?".into())).await.unwrap();
    assert_eq!(socket.failed().await, ("MALFORMED_REQUEST".to_owned(), CloseCode::Policy));
}

#[tokio::test]
async fn one_address_has_a_quarter_of_the_places_over_all_its_connections() {
    let service = Service::new();
    let streams = Streams { max: 8, ..Streams::default() };
    let proxies = ["127.0.0.1".parse().unwrap()].into_iter().collect();
    let options = Options { streams, trusted_proxies: proxies, ..Options::default() };
    let shop = feed(&service, options).await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let one = Socket::with(&shop, CHAT, &from("2001:db8::1")).await;
    let two = Socket::with(&shop, CHAT, &from("2001:db8::2")).await;
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(Socket::with(&shop, CHAT, &from("2001:db8::3")).await.err(), Some(503));
    assert!(Socket::with(&shop, CHAT, &from("192.0.2.1")).await.is_ok());
    // a proxy that does not say for whom
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Socket::with(&shop, CHAT, &[]).await.unwrap());
    }
}
