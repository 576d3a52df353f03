//! `souk gateway`: the same binary before services whose contracts it reads from a file.

use futures::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Http, Process, Response, Scratch, Stranger, Suite, product, run, souk};

const BOOK: &str = "/v1/shelves/s/books/b";
const TOPIC: &str = "/v1/topics/news";
const LINES: &str = "application/x-ndjson";
/// Where no auth service is: nothing that is public may need it.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A gateway before the services of others.
struct Gateway {
    address: String,
    http: Http,
    _process: Process,
    _scratch: Scratch,
}

impl Gateway {
    fn start(descriptors: &[u8], upstream: &str, options: &[&str]) -> Self {
        let scratch = Scratch::new();
        let file = scratch.0.join("contracts.binpb");
        std::fs::write(&file, descriptors).unwrap();
        let mut command = souk();
        command.args(["gateway", "--http", "127.0.0.1:0", "--upstream", upstream]);
        command.arg("--descriptors").arg(&file).args(options);
        let process = Process::start(command);
        let address = process.line("souk gateway listens on");
        Self { http: Http::new(&address), address, _process: process, _scratch: scratch }
    }

    /// Before the catalog of a suite, which it takes for a stranger's.
    fn before_catalog(suite: &Suite, options: &[&str]) -> Self {
        let options = [&["--auth-url", auth_of(suite)], options].concat();
        Self::start(souk_proto::DESCRIPTORS, &suite.catalog_url(), &options)
    }

    /// Before a stranger.
    fn before(stranger: &Stranger, options: &[&str]) -> Self {
        Self::start(&stranger.descriptors, &stranger.url, options)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.http.send(Method::GET, path, headers, "").await.unwrap()
    }

    /// Sends bytes of a media type.
    async fn send(&self, method: Method, path: &str, media: &str, body: &[u8]) -> Response {
        let headers = [("content-type", media)];
        self.http.send(method, path, &headers, body).await.unwrap()
    }

    async fn socket(&self, path: &str) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        client_async(format!("ws://{}{path}", self.address), stream).await.unwrap().0
    }
}

fn auth_of(suite: &Suite) -> &str {
    suite.url_of("souk.auth.v1.AuthService")
}

/// A stranger with streams, and a gateway that anyone may use, unless the contract says otherwise.
async fn feed() -> (Stranger, Gateway) {
    let stranger = Stranger::with("feed.proto").await;
    let gateway = Gateway::before(&stranger, &["--public", "--auth-url", NOWHERE]);
    (stranger, gateway)
}

#[tokio::test]
async fn contracts_from_a_file_are_served_with_their_policies_in_canonical_json() {
    let suite = Suite::start().await;
    let product = product(&suite, "A", "9.50", 5).await;
    let gateway = Gateway::before_catalog(&suite, &[]);
    let path = format!("/v1/products/{}", product.id);
    let read = gateway.http.get(&path).await;
    assert_eq!((read.status, &read.json()["price"]), (StatusCode::OK, &json!({"value": "9.50"})));
    assert_eq!(read.json()["inStock"], true);
    let refused = gateway.http.send(Method::DELETE, &path, &[], "").await.unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
    );
    let gone = gateway.http.json_as(&suite.admin().await, Method::DELETE, &path, &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(gateway.http.get(&path).await.code(), "NOT_FOUND");
    let document = gateway.http.get("/openapi.json").await.json();
    assert!(document["components"]["schemas"]["Product"]["properties"]["inStock"].is_object());
}

#[tokio::test]
async fn the_json_is_our_own_where_the_options_say_so() {
    let suite = Suite::start().await;
    let product = product(&suite, "A", "9.50", 5).await;
    let path = format!("/v1/products/{}", product.id);
    let gateway = Gateway::before_catalog(&suite, &["--json", "plain"]);
    assert_eq!(gateway.http.get(&path).await.json(), suite.http().get(&path).await.json());
}

