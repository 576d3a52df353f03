//! Answers that their clients do not take: what others still get, and how long they keep their places.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use souk_gateway::{Options, Streams};
use tokio::join;
use tokio::time::{sleep, timeout};

use super::downloads::{PICTURE, piece};
use super::limits::{WATCH, begun, watching};
use super::{Answer, Call, PATIENCE, Service, Summary, entry, feeds};
use crate::http2::{Body, Connection};
use crate::shop::Shop;

const SHORT: Duration = Duration::from_millis(300);

fn with(streams: Streams) -> Options {
    Options { streams: Streams { max: 1, max_downloads: 1, ..streams }, ..Options::default() }
}

/// The beginning of an answer for which a client gives no room.
async fn stalled(client: &Connection, path: &str) -> Response<Incoming> {
    let answer = client.begin("GET", path, Body::new(Empty::<Bytes>::new())).await;
    assert_eq!(answer.status(), 200);
    answer
}

/// A picture whose client gives no room for it, and which has far more to say.
async fn stalled_picture(client: &Connection, service: &Service) -> (Response<Incoming>, Call) {
    let saying = async {
        let mut call = service.call().await;
        call.say(piece(1_000_000)).await;
        call
    };
    join!(stalled(client, PICTURE), saying)
}

/// Asks for a picture until there is a place for it.
async fn picture(shop: &Shop, service: &Service) {
    let saying = async { service.call().await.say(piece(0)).await };
    let asking = async { while Answer::get(shop, PICTURE, "*/*").await.status != 200 {} };
    timeout(PATIENCE, async { join!(asking, saying) }).await.expect("a place");
}

#[tokio::test]
async fn downloads_that_nobody_takes_leave_streams_and_uploads_their_places() {
    let options = with(Streams { patience: PATIENCE * 10, ..Streams::default() });
    for (service, shop) in feeds(options).await {
        let client = Connection::mute(&shop).await;
        let _stalled = stalled_picture(&client, &service).await;
        let refused = Answer::get(&shop, PICTURE, "*/*").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
        assert_eq!(refused.code().await, "OVERLOADED");
        let (watched, call) = watching(&shop, &service).await;
        drop(watched);
        call.gone().await;
        let upload = Answer::to(&shop, Request::put("/v1/topics/news/archive"), "bytes");
        let saying = async { service.call().await.say(Summary::default()).await };
        assert_eq!(join!(upload, saying).0.status, 200);
    }
}

#[tokio::test]
async fn a_download_that_nobody_takes_gives_its_place_back_and_its_connection_goes_on() {
    let options = with(Streams { patience: SHORT, ..Streams::default() });
    for (service, shop) in feeds(options).await {
        let client = Connection::mute(&shop).await;
        let (_stalled, call) = stalled_picture(&client, &service).await;
        call.gone().await;
        picture(&shop, &service).await;
        let (one, ()) =
            join!(stalled(&client, "/v1/topics/news"), async { drop(begun(&service).await) });
        drop(one);
    }
}

#[tokio::test]
async fn a_stream_of_events_that_nobody_takes_gives_its_place_back_when_it_could_be_told() {
    let options = with(Streams { patience: SHORT, rest_limit: SHORT, ..Streams::default() });
    for (service, shop) in feeds(options).await {
        let client = Connection::mute(&shop).await;
        let (_stalled, mut call) = join!(stalled(&client, WATCH), begun(&service));
        while call.say(entry(1, &"x".repeat(64 * 1024))).await {}
        let free = async {
            let saying = async { while !begun(&service).await.say(entry(2, "")).await {} };
            let asking = async {
                while Answer::get(&shop, WATCH, "*/*").await.status != 200 {
                    sleep(SHORT / 10).await;
                }
            };
            join!(asking, saying)
        };
        timeout(PATIENCE, free).await.expect("a place");
    }
}
