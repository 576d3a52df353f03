//! Streams that clients send: JSON in lines.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::json;
use souk_gateway::{Options, Streams};
use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;
use tokio::join;
use tokio::sync::mpsc;

use super::{Answer, Body, Call, Entry, Service, Summary, entry, feed, feeds};
use crate::fake::Fake;
use crate::shop::Shop;

const PUBLISH: &str = "/v1/topics/news/entries";
const SHORT: Duration = Duration::from_millis(200);

/// A body whose pieces are sent one by one; it breaks off with its sender.
pub fn written() -> (mpsc::Sender<&'static str>, Body) {
    let (sender, pieces) = mpsc::channel::<&'static str>(1);
    let pieces = futures::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), pieces))
    });
    (sender, StreamBody::new(pieces).boxed_unsync())
}

fn publish(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/x-ndjson")
}

/// All that a call is sent, in texts.
async fn hear_all(call: &mut Call) -> Vec<Entry> {
    let mut heard = Vec::new();
    while let Some(entry) = call.hear().await.unwrap() {
        heard.push(entry);
    }
    heard
}

#[tokio::test]
async fn each_line_is_a_message_and_comes_at_once() {
    for (service, shop) in feeds(Options::default()).await {
        let (lines, body) = written();
        let serving = async {
            lines.send("{\"sequence\": 1}\n{\"sequ").await.unwrap();
            let mut call = service.call().await;
            assert_eq!(call.path, "/feed.v1.Feed/Publish");
            // what the path says comes with the first message
            let first = Entry { topic: "news".to_owned(), ..entry(1, "") };
            assert_eq!(call.hear().await.unwrap(), Some(first));
            lines.send("ence\": 2, \"text\": \"x\"}\r\n\n").await.unwrap();
            assert_eq!(call.hear().await.unwrap(), Some(entry(2, "x")));
            lines.send("{}").await.unwrap();
            drop(lines);
            assert_eq!(call.hear().await.unwrap(), Some(entry(0, "")));
            assert_eq!(call.hear::<Entry>().await.unwrap(), None);
            call.say(Summary { count: 3 }).await;
        };
        let (mut answer, ()) = join!(Answer::with(&shop, publish(PUBLISH), body), serving);
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "application/json")
        );
        assert_eq!(answer.json().await, json!({"count": 3}));
    }
}

#[tokio::test]
async fn a_line_may_be_one_field_and_the_query_comes_with_the_first() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let request = publish("/v1/texts:publish?sequence=7");
    let serving = async {
        let mut call = service.call().await;
        let heard = hear_all(&mut call).await;
        call.say(Summary::default()).await;
        heard
    };
    let (answer, heard) = join!(Answer::to(&shop, request, "\"a\"\n\"b\""), serving);
    assert_eq!((answer.status.as_u16(), heard), (200, vec![entry(7, "a"), entry(0, "b")]));
}

#[tokio::test]
async fn path_and_query_come_with_the_first_line() {
    for (service, shop) in feeds(Options::default()).await {
        let request = publish("/v1/topics/n%2F1/entries:rows?sequence=7");
        let serving = async {
            let mut call = service.call().await;
            let heard = hear_all(&mut call).await;
            call.say(Summary::default()).await;
            heard
        };
        let (answer, heard) = join!(Answer::to(&shop, request, "\"a\"\n\"b\""), serving);
        let first = Entry { topic: "n/1".to_owned(), ..entry(7, "a") };
        assert_eq!((answer.status.as_u16(), heard), (200, vec![first, entry(0, "b")]));
    }
}

#[tokio::test]
async fn a_stream_may_have_no_line_and_what_path_and_query_say_is_heard_all_the_same() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let of_path = Entry { topic: "news".to_owned(), ..Entry::default() };
    for (path, expected) in [
        ("/v1/entries:collect", vec![]),
        (PUBLISH, vec![of_path]),
        ("/v1/texts:publish?sequence=7", vec![entry(7, "")]),
    ] {
        for lines in ["", "\n\n"] {
            let serving = async {
                let mut call = service.call().await;
                let heard = hear_all(&mut call).await;
                call.say(Summary::default()).await;
                heard
            };
            let (answer, heard) = join!(Answer::to(&shop, publish(path), lines), serving);
            assert_eq!((answer.status.as_u16(), &heard), (200, &expected), "{path}");
        }
    }
    let answer = Answer::to(&shop, publish("/v1/texts:publish?sequence=x"), "").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.error().await["details"][0]["field"], "sequence");
}

