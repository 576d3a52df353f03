//! How long a stream may last, how slowly it may be taken, and how many there may be.

use std::time::Duration;

use http::Request;
use serde_json::json;
use souk_gateway::{Options, Streams};
use tokio::join;
use tokio::time::{sleep, timeout};

use super::{Answer, Call, Next, PATIENCE, Service, entry, feed, feeds, remote_feed};
use crate::shop::{Shop, admin_token, token_for};

pub const WATCH: &str = "/v1/topics/news/entries";
const SHORT: Duration = Duration::from_millis(200);

fn with(streams: Streams) -> Options {
    Options { streams, ..Options::default() }
}

pub async fn begun(service: &Service) -> Call {
    let mut call = service.call().await;
    call.say(entry(1, "")).await;
    call
}

/// The answer to a call that has said something.
pub async fn watching(shop: &Shop, service: &Service) -> (Answer, Call) {
    let (mut answer, call) = join!(Answer::get(shop, WATCH, "*/*"), begun(service));
    assert!(answer.line().await["result"].is_object());
    (answer, call)
}

/// Says as much as somebody takes: how many messages.
async fn talk(call: &mut Call) -> usize {
    let mut count = 0;
    while call.say(entry(1, &"x".repeat(64 * 1024))).await {
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_stream_that_has_lasted_long_enough_ends_and_says_why() {
    let service = Service::new();
    let shop = feed(&service, with(Streams { limit: SHORT, ..Streams::default() })).await;
    let (mut answer, call) = watching(&shop, &service).await;
    assert_eq!(answer.line().await, json!({"end": {"reason": "max_duration"}}));
    assert_eq!(answer.until("\n").await, Next::End);
    call.gone().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_it_was_asked_for_with() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let follow = |token: String| {
        let request = Request::get("/v1/topics/news/followed");
        request.header("authorization", format!("Bearer {token}"))
    };
    let short = Answer::to(&shop, follow(token_for(Duration::from_secs(1))), "");
    let (mut short, call) = join!(short, begun(&service));
    let (mut long, _call) = join!(Answer::to(&shop, follow(admin_token()), ""), begun(&service));
    assert!(short.line().await["result"].is_object() && long.line().await["result"].is_object());
    assert_eq!(short.line().await["error"]["code"], "TOKEN_EXPIRED");
    assert_eq!(short.until("\n").await, Next::End);
    call.gone().await;
    assert!(timeout(SHORT, long.until("\n")).await.is_err());
    let nobody = Answer::get(&shop, "/v1/topics/news/followed", "*/*").await;
    assert_eq!((nobody.status.as_u16(), nobody.code().await.as_str()), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn streams_end_with_the_process_and_say_so() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (mut answer, call) = watching(&shop, &service).await;
    shop.shutdown.cancel();
    assert_eq!(answer.line().await, json!({"end": {"reason": "shutdown"}}));
    assert_eq!(answer.until("\n").await, Next::End);
    call.gone().await;
    drop(answer);
    timeout(PATIENCE / 2, shop.serving).await.expect("an end").unwrap();
}

#[tokio::test]
async fn a_service_need_not_talk_to_a_client_that_has_gone() {
    for (service, shop) in feeds(Options::default()).await {
        let (answer, call) = watching(&shop, &service).await;
        drop(answer);
        call.gone().await;
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_calls_are_not() {
    let service = Service::new();
    let shop = feed(&service, with(Streams { max: 1, ..Streams::default() })).await;
    let (first, call) = watching(&shop, &service).await;
    let second = Answer::get(&shop, WATCH, "*/*").await;
    assert_eq!((second.status.as_u16(), second.header("retry-after")), (503, "1"));
    assert_eq!(second.code().await, "OVERLOADED");
    let (one, ()) = join!(shop.get("/v1/topics/news"), async { drop(begun(&service).await) });
    assert_eq!(one.status, 200);
    drop(first);
    call.gone().await;
    let (third, _call) = join!(Answer::get(&shop, WATCH, "*/*"), begun(&service));
    assert_eq!(third.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_service_and_is_told_when_it_is_too_late() {
    for (accept, end, last) in [
        ("application/x-ndjson", "\n", "{\"error\":{\"code\":\"OVERLOADED\","),
        ("text/event-stream", "\n\n", "event: error\ndata: {\"error\":{\"code\":\"OVERLOADED\","),
    ] {
        cut_off(accept, end, last).await;
    }
}

/// Has a client that does not read for long enough, and then reads to the last event.
async fn cut_off(accept: &str, end: &str, last: &str) {
    let streams = Streams { max: 1, patience: SHORT, ..Streams::default() };
    for (service, shop) in feeds(with(streams)).await {
        let (mut answer, mut call) = join!(Answer::get(&shop, WATCH, accept), begun(&service));
        assert!(matches!(answer.until(end).await, Next::Text(_)));
        // what the sockets take, and not much more
        let said = timeout(PATIENCE, talk(&mut call)).await.expect("it is cut off");
        assert!((1..400).contains(&said), "{said} messages of 64 KiB");
        // what it has not read keeps its place
        assert_eq!(Answer::get(&shop, WATCH, "*/*").await.status, 503);
        let mut read = 0;
        loop {
            match answer.until(end).await {
                Next::Text(event) if event.starts_with(last) => break,
                Next::Text(_) => read += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answer.until("\n").await, Next::End);
        assert!((said - 3..=said).contains(&read), "{read} of {said}");
        watching(&shop, &service).await;
    }
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_connection() {
    let service = Service::new();
    let streams = Streams { patience: SHORT, ..Streams::default() };
    let options = Options { connection_idle: SHORT * 2, ..with(streams) };
    let shop = feed(&service, options).await;
    let (mut answer, mut call) = watching(&shop, &service).await;
    talk(&mut call).await;
    sleep(SHORT * 6).await;
    let end = loop {
        match answer.until("\n").await {
            Next::Text(_) => {}
            end => break end,
        }
    };
    assert_eq!(end, Next::Cut);
}

#[tokio::test]
async fn clients_that_do_not_read_hold_up_nobody_else() {
    let service = Service::new();
    let shop = remote_feed(&service, Options::default()).await;
    let mut silent = Vec::new();
    // far more than the window of a connection
    for _ in 0..12 {
        let (answer, mut call) = watching(&shop, &service).await;
        silent.push(answer);
        tokio::spawn(async move { talk(&mut call).await });
    }
    sleep(SHORT * 3).await;
    let (one, ()) = join!(shop.get("/v1/topics/news"), async { drop(begun(&service).await) });
    assert_eq!(one.status, 200);
    watching(&shop, &service).await;
}

#[tokio::test]
async fn what_a_client_does_not_read_is_bounded_and_others_go_on() {
    let streams = Streams { bytes: 8_000_000, ..Streams::default() };
    let proxies = ["127.0.0.1".parse().unwrap()].into_iter().collect();
    let options = Options { trusted_proxies: proxies, ..with(streams) };
    for (service, shop) in feeds(options).await {
        let get = |address: &str| {
            let request = Request::get(WATCH).header("x-forwarded-for", address);
            Answer::to(&shop, request, "")
        };
        let (mut honest, mut heard) = join!(get("192.0.2.1"), begun(&service));
        assert!(honest.line().await["result"].is_object());
        // a quarter for one message, with the buffer that it came in
        let large = "x".repeat(900_000);
        let mut unread = Vec::new();
        for _ in 0..4 {
            let (answer, mut call) = join!(get("192.0.2.2"), begun(&service));
            unread.push(answer);
            while call.say(entry(2, &large)).await {}
        }
        // those who have no room end and say so, and do not wait for it
        for answer in &mut unread {
            let error = loop {
                let line = answer.line().await;
                if line["result"].is_null() {
                    break line["error"]["code"].clone();
                }
            };
            assert_eq!(error, "OVERLOADED");
        }
        assert!(heard.say(entry(2, &large)).await);
        assert_eq!(honest.line().await["result"]["text"].as_str().map(str::len), Some(900_000));
        // what has been read takes none
        drop(unread);
        let (mut again, mut call) = join!(get("192.0.2.2"), begun(&service));
        assert!(again.line().await["result"].is_object());
        assert!(call.say(entry(2, &large)).await);
        assert_eq!(again.line().await["result"]["text"].as_str().map(str::len), Some(900_000));
    }
}

#[tokio::test]
async fn the_rest_of_a_stream_is_not_kept_for_ever() {
    let service = Service::new();
    let streams = Streams { rest_limit: SHORT, ..Streams::default() };
    let shop = feed(&service, with(streams)).await;
    let (mut answer, mut call) = watching(&shop, &service).await;
    // more than the sockets take, in two events
    let large = "x".repeat(3_900_000);
    assert!(call.say(entry(1, &large)).await && call.say(entry(2, &large)).await);
    drop(call);
    sleep(SHORT * 3).await;
    loop {
        match answer.until("\n").await {
            Next::Text(_) => {}
            end => break assert_eq!(end, Next::Cut),
        }
    }
}
