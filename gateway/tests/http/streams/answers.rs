//! What a stream of answers says, in each form.

use std::time::Duration;

use http::Request;
use serde_json::json;
use souk_gateway::{Options, Streams};
use souk_kit::Failure;
use tokio::join;
use tonic::{Code, Status};

use super::{Answer, Call, Next, Service, WatchRequest, entry, feed, feeds};

const WATCH: &str = "/v1/topics/news/entries";
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// The next call, once it has said something.
async fn saying(service: &Service, sequence: i32, text: &str) -> Call {
    let mut call = service.call().await;
    call.say(entry(sequence, text)).await;
    call
}

#[tokio::test]
async fn lines_come_one_by_one_and_the_last_says_so() {
    for (service, shop) in feeds(Options::default()).await {
        let answer = Answer::get(&shop, WATCH, "*/*");
        let (mut answer, mut call) = join!(answer, saying(&service, 7, "one"));
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, LINES));
        let message = json!({"topic": "", "sequence": 7, "text": "one"});
        assert_eq!(answer.line().await, json!({"result": message}));
        call.say(entry(8, "two\nlines")).await;
        assert_eq!(answer.line().await["result"]["text"], "two\nlines");
        drop(call);
        assert_eq!(answer.line().await, json!({"end": {"reason": "complete"}}));
        assert_eq!(answer.until("\n").await, Next::End);
    }
}

#[tokio::test]
async fn events_have_the_id_that_the_contract_names_and_the_last_says_so() {
    for (service, shop) in feeds(Options::default()).await {
        let answer = Answer::get(&shop, WATCH, EVENTS);
        let (mut answer, mut call) = join!(answer, saying(&service, 7, "one"));
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, EVENTS));
        assert_eq!(answer.header("cache-control"), "no-store");
        let message = r#"{"topic":"","sequence":7,"text":"one"}"#;
        assert_eq!(answer.event().await, format!("id: 7\ndata: {message}\n\n"));
        call.say(entry(9, "")).await;
        assert!(answer.event().await.starts_with("id: 9\n"));
        drop(call);
        let last = "event: end\ndata: {\"end\":{\"reason\":\"complete\"}}\n\n";
        assert_eq!(answer.event().await, last);
        assert_eq!(answer.until("\n").await, Next::End);
    }
}

#[tokio::test]
async fn where_the_contract_names_no_id_there_is_none_and_nothing_is_resumed() {
    for (service, shop) in feeds(Options::default()).await {
        let request = Request::get("/v1/topics/news/followed")
            .header("accept", EVENTS)
            .header("last-event-id", "7")
            .header("authorization", format!("Bearer {}", crate::shop::admin_token()));
        let (mut answer, call) = join!(Answer::to(&shop, request, ""), saying(&service, 8, ""));
        assert!(answer.event().await.starts_with("data: {"));
        assert!(call.metadata.get("last-event-id").is_none());
    }
}

#[tokio::test]
async fn an_id_that_is_not_set_is_0_if_it_is_a_number_and_none_if_it_is_text() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut answer, _call) =
        join!(Answer::get(&shop, WATCH, EVENTS), saying(&service, 0, "zero is not sent"));
    assert!(answer.event().await.starts_with("id: 0\n"));
    let request = Request::post("/v1/topics/news/index").header("accept", EVENTS);
    let (mut answer, mut call) = join!(Answer::to(&shop, request, "x"), saying(&service, 1, ""));
    assert!(answer.event().await.starts_with("data: {"));
    call.say(entry(2, "two")).await;
    assert!(answer.event().await.starts_with("id: two\n"));
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_say_says_that() {
    for (service, shop) in feeds(Options::default()).await {
        let answer = Answer::get(&shop, WATCH, LINES);
        let (mut answer, ()) = join!(answer, async { service.call().await.begin() });
        assert_eq!(answer.status, 200);
        assert_eq!(answer.line().await, json!({"end": {"reason": "complete"}}));
        assert_eq!(answer.until("\n").await, Next::End);
    }
}

#[tokio::test]
async fn who_fails_before_the_first_message_fails_like_any_other_call() {
    for (service, shop) in feeds(Options::default()).await {
        for accept in [LINES, EVENTS] {
            for has_begun in [false, true] {
                let failing = async {
                    let mut call = service.call().await;
                    if has_begun {
                        call.begin();
                    }
                    call.fail(Status::new(Code::NotFound, "there is no such topic")).await;
                };
                let (answer, ()) = join!(Answer::get(&shop, WATCH, accept), failing);
                assert_eq!(answer.status, 404);
                assert_eq!(answer.header("content-type"), "application/json");
                assert_eq!(answer.code().await, "NOT_FOUND");
            }
        }
    }
}

#[tokio::test]
async fn who_fails_later_says_so_at_the_end() {
    for (service, shop) in feeds(Options::default()).await {
        let failure = || Failure::not_found("topic", "news");
        let answer = Answer::get(&shop, WATCH, LINES);
        let (mut answer, call) = join!(answer, saying(&service, 1, ""));
        call.fail(failure()).await;
        assert!(answer.line().await["result"].is_object());
        let error = answer.line().await["error"].clone();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&"NOT_FOUND".into(), &"topic news not found".into())
        );
        assert_eq!(error["request_id"], answer.header("x-request-id"));
        assert_eq!(answer.until("\n").await, Next::End);

        let answer = Answer::get(&shop, WATCH, EVENTS);
        let (mut answer, call) = join!(answer, saying(&service, 1, ""));
        call.fail(failure()).await;
        assert!(answer.event().await.starts_with("id: 1\n"));
        let start = "event: error\ndata: {\"error\":{\"code\":\"NOT_FOUND\",";
        assert!(answer.event().await.starts_with(start));
        assert_eq!(answer.until("\n").await, Next::End);
    }
}