#[tokio::test]
async fn anyone_may_call_a_stranger_that_is_public() {
    let stranger = Stranger::with("library.proto").await;
    let gateway = Gateway::before(&stranger, &["--public"]);
    stranger.answers(&[r#"id: "b" page_count: 7 authors: ["x", "y"]"#]);
    let book = json!({"id": "b", "pageCount": "7", "authors": ["x", "y"]});
    for headers in [&[][..], &[("authorization", "Bearer none")]] {
        let read = gateway.get(&format!("{BOOK}?book.authors=z&numberList=1"), headers).await;
        assert_eq!((read.status.as_u16(), read.json()), (200, book.clone()));
        let asked = r#"Get name:"shelves/s/books/b",book{authors:["z"]},number_list:[1]"#;
        assert_eq!(stranger.heard(), [asked]);
    }
    let body = br#"{"id": "c", "pageCount": 9}"#;
    let made = gateway.send(Method::POST, "/v1/shelves/s/books", "application/json", body).await;
    assert_eq!((made.status.as_u16(), made.json()), (200, book));
    assert_eq!(stranger.heard(), [r#"Create id:"s",book{id:"c",page_count:9}"#]);
    let document = gateway.http.get("/openapi.json").await.json();
    let operation = &document["paths"]["/v1/books/{id}"]["get"];
    assert!(operation.is_object() && operation["security"].as_array().is_none_or(Vec::is_empty));
}

#[tokio::test]
async fn only_who_has_a_token_may_call_a_stranger_that_requires_one() {
    let suite = Suite::start().await;
    let stranger = Stranger::with("library.proto").await;
    let gateway = Gateway::before(&stranger, &["--require-token", "--auth-url", auth_of(&suite)]);
    stranger.answers(&[""]);
    for headers in [&[][..], &[("authorization", "Bearer none")]] {
        let refused = gateway.get(BOOK, headers).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "UNAUTHENTICATED"));
        assert!(!refused.header("www-authenticate").is_empty());
    }
    assert_eq!(stranger.heard(), [""; 0]);
    let read = gateway.http.get_as(&suite.user().await, BOOK).await;
    assert_eq!((read.status.as_u16(), stranger.heard().len()), (200, 1));
}

#[tokio::test]
async fn what_a_contract_says_of_who_may_call_counts_more_than_the_options() {
    let suite = Suite::start().await;
    let stranger = Stranger::with("feed.proto").await;
    let gateway = Gateway::before(&stranger, &["--public", "--auth-url", auth_of(&suite)]);
    stranger.answers(&["sequence: 1"]);
    let followed = format!("{TOPIC}/followed");
    assert_eq!(gateway.get(TOPIC, &[]).await.status, StatusCode::OK);
    assert_eq!(gateway.get(&followed, &[]).await.status, StatusCode::UNAUTHORIZED);
    let told = gateway.http.get_as(&suite.user().await, &followed).await;
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(stranger.heard(), [r#"Get topic:"news""#, r#"Follow topic:"news""#]);
}

#[tokio::test]
async fn headers_that_only_the_service_knows_are_passed_on_both_ways_by_name() {
    let stranger = Stranger::with("library.proto").await;
    let gateway = Gateway::before(&stranger, &["--public", "--forward-header", "x-tenant,X-Echo"]);
    stranger.answers(&[""]);
    let read = gateway.get(BOOK, &[("x-echo", "there and back")]).await;
    assert_eq!((read.status.as_u16(), read.header("x-echo")), (200, "there and back"));
    let silent = Gateway::before(&stranger, &["--public"]);
    let read = silent.get(BOOK, &[("x-echo", "there and back")]).await;
    assert_eq!((read.status.as_u16(), read.header("x-echo")), (200, ""));
}

#[tokio::test]
async fn without_a_word_on_who_may_call_nothing_is_served_and_how_to_say_it_is_told() {
    let stranger = Stranger::with("library.proto").await;
    let ours = souk_proto::DESCRIPTORS;
    // who comes so far as to listen cannot, and ends for another reason
    let taken = ["--http", stranger.url.trim_start_matches("http://"), "--upstream", &stranger.url];
    let gateway = [&["gateway"][..], &taken].concat();
    let with_token = [&gateway[..], &["--require-token"]].concat();
    for (contracts, command, missing, rpc) in [
        (&stranger.descriptors[..], &gateway, "--public or --require-token", "library.v1.Library"),
        (&stranger.descriptors, &vec!["openapi"], "--public or --require-token", "library.v1"),
        (&stranger.descriptors, &with_token, "--auth-url", "library.v1.Library"),
        (ours, &gateway, "--auth-url", "souk.auth.v1.AuthService"),
    ] {
        let scratch = Scratch::new();
        let file = scratch.0.join("contracts.binpb");
        std::fs::write(&file, contracts).unwrap();
        let mut souk = souk();
        souk.args(command).arg("--descriptors").arg(file);
        let (status, said) = run(souk);
        assert!(!status.success(), "{said}");
        assert!(said.starts_with(&format!("souk: {missing} is missing: {rpc}")), "{said}");
    }
}

#[test]
fn contracts_that_are_not_there_are_named() {
    let mut command = souk();
    command.args(["gateway", "--descriptors", "none.binpb", "--upstream", NOWHERE]);
    let (status, said) = run(command);
    assert!(
        !status.success() && said.contains("cannot read the contracts in none.binpb"),
        "{said}"
    );
}

#[tokio::test]
async fn a_stream_comes_as_events_with_the_ids_of_the_contract_and_a_last_one_that_says_so() {
    let (stranger, gateway) = feed().await;
    stranger.answers(&["sequence: 7 text: \"one\"", "sequence: 9"]);
    let path = format!("{TOPIC}/entries?size=2");
    let answer = gateway.get(&path, &[("accept", "text/event-stream")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/event-stream"));
    let events = "id: 7\ndata: {\"sequence\":7,\"text\":\"one\"}\n\n\
                  id: 9\ndata: {\"sequence\":9}\n\n\
                  event: end\ndata: {\"end\":{\"reason\":\"complete\"}}\n\n";
    assert_eq!(answer.body, events);
    assert_eq!(stranger.heard(), [r#"Watch topic:"news",size:2"#]);
}

#[tokio::test]
async fn a_stream_comes_in_lines_of_json_and_the_last_says_so() {
    let (stranger, gateway) = feed().await;
    stranger.answers(&["sequence: 7", "text: \"two\\nlines\""]);
    let answer = gateway.get(&format!("{TOPIC}/entries"), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, LINES));
    let lines = "{\"result\":{\"sequence\":7}}\n{\"result\":{\"text\":\"two\\nlines\"}}\n\
                 {\"end\":{\"reason\":\"complete\"}}\n";
    assert_eq!(answer.body, lines);
}

#[tokio::test]
async fn lines_of_json_are_the_messages_of_a_stream() {
    let (stranger, gateway) = feed().await;
    stranger.answers(&["count: 2"]);
    let lines = b"{\"sequence\": 1}\n\n{\"text\": \"two\"}";
    let answer = gateway.send(Method::POST, &format!("{TOPIC}/entries"), LINES, lines).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"count": 2})));
    let heard = [r#"Publish topic:"news",sequence:1"#, r#"Publish text:"two""#];
    assert_eq!(stranger.heard(), heard);
}

#[tokio::test]
async fn messages_go_in_both_directions_over_a_websocket() {
    let (stranger, gateway) = feed().await;
    let mut socket = gateway.socket(&format!("{TOPIC}/chat")).await;
    // each is answered before the next is sent
    for (sent, told) in [
        (json!({"text": "a"}), json!({"result": {"topic": "news", "text": "a"}})),
        (json!({"sequence": 2}), json!({"result": {"sequence": 2}})),
    ] {
        socket.send(Message::text(sent.to_string())).await.unwrap();
        assert_eq!(next(&mut socket).await, Some(told));
    }
    // no more from here
    socket.send(Message::text("")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(json!({"end": {"reason": "complete"}})));
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(stranger.heard(), [r#"Chat topic:"news",text:"a""#, "Chat sequence:2"]);
}

/// The next message of a WebSocket; `None` when it is closed.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Value> {
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
    panic!("the connection is gone, and was not closed");
}

#[tokio::test]
async fn bytes_go_up_as_they_stand() {
    let (stranger, gateway) = feed().await;
    stranger.answers(&["count: 3"]);
    for (path, heard) in [
        ("/v1/file".to_owned(), r#"PutFile content_type:"image/png",data:"\377\000\n""#),
        (
            format!("{TOPIC}/archive?size=3"),
            r#"Upload topic:"news",size:3,content{content_type:"image/png",data:"\377\000\n"}"#,
        ),
    ] {
        let answer = gateway.send(Method::PUT, &path, "image/png", b"\xff\0\n").await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"count": 3})));
        assert_eq!(stranger.heard(), [heard]);
    }
}

#[tokio::test]
async fn bytes_go_up_as_the_file_of_a_form() {
    let (stranger, gateway) = feed().await;
    stranger.answers(&["count: 3"]);
    let form = b"--x\r\ncontent-disposition: form-data; name=size\r\n\r\n3\r\n\
                 --x\r\ncontent-disposition: form-data; name=f; filename=a.png\r\n\
                 content-type: image/png\r\n\r\n\xff\0\n\r\n--x--\r\n";
    // only where the policy names a field for it does the name go with them
    for (path, rpc, name) in [("file", "StoreFile", ""), ("archive", "Upload", r#",name:"a.png""#)]
    {
        let path = format!("{TOPIC}/{path}");
        let media = "multipart/form-data; boundary=x";
        let answer = gateway.send(Method::PUT, &path, media, form).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"count": 3})));
        let file = r#"topic:"news",size:3,content{content_type:"image/png",data:"\377\000\n"}"#;
        assert_eq!(stranger.heard(), [format!("{rpc} {file}{name}")]);
    }
}

#[tokio::test]
async fn bytes_come_down_as_they_stand_whole_in_part_and_piece_by_piece() {
    let (stranger, gateway) = feed().await;
    let file = format!("{TOPIC}/file");
    stranger.answers(&[r#"content_type: "image/png" data: "\377\000\n""#]);
    let whole = gateway.get(&file, &[]).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-type")), (200, "image/png"));
    assert_eq!(whole.body, &b"\xff\0\n"[..]);
    let part = gateway.get(&file, &[("range", "bytes=0-1")]).await;
    assert_eq!((part.status.as_u16(), part.header("content-range")), (206, "bytes 0-1/3"));
    assert_eq!(part.body, &b"\xff\0"[..]);

    stranger.answers(&[r#"content_type: "text/csv" data: "one,""#, r#"data: "\377,""#]);
    let pieces = gateway.get(&format!("{TOPIC}/archive"), &[]).await;
    assert_eq!((pieces.status.as_u16(), pieces.header("content-type")), (200, "text/csv"));
    assert_eq!(pieces.body, &b"one,\xff,"[..]);
}
