//! Streams over WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use souk_gateway::{Options, Streams};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::join;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tonic::Status;

use super::{Call, Entry, PATIENCE, Service, Summary, WatchRequest, entry, feed, feeds};
use crate::shop::{Shop, admin_token};

const WATCH: &str = "/v1/topics/news/entries";
const CHAT: &str = "/v1/topics/news/chat";
const SHORT: Duration = Duration::from_millis(200);

/// The head of a request for one, after its target.
const HANDSHAKE: &str = "HTTP/1.1\r\nhost: souk\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The client's end of a WebSocket.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn to(shop: &Shop, path: &str) -> Self {
        Self::with(shop, path, &[]).await.expect("a WebSocket")
    }

    /// The status, where there is none.
    async fn with(shop: &Shop, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{}{path}", shop.address).into_client_request().unwrap();
        let own = request.headers_mut();
        headers.iter().for_each(|(name, _)| drop(own.remove(*name)));
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            own.append(name, value.parse().unwrap());
        }
        let stream = shop.connect().await;
        stream.set_nodelay(true).unwrap();
        match timeout(PATIENCE, client_async(request, stream)).await.expect("an answer") {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn say(&mut self, text: impl ToString) {
        self.0.send(Message::text(text.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a frame") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame as JSON.
    async fn hear(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// Why it is closed.
    async fn closed(&mut self) -> (CloseCode, String) {
        match self.next().await {
            Some(Message::Close(Some(close))) => (close.code, close.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// The code of the error at its end, and of its being closed.
    async fn failed(&mut self) -> (String, CloseCode) {
        let error = self.hear().await;
        let code = error["error"]["code"].as_str().unwrap_or_else(|| panic!("{error}")).to_owned();
        (code, self.closed().await.0)
    }
}

async fn begun(service: &Service) -> Call {
    let mut call = service.call().await;
    call.say(entry(1, "")).await;
    call
}

#[tokio::test]
async fn the_answers_of_a_service_come_in_frames_and_the_last_says_so() {
    for (service, shop) in feeds(Options::default()).await {
        let path = format!("{WATCH}?size=3");
        let (mut socket, mut call) = join!(Socket::to(&shop, &path), begun(&service));
        let asked: WatchRequest = call.hear().await.unwrap().unwrap();
        assert_eq!((asked.topic.as_str(), asked.size), ("news", 3));
        let first = json!({"topic": "", "sequence": 1, "text": ""});
        assert_eq!(socket.hear().await, json!({"result": first}));
        call.say(entry(2, "two")).await;
        assert_eq!(socket.hear().await["result"]["text"], "two");
        drop(call);
        assert_eq!(socket.hear().await, json!({"end": {"reason": "complete"}}));
        assert_eq!(socket.closed().await, (CloseCode::Normal, "complete".to_owned()));
        assert!(socket.next().await.is_none());
    }
}

#[tokio::test]
async fn messages_go_in_both_directions_at_once() {
    for (service, shop) in feeds(Options::default()).await {
        let mut socket = Socket::to(&shop, CHAT).await;
        socket.say(json!({"text": "hello"})).await;
        let mut call = service.call().await;
        let first = Entry { topic: "news".to_owned(), ..entry(0, "hello") };
        assert_eq!(call.hear().await.unwrap(), Some(first));
        call.say(entry(1, "who is there?")).await;
        assert_eq!(socket.hear().await["result"]["text"], "who is there?");
        for number in 2..50 {
            socket.say(json!({"sequence": number})).await;
            assert_eq!(call.hear().await.unwrap(), Some(entry(number, "")));
            call.say(entry(number, "")).await;
            assert_eq!(socket.hear().await["result"]["sequence"], number);
        }
        // no more from here, but more from there
        socket.say("").await;
        assert_eq!(call.hear::<Entry>().await.unwrap(), None);
        call.say(entry(50, "bye")).await;
        assert_eq!(socket.hear().await["result"]["text"], "bye");
        drop(call);
        assert_eq!(socket.hear().await["end"]["reason"], "complete");
        assert_eq!(socket.closed().await.0, CloseCode::Normal);
    }
}

#[tokio::test]
async fn a_service_may_speak_first() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut socket, _call) = join!(Socket::to(&shop, CHAT), begun(&service));
    assert_eq!(socket.hear().await["result"]["sequence"], 1);
}

#[tokio::test]
async fn what_is_asked_may_be_in_the_first_frame() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let mut socket = Socket::to(&shop, "/v1/topics:watch").await;
    socket.say(json!({"topic": "x"})).await;
    let mut call = begun(&service).await;
    assert_eq!(call.hear::<WatchRequest>().await.unwrap().unwrap().topic, "x");
    assert_eq!(call.hear::<WatchRequest>().await.unwrap(), None);
    assert!(socket.hear().await["result"].is_object());
    socket.say(json!({"topic": "y"})).await;
    assert_eq!(socket.failed().await, ("MALFORMED_REQUEST".to_owned(), CloseCode::Policy));
    call.gone().await;
}

#[tokio::test]
async fn a_stream_of_messages_may_be_answered_with_one() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let mut socket = Socket::to(&shop, "/v1/texts:publish?sequence=7").await;
    for text in ["\"a\"", "\"b\"", ""] {
        socket.say(text).await;
    }
    let mut call = service.call().await;
    assert_eq!(call.hear().await.unwrap(), Some(entry(7, "a")));
    assert_eq!(call.hear().await.unwrap(), Some(entry(0, "b")));
    assert_eq!(call.hear::<Entry>().await.unwrap(), None);
    call.say(Summary { count: 2 }).await;
    drop(call);
    assert_eq!(socket.hear().await, json!({"result": {"count": 2}}));
    assert_eq!(socket.hear().await["end"]["reason"], "complete");
}

#[tokio::test]
async fn what_path_and_query_say_is_heard_without_a_message() {
    for (service, shop) in feeds(Options::default()).await {
        for (path, expected) in
            [("/v1/entries:collect", None), ("/v1/texts:publish?sequence=7", Some(entry(7, "")))]
        {
            let mut socket = Socket::to(&shop, path).await;
            socket.say("").await;
            let mut call = service.call().await;
            if expected.is_some() {
                assert_eq!(call.hear().await.unwrap(), expected);
            }
            assert_eq!(call.hear::<Entry>().await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_service_learns_where_its_client_goes_on_if_its_messages_have_ids() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let bearer = format!("Bearer {}", admin_token());
    let headers = [("last-event-id", "41"), ("authorization", &*bearer)];
    for (path, expected) in
        [(WATCH, Some("41")), ("/v1/topics:watch", Some("41")), ("/v1/topics/news/followed", None)]
    {
        let socket = async {
            let mut socket = Socket::with(&shop, path, &headers).await.unwrap();
            if path == "/v1/topics:watch" {
                socket.say("{}").await;
            }
            socket
        };
        let (_socket, call) = join!(socket, begun(&service));
        let told = call.metadata.get("last-event-id").map(|id| id.to_str().unwrap());
        assert_eq!(told, expected, "{path}");
    }
}

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
