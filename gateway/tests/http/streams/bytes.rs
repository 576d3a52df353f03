//! Bytes of any media type, in both directions, whole and as they come.

use std::time::Duration;

use http::Request;
use prost::Message;
use souk_gateway::{Options, Streams};
use tokio::join;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Status;

use super::bodies::written;
use super::{
    Answer, Call, Document, File, HttpBody, Next, PATIENCE, Service, Summary, feed, feeds,
    http_body,
};
use crate::shop::{Reply, Shop};

const FILE: &str = "/v1/topics/news/file";
const ARCHIVE: &str = "/v1/topics/news/archive";
const SHORT: Duration = Duration::from_millis(200);

/// Answers the next call with one message.
async fn answering(service: &Service, message: impl Message) {
    service.call().await.say(message).await;
}

async fn get(shop: &Shop, service: &Service, headers: &[&str], message: impl Message) -> Reply {
    join!(shop.send("GET", FILE, headers, ""), answering(service, message)).0
}

/// What the next call is asked; it is answered with nothing.
async fn asked<M: Message + Default>(service: &Service) -> M {
    let mut call = service.call().await;
    let message = call.hear().await.unwrap().expect("a message");
    call.say(Summary::default()).await;
    message
}

#[tokio::test]
async fn bytes_are_the_answer_as_they_stand() {
    for (service, shop) in feeds(Options::default()).await {
        for (told, expected) in [("image/png", "image/png"), ("", "application/octet-stream")] {
            let body = http_body(told, b"\xff\x00\n".to_vec());
            let reply = get(&shop, &service, &["accept: text/css"], body).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, expected));
            assert_eq!(reply.content, b"\xff\x00\n");
            assert_eq!(reply.header("accept-ranges"), "bytes");
        }
    }
}

#[tokio::test]
async fn a_client_may_get_a_part_of_bytes() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let text = "0123456789".repeat(200);
    for (range, told, expected) in [
        ("bytes=0-3", "bytes 0-3/2000", "0123"),
        ("bytes=1995-", "bytes 1995-1999/2000", "56789"),
        ("bytes=-2", "bytes 1998-1999/2000", "89"),
        ("bytes=1999-5000", "bytes 1999-1999/2000", "9"),
    ] {
        // what is cut is not compressed
        let headers = [&format!("range: {range}")[..], "accept-encoding: gzip"];
        let reply = get(&shop, &service, &headers, http_body("text/plain", text.as_str())).await;
        assert_eq!((reply.status, reply.header("content-range")), (206, told));
        assert_eq!((reply.body.as_str(), reply.header("content-encoding")), (expected, ""));
    }
    let beyond = ["range: bytes=2000-"];
    let reply = get(&shop, &service, &beyond, http_body("text/plain", text.as_str())).await;
    assert_eq!((reply.status, reply.header("content-range")), (416, "bytes */2000"));
    assert_eq!(reply.json()["error"]["code"], "RANGE_NOT_SATISFIABLE");
    for headers in [
        &["range: bytes=0-1,5-6"][..],
        &["range: lines=0-1"],
        &["range: bytes=0-1", "if-range: \"1\""],
    ] {
        let reply = get(&shop, &service, headers, http_body("text/plain", text.as_str())).await;
        assert_eq!((reply.status, reply.content.len()), (200, 2_000), "{headers:?}");
    }
    // JSON has no parts
    let json = shop.send("GET", "/v1/topics/news", &["range: bytes=0-3"], "");
    let (reply, ()) = join!(json, answering(&service, Summary::default()));
    assert_eq!((reply.status, reply.header("accept-ranges")), (200, ""));
}

#[tokio::test]
async fn bytes_may_be_a_field_of_what_has_a_version() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let document =
        || Document { etag: "7".to_owned(), content: Some(http_body("text/plain", "0123")) };
    let get = async |headers: &[&str]| {
        let reply = shop.send("GET", "/v1/topics/news/document", headers, "");
        join!(reply, answering(&service, document())).0
    };
    let whole = get(&[]).await;
    assert_eq!((whole.status, whole.body.as_str()), (200, "0123"));
    let tag = whole.header("etag");
    assert!(tag.starts_with("\"7."), "{tag}");
    let known = get(&[&format!("if-none-match: {tag}"), "range: bytes=0-1"]).await;
    assert_eq!((known.status, known.content.len()), (304, 0));
    let part = get(&["range: bytes=0-1"]).await;
    assert_eq!((part.status, part.body.as_str(), part.header("etag")), (206, "01", tag));
}

