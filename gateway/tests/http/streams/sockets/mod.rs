//! Streams over WebSocket.

mod endings;
mod handshake;
mod limits;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use souk_gateway::Options;
use tokio::join;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite};

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