#[tokio::test]
async fn an_error_names_the_line_and_the_service_does_not_take_the_rest_for_all() {
    for (service, shop) in feeds(Options::default()).await {
        let wrong = [
            ("{\"sequence\": \"x\"}", "sequence"),
            ("{\"other\": 1}", "other"),
            ("{\"topic\": \"x\"}", "topic"),
            ("{\"text\"", ""),
        ];
        for (line, field) in wrong {
            let (lines, body) = written();
            let serving = async {
                lines.send("{\"sequence\": 1}\n\n").await.unwrap();
                let mut call = service.call().await;
                assert_eq!(call.hear::<Entry>().await.unwrap().unwrap().sequence, 1);
                lines.send(line).await.unwrap();
                lines.send("\n").await.unwrap();
                // not the end of the stream
                assert!(call.hear::<Entry>().await.is_err());
            };
            let answering = async {
                let answer = Answer::with(&shop, publish(PUBLISH), body).await;
                assert_eq!(answer.status, 400, "{line}");
                answer.error().await
            };
            let (error, ()) = join!(answering, serving);
            assert_eq!(
                (&error["code"], &error["metadata"]["line"]),
                (&"MALFORMED_REQUEST".into(), &"3".into())
            );
            assert!(error["message"].as_str().unwrap().starts_with("line 3: "), "{error}");
            if !field.is_empty() {
                assert_eq!(error["details"][0]["field"], field);
            }
        }
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    // that of the whole is another limit
    let fits = format!("{{\"text\": \"{}\"}}\n", "x".repeat(80)).repeat(1_000);
    let serving = async {
        let mut call = service.call().await;
        let heard = hear_all(&mut call).await.len();
        call.say(Summary::default()).await;
        heard
    };
    let (answer, heard) = join!(Answer::to(&shop, publish(PUBLISH), &fits), serving);
    assert_eq!((answer.status.as_u16(), heard), (200, 1_000));
    let long = format!("{{}}\n{{\"text\": \"{}\"}}", "x".repeat(100));
    let answer = Answer::to(&shop, publish(PUBLISH), &long).await;
    assert_eq!(answer.status, 413);
    let error = answer.error().await;
    assert_eq!(error["message"], "line 2 is larger than 100 bytes");
}

#[tokio::test]
async fn all_lines_together_may_be_too_many_and_those_that_are_empty_count() {
    const COLLECT: &str = "/v1/entries:collect";
    for (service, shop) in feeds(Options::default()).await {
        let serving = async {
            let mut call = service.call().await;
            let heard = hear_all(&mut call).await.len();
            call.say(Summary::default()).await;
            heard
        };
        let fits = format!("{{}}{}", "\n".repeat(998));
        let (answer, heard) = join!(Answer::to(&shop, publish(COLLECT), &fits), serving);
        assert_eq!((answer.status.as_u16(), heard), (200, 1));
        let told = Answer::to(&shop, publish(COLLECT), &format!("{fits}\n")).await;
        assert_eq!((told.status.as_u16(), told.code().await.as_str()), (413, "PAYLOAD_TOO_LARGE"));

        let (lines, body) = written();
        let serving = async {
            lines.send("{}\n").await.unwrap();
            let mut call = service.call().await;
            assert!(call.hear::<Entry>().await.unwrap().is_some());
            while lines.send("\n\n\n\n\n\n\n\n\n\n").await.is_ok() {}
            assert!(call.hear::<Entry>().await.is_err(), "the service takes it for a whole one");
        };
        let (answer, ()) = join!(Answer::with(&shop, publish(COLLECT), body), serving);
        assert_eq!(answer.status, 413);
        let message = "the call takes no more than 1000 bytes";
        assert_eq!(answer.error().await["message"], message);
    }
}

#[tokio::test]
async fn a_stream_that_its_client_breaks_off_breaks_off_for_the_service() {
    for (service, shop) in feeds(Options::default()).await {
        let (lines, body) = written();
        let sending =
            tokio::spawn(async move { Answer::with(&shop, publish(PUBLISH), body).await });
        lines.send("{}\n").await.unwrap();
        let mut call = service.call().await;
        assert!(call.hear::<Entry>().await.unwrap().is_some());
        // its connection goes with it
        sending.abort();
        assert!(call.hear::<Entry>().await.is_err());
    }
}

#[tokio::test]
async fn a_client_that_falls_silent_is_not_waited_for() {
    let service = Service::new();
    let shop = feed(&service, Options { body_idle: SHORT, ..Options::default() }).await;
    let (lines, body) = written();
    let serving = async {
        lines.send("{}\n").await.unwrap();
        let mut call = service.call().await;
        assert!(call.hear::<Entry>().await.unwrap().is_some());
        assert!(call.hear::<Entry>().await.is_err());
    };
    let (answer, ()) = join!(Answer::with(&shop, publish(PUBLISH), body), serving);
    assert_eq!((answer.status.as_u16(), answer.code().await.as_str()), (400, "MALFORMED_REQUEST"));
}

#[tokio::test]
async fn a_stream_may_take_longer_than_a_request_and_a_client_may_wait_for_its_service() {
    let options = Options { request_limit: SHORT, body_idle: SHORT, ..Options::default() };
    for (service, shop) in feeds(options).await {
        let serving = async {
            let mut call = service.call().await;
            tokio::time::sleep(SHORT * 3).await;
            hear_all(&mut call).await;
            call.say(Summary::default()).await;
        };
        let body = "{}\n".repeat(20_000);
        let (answer, ()) = join!(Answer::to(&shop, publish(PUBLISH), &body), serving);
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_stream_ends_at_its_own_limit() {
    let streams = Streams { request_limit: SHORT, ..Streams::default() };
    for (service, shop) in feeds(Options { streams, ..Options::default() }).await {
        let (lines, body) = written();
        let serving = async {
            let mut call = service.call().await;
            while lines.send("{}\n").await.is_ok() {
                tokio::time::sleep(SHORT / 20).await;
            }
            while let Ok(heard) = call.hear::<Entry>().await {
                assert!(heard.is_some(), "the service takes the stream for a whole one");
            }
        };
        let (answer, ()) = join!(Answer::with(&shop, publish(PUBLISH), body), serving);
        assert_eq!(answer.status, 504);
    }
}

#[tokio::test]
async fn a_service_need_not_wait_for_the_end() {
    for (service, shop) in feeds(Options::default()).await {
        let (lines, body) = written();
        let serving = async {
            lines.send("{}\n").await.unwrap();
            let mut call = service.call().await;
            assert!(call.hear::<Entry>().await.unwrap().is_some());
            call.fail(Failure::new(Reason::PermissionDenied, "enough")).await;
        };
        let (answer, ()) = join!(Answer::with(&shop, publish(PUBLISH), body), serving);
        assert_eq!(
            (answer.status.as_u16(), answer.code().await.as_str()),
            (403, "PERMISSION_DENIED")
        );
    }
}

#[tokio::test]
async fn a_stream_that_the_service_does_not_take_is_not_read() {
    for (service, shop) in feeds(Options::default()).await {
        let (lines, body) = written();
        let sending =
            tokio::spawn(async move { Answer::with(&shop, publish(PUBLISH), body).await });
        let _call = service.call().await;
        const LINES: &str = "{\"text\": \"0123456789012345678901234567890123456789\"}\n";
        let piece: &'static str = Box::leak(LINES.repeat(1_000).into_boxed_str());
        let mut sent = 0;
        // what sockets and windows take, and not much more
        while tokio::time::timeout(SHORT * 3, lines.send(piece)).await.is_ok() {
            sent += 1;
            assert!(sent < 400, "{sent} × 50 kB were read");
        }
        sending.abort();
    }
}

#[tokio::test]
async fn what_is_no_json_in_lines_is_refused() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let reply = shop.json("POST", PUBLISH, "{}").await;
    assert_eq!((reply.status, reply.code().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"));
    assert!(reply.body.contains("application/x-ndjson"));
    for media in ["application/ndjson", "application/jsonl; charset=utf-8"] {
        let request = Request::post(PUBLISH).header("content-type", media);
        let serving = async { service.call().await.say(Summary::default()).await };
        let (answer, _) = join!(Answer::to(&shop, request, "{}"), serving);
        assert_eq!(answer.status, 200, "{media}");
    }
}

#[tokio::test]
async fn messages_in_both_directions_need_a_websocket() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let reply = shop.get("/v1/topics/news/chat").await;
    assert_eq!((reply.status, reply.code().as_str()), (406, "NOT_ACCEPTABLE"));
    assert!(reply.body.contains("WebSocket"), "{}", reply.body);
    let reply = shop.send("POST", "/v1/files:convert", &[], "x").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (501, "UNIMPLEMENTED"),
        "for bytes, there is none"
    );
}

#[tokio::test]
async fn products_are_imported_in_lines() {
    use souk_proto::souk::catalog::v1::{ImportProductsRequest, ImportProductsResponse};

    let service = Service::new();
    let shop = Shop::behind(service.here(), Options::default()).await;
    let rows = concat!(
        r#"{"line": 1, "sku": "A-1", "name": "one", "price": 599.00, "categories": ["a"]}"#,
        "\n",
        r#"{"line": 2, "sku": "A-2", "name": "two", "price": "1.5", "stock": 7}"#,
        "\n"
    );
    let serving = async {
        let mut call = service.call().await;
        assert_eq!(call.path, "/souk.catalog.v1.CatalogService/ImportProducts");
        let mut heard: Vec<ImportProductsRequest> = Vec::new();
        while let Some(row) = call.hear().await.unwrap() {
            heard.push(row);
        }
        call.say(ImportProductsResponse { created: 2, ..Default::default() }).await;
        heard
    };
    let sending =
        shop.send("POST", "/v1/products:import", &["content-type: application/x-ndjson"], rows);
    let (reply, heard) = join!(sending, serving);
    assert_eq!((reply.status, &reply.json()["created"]), (200, &json!(2)));
    let prices: Vec<_> = heard.iter().map(|row| row.price.clone().unwrap().value).collect();
    assert_eq!(prices, ["599.00", "1.5"]);
    assert_eq!((heard[1].sku.as_str(), heard[1].stock), ("A-2", Some(7)));

    let fake = Fake::answering(());
    let nobody = ["authorization: Bearer none", "content-type: application/x-ndjson"];
    let reply = Shop::of(&fake).await.send("POST", "/v1/products:import", &nobody, rows).await;
    assert_eq!((reply.status, fake.last_call().is_none()), (401, true));
}