#[tokio::test]
async fn a_service_learns_where_its_client_goes_on_and_how_long_it_may_take() {
    let streams = Streams { limit: Duration::from_secs(3000), ..Streams::default() };
    for (service, shop) in feeds(Options { streams, ..Options::default() }).await {
        let request = Request::get(WATCH).header("last-event-id", "41");
        let (_answer, call) = join!(Answer::to(&shop, request, ""), saying(&service, 42, ""));
        assert_eq!(call.path, "/feed.v1.Feed/Watch");
        assert_eq!(call.metadata.get("last-event-id").unwrap(), "41");
        let left = call.metadata.get("grpc-timeout").unwrap().to_str().unwrap();
        // in microseconds
        assert!(left.starts_with("2999") || left.starts_with("3000"), "{left}");
        assert!(call.metadata.get("x-request-id").is_some());
    }
}

#[tokio::test]
async fn a_service_that_has_nothing_to_say_yet_is_no_failure() {
    let streams = Streams {
        first: Duration::from_millis(50),
        heartbeat: Duration::from_millis(50),
        ..Streams::default()
    };
    let options = Options {
        // shorter than what follows
        request_limit: Duration::from_millis(500),
        connection_idle: Duration::from_millis(500),
        streams,
        ..Options::default()
    };
    for (service, shop) in feeds(options).await {
        for (accept, heartbeat) in [(LINES, "\n"), (EVENTS, ": heartbeat\n\n")] {
            let quiet = async {
                let mut call = service.call().await;
                call.begin();
                call
            };
            let (mut answer, mut call) = join!(Answer::get(&shop, WATCH, accept), quiet);
            assert_eq!(answer.status, 200);
            for _ in 0..20 {
                assert_eq!(answer.until(heartbeat).await, Next::Text(heartbeat.to_owned()));
            }
            call.say(entry(1, "at last")).await;
            loop {
                match answer.until("\n").await {
                    Next::Text(line) if line.contains("at last") => break,
                    Next::Text(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_quiet_stream_lasts_however_short_other_limits_are() {
    let limit = Duration::from_millis(400);
    let options = Options {
        request_limit: limit,
        connection_idle: limit,
        streams: Streams::within(limit, limit),
        ..Options::default()
    };
    let service = Service::new();
    let shop = feed(&service, options).await;
    let quiet = async {
        let mut call = service.call().await;
        call.begin();
        call
    };
    let (mut answer, _call) = join!(Answer::get(&shop, WATCH, "*/*"), quiet);
    assert_eq!(answer.status, 200);
    for _ in 0..5 {
        assert_eq!(answer.until("\n").await, Next::Text("\n".to_owned()));
    }
}

#[tokio::test]
async fn a_service_that_does_not_take_the_call_is_late() {
    let options = Options { request_limit: Duration::from_millis(200), ..Options::default() };
    for (_service, shop) in feeds(options).await {
        let answer = Answer::get(&shop, WATCH, EVENTS).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().await.as_str()),
            (504, "DEADLINE_EXCEEDED")
        );
    }
}

#[tokio::test]
async fn a_client_that_takes_no_stream_is_told_what_there_is() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    for accept in ["application/json", "text/html"] {
        let reply = shop.send("GET", WATCH, &[&format!("accept: {accept}")], "").await;
        assert_eq!((reply.status, reply.code().as_str()), (406, "NOT_ACCEPTABLE"), "{accept}");
        let message = format!("the answer is a stream: {LINES} or {EVENTS}, or a WebSocket");
        assert_eq!(reply.json()["error"]["message"], message);
    }
    // what is asked with bytes has no WebSocket
    let reply = shop.send("POST", "/v1/topics/news/index", &["accept: text/html"], "x").await;
    let message = format!("the answer is a stream: {LINES} or {EVENTS}");
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (406, &message.into()));
}

#[tokio::test]
async fn what_is_asked_may_be_in_a_body() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let request = Request::post("/v1/topics:watch").header("content-type", "application/json");
    let hearing = async {
        let mut call = service.call().await;
        let asked: WatchRequest = call.hear().await.unwrap().unwrap();
        asked
    };
    let (_, asked) = join!(Answer::to(&shop, request, r#"{"topic": "x", "size": 3}"#), hearing);
    assert_eq!((asked.topic.as_str(), asked.size), ("x", 3));
    let wrong = shop.json("POST", "/v1/topics:watch", r#"{"topic": 1}"#).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "MALFORMED_REQUEST"));
}

#[tokio::test]
async fn only_its_head_is_sent_to_who_asks_for_no_more() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let answer = Answer::to(&shop, Request::head(WATCH).header("accept", EVENTS), "");
    let (mut answer, call) = join!(answer, saying(&service, 1, ""));
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, EVENTS));
    assert_eq!(answer.until("\n").await, Next::End);
    call.gone().await;
}