#[tokio::test]
async fn bytes_may_be_all_that_is_sent() {
    for (service, shop) in feeds(Options::default()).await {
        for media in ["image/png", "application/json", "application/x-www-form-urlencoded"] {
            let request = Request::put("/v1/file").header("content-type", media);
            let (answer, body) = join!(Answer::to(&shop, request, "{a"), asked(&service));
            assert_eq!((answer.status.as_u16(), body), (200, http_body(media, "{a")));
        }
        let (answer, body) =
            join!(Answer::to(&shop, Request::put("/v1/file"), ""), asked(&service));
        assert_eq!(
            (answer.status.as_u16(), body),
            (200, http_body("application/octet-stream", ""))
        );
    }
}

#[tokio::test]
async fn bytes_may_be_a_field_of_what_is_sent() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let request = Request::put(format!("{FILE}?size=7")).header("content-type", "text/csv");
    let (answer, file) = join!(Answer::to(&shop, request, "a,b"), asked(&service));
    let content = Some(http_body("text/csv", "a,b"));
    let expected = File { topic: "news".to_owned(), size: 7, content, ..File::default() };
    assert_eq!((answer.status.as_u16(), file), (200, expected));
}

#[tokio::test]
async fn there_may_be_too_many_bytes() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let answer = Answer::to(&shop, Request::put("/v1/file"), &"x".repeat(101)).await;
    assert_eq!((answer.status.as_u16(), answer.code().await.as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let encoded = Request::put("/v1/file").header("content-encoding", "gzip");
    let answer = Answer::to(&shop, encoded, "x").await;
    assert_eq!(answer.code().await, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn a_download_comes_as_the_service_sends_it() {
    for (service, shop) in feeds(Options::default()).await {
        let serving = async {
            let mut call = service.call().await;
            call.say(http_body("text/csv", "one,")).await;
            call
        };
        let (mut answer, mut call) = join!(Answer::get(&shop, ARCHIVE, "*/*"), serving);
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/csv"));
        assert_eq!(answer.until(",").await, Next::Text("one,".to_owned()));
        call.say(http_body("", "")).await;
        call.say(http_body("", "two,")).await;
        assert_eq!(answer.until(",").await, Next::Text("two,".to_owned()));
        // as long as it comes, it comes
        shop.shutdown.cancel();
        call.say(http_body("", "three,")).await;
        assert_eq!(answer.until(",").await, Next::Text("three,".to_owned()));
        drop(call);
        assert_eq!(answer.until(",").await, Next::End);
    }
}

#[tokio::test]
async fn a_download_that_fails_is_cut_and_one_that_has_not_begun_fails() {
    for (service, shop) in feeds(Options::default()).await {
        let failing = async { service.call().await.fail(Status::not_found("no")).await };
        let (answer, ()) = join!(Answer::get(&shop, ARCHIVE, "*/*"), failing);
        assert_eq!((answer.status.as_u16(), answer.code().await.as_str()), (404, "NOT_FOUND"));
        let serving = async {
            let mut call = service.call().await;
            call.say(http_body("text/csv", "one,")).await;
            call
        };
        let (mut answer, call) = join!(Answer::get(&shop, ARCHIVE, "*/*"), serving);
        assert_eq!(answer.until(",").await, Next::Text("one,".to_owned()));
        call.fail(Status::internal("broken")).await;
        assert_eq!(answer.until(",").await, Next::Cut);
    }
}

#[tokio::test]
async fn a_download_that_nobody_takes_is_cut_and_its_place_is_free() {
    let streams = Streams { max_downloads: 1, patience: SHORT, ..Streams::default() };
    let service = Service::new();
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let begun = async || {
        let mut call = service.call().await;
        call.say(http_body("text/csv", "one,")).await;
        call
    };
    let (mut answer, mut call) = join!(Answer::get(&shop, ARCHIVE, "*/*"), begun());
    let talk = async {
        let mut said = 0;
        while call.say(http_body("", vec![b'.'; 64 * 1024])).await {
            said += 1;
        }
        said
    };
    let said = timeout(PATIENCE, talk).await.expect("it is cut");
    assert!((1..400).contains(&said), "{said} messages of 64 KiB");
    let (other, _call) = join!(Answer::get(&shop, ARCHIVE, "*/*"), begun());
    assert_eq!(other.status, 200);
    assert_eq!(answer.until("\n").await, Next::Cut);
}

#[tokio::test]
async fn downloads_that_nobody_takes_are_cut_where_they_are_too_much_together() {
    let service = Service::new();
    let streams = Streams { bytes: 16_000_000, ..Streams::default() };
    let shop = feed(&service, Options { streams, ..Options::default() }).await;
    let (mut unread, mut talks) = (Vec::new(), JoinSet::new());
    for _ in 0..3 {
        let serving = async {
            let mut call = service.call().await;
            call.say(http_body("text/csv", vec![b'.'; 1_500_000])).await;
            call
        };
        let (answer, mut call) = join!(Answer::get(&shop, ARCHIVE, "*/*"), serving);
        unread.push(answer);
        talks.spawn(async move { while call.say(http_body("", vec![b'.'; 1_500_000])).await {} });
    }
    // long before one of them is too slow
    for _ in 0..2 {
        timeout(PATIENCE, talks.join_next()).await.expect("it is cut");
    }
}

#[tokio::test]
async fn over_http_1_0_there_is_no_download_that_could_be_cut() {
    let shop = feed(&Service::new(), Options::default()).await;
    let reply = shop.raw(&format!("GET {ARCHIVE} HTTP/1.0\r\nhost: souk\r\n\r\n")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
}

async fn hear_content(call: &mut Call) -> Result<Option<HttpBody>, Status> {
    Ok(call.hear::<File>().await?.map(|file| file.content.unwrap()))
}

#[tokio::test]
async fn an_upload_goes_to_the_service_as_it_comes() {
    for (service, shop) in feeds(Options::default()).await {
        let (pieces, body) = written();
        let request = Request::put(format!("{ARCHIVE}?size=3")).header("content-type", "text/csv");
        let serving = async {
            pieces.send("one").await.unwrap();
            let mut call = service.call().await;
            let content = Some(http_body("text/csv", "one"));
            let topic = "news".to_owned();
            let first = File { topic, size: 3, content, ..File::default() };
            assert_eq!(call.hear().await.unwrap(), Some(first));
            pieces.send("two").await.unwrap();
            let second = File { content: Some(http_body("", "two")), ..File::default() };
            assert_eq!(call.hear().await.unwrap(), Some(second));
            drop(pieces);
            assert_eq!(call.hear::<File>().await.unwrap(), None);
            call.say(Summary { count: 6 }).await;
        };
        let (mut answer, ()) = join!(Answer::with(&shop, request, body), serving);
        assert_eq!((answer.status.as_u16(), &answer.json().await["count"]), (200, &6.into()));
    }
}

#[tokio::test]
async fn the_messages_of_an_upload_are_small_and_there_is_one_at_least() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    for size in [0, 1, 200_000] {
        let serving = async {
            let mut call = service.call().await;
            let (mut count, mut heard) = (0, 0);
            while let Some(content) = hear_content(&mut call).await.unwrap() {
                assert!(content.data.len() <= 64 * 1024);
                count += 1;
                heard += content.data.len();
            }
            call.say(Summary::default()).await;
            (count > 0, heard)
        };
        let body = "x".repeat(size);
        let (answer, heard) = join!(Answer::to(&shop, Request::put(ARCHIVE), &body), serving);
        assert_eq!((answer.status.as_u16(), heard), (200, (true, size)));
    }
}

#[tokio::test]
async fn an_upload_that_is_too_large_is_refused_and_breaks_off() {
    for (service, shop) in feeds(Options::default()).await {
        let known = Answer::to(&shop, Request::put(ARCHIVE), &"x".repeat(300_001)).await;
        assert_eq!(
            (known.status.as_u16(), known.code().await.as_str()),
            (413, "PAYLOAD_TOO_LARGE")
        );
        let (pieces, body) = written();
        let serving = async {
            let piece: &'static str = Box::leak("x".repeat(1_000).into_boxed_str());
            pieces.send(piece).await.unwrap();
            let mut call = service.call().await;
            let sending = async {
                let mut sent = 1;
                while pieces.send(piece).await.is_ok() {
                    sent += 1;
                }
                sent
            };
            let hearing = async {
                let mut heard = 0;
                loop {
                    match hear_content(&mut call).await {
                        Ok(Some(content)) => heard += content.data.len(),
                        Ok(None) => panic!("the service takes the upload for a whole one"),
                        Err(_) => return heard,
                    }
                }
            };
            let (sent, heard) = join!(sending, hearing);
            assert!(sent >= 300 && heard <= 300_000, "{sent} kB, {heard} bytes");
        };
        let (answer, ()) = join!(Answer::with(&shop, Request::put(ARCHIVE), body), serving);
        let error = answer.error().await;
        assert_eq!(error["message"], "the call takes no more than 300000 bytes");
    }
}
