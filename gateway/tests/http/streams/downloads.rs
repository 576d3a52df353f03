//! Downloads of which parts can be asked for, and what is told of them.

use std::sync::{Arc, Mutex};

use souk_gateway::Options;

use super::{Answer, HttpBody, Next, Service, feed, feeds, http_body};
use crate::shop::Shop;

pub const PICTURE: &str = "/v1/pictures/1";
const SIZE: usize = 200_000;
const TAG: &str = "\"v1\"";

#[derive(Clone, PartialEq, prost::Message)]
struct PictureRequest {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    limit: i64,
    #[prost(int32, tag = "4")]
    width: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Picture {
    #[prost(message, optional, tag = "1")]
    content: Option<HttpBody>,
    #[prost(int64, tag = "2")]
    size: i64,
    #[prost(string, tag = "3")]
    etag: String,
    #[prost(string, tag = "4")]
    name: String,
}

/// The first message of a picture of a size.
pub fn piece(size: usize) -> Picture {
    let content = Some(http_body("image/png", vec![0; size.min(64 * 1024)]));
    Picture { content, size: size as i64, ..Picture::default() }
}

/// What a service was asked for, in the order of the calls.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(i64, i64)>>>);

impl Asked {
    /// Since the last time.
    fn take(&self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The bytes of a picture, of which no two parts are alike.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32).flat_map(|number| (number / 4).to_be_bytes()).take(size).collect()
}

/// Has a service send what it is asked for of a picture of this size, as the policy says.
fn serve(service: Service, size: usize, name: &'static str) -> Asked {
    let asked = Asked::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        let content = content(size);
        loop {
            let mut call = service.call().await;
            let PictureRequest { offset, limit, .. } = call.hear().await.unwrap().unwrap();
            noted.0.lock().unwrap().push((offset, limit));
            let part = souk_kit::download::part(offset, limit, size as u64);
            let mut pieces = content[part.start as usize..part.end as usize].chunks(64 * 1024);
            let mut picture = Picture {
                content: Some(http_body("image/png", pieces.next().unwrap_or_default())),
                size: size as i64,
                etag: "v1".to_owned(),
                name: name.to_owned(),
            };
            while call.say(picture).await {
                let Some(piece) = pieces.next() else { break };
                picture = Picture { content: Some(http_body("", piece)), ..Picture::default() };
            }
        }
    });
    asked
}

/// A gateway in front of a picture of a size.
async fn picture(size: usize) -> (Shop, Asked) {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    (shop, serve(service, size, "blue.png"))
}

#[tokio::test]
async fn a_download_says_how_long_it_is_what_it_is_called_and_which_version() {
    for (service, shop) in feeds(Options::default()).await {
        let asked = serve(service, SIZE, "blue.png");
        let reply = shop.get(PICTURE).await;
        assert_eq!((reply.status, reply.content == content(SIZE)), (200, true));
        for (header, expected) in [
            ("content-type", "image/png"),
            ("content-length", "200000"),
            ("etag", TAG),
            ("accept-ranges", "bytes"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("content-disposition", "inline; filename=\"blue.png\""),
        ] {
            assert_eq!(reply.header(header), expected, "{header}");
        }
        assert_eq!(asked.take(), [(0, 0)]);
    }
}

#[tokio::test]
async fn a_service_sends_the_part_that_a_client_asks_for_and_no_more() {
    for (service, shop) in feeds(Options::default()).await {
        let asked = serve(service, SIZE, "blue.png");
        let all = content(SIZE);
        for (range, told, part, call) in [
            ("bytes=0-9", "bytes 0-9/200000", 0..10, (0, 10)),
            ("bytes=100000-100000", "bytes 100000-100000/200000", 100_000..100_001, (100_000, 1)),
            ("bytes=199000-", "bytes 199000-199999/200000", 199_000..SIZE, (199_000, 0)),
            (
                "bytes=199000-999999",
                "bytes 199000-199999/200000",
                199_000..SIZE,
                (199_000, 801_000),
            ),
            ("bytes=-5", "bytes 199995-199999/200000", 199_995..SIZE, (-5, 0)),
            ("bytes=-300000", "bytes 0-199999/200000", 0..SIZE, (-300_000, 0)),
            ("bytes=1-99999999999999999999", "bytes 1-199999/200000", 1..SIZE, (1, i64::MAX)),
        ] {
            let reply = shop.send("GET", PICTURE, &[&format!("range: {range}")], "").await;
            assert_eq!((reply.status, reply.header("content-range")), (206, told), "{range}");
            assert_eq!(reply.header("content-length"), part.len().to_string(), "{range}");
            assert!(reply.content == all[part], "{range}");
            assert_eq!((asked.take(), reply.header("etag")), (vec![call], TAG), "{range}");
        }
        for range in ["bytes=0-1,4-5", "lines=0-1", "bytes=9-1"] {
            let reply = shop.send("GET", PICTURE, &[&format!("range: {range}")], "").await;
            assert_eq!((reply.status, reply.content.len()), (200, SIZE), "{range}");
        }
    }
}

#[tokio::test]
async fn a_part_behind_the_end_is_none() {
    let (shop, asked) = picture(SIZE).await;
    for (range, call) in [
        ("bytes=200000-", (200_000, 0)),
        ("bytes=999999999999999999999-", (i64::MAX, 0)),
        ("bytes=-0", (i64::MAX, 0)),
    ] {
        let reply = shop.send("GET", PICTURE, &[&format!("range: {range}")], "").await;
        assert_eq!((reply.status, reply.header("content-range")), (416, "bytes */200000"));
        assert_eq!(reply.code(), "RANGE_NOT_SATISFIABLE");
        assert_eq!(asked.take(), [call]);
    }
    let (shop, _asked) = picture(0).await;
    let reply = shop.send("GET", PICTURE, &["range: bytes=0-"], "").await;
    assert_eq!((reply.status, reply.header("content-range")), (416, "bytes */0"));
    let reply = shop.get(PICTURE).await;
    assert_eq!((reply.status, reply.header("content-length")), (200, "0"));
}

#[tokio::test]
async fn who_has_parts_of_another_version_gets_all_of_this_one() {
    let (shop, asked) = picture(SIZE).await;
    let part = ["range: bytes=0-9", "if-range: \"v1\""];
    let reply = shop.send("GET", PICTURE, &part, "").await;
    assert_eq!((reply.status, reply.content.len(), asked.take().len()), (206, 10, 1));
    for other in ["\"v0\"", "W/\"v1\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let part = ["range: bytes=0-9", &format!("if-range: {other}")];
        let reply = shop.send("GET", PICTURE, &part, "").await;
        assert_eq!((reply.status, reply.content == content(SIZE)), (200, true), "{other}");
        assert_eq!(asked.take(), [(0, 10), (0, 0)]);
    }
}

#[tokio::test]
async fn who_has_it_already_gets_nothing_of_it() {
    for (service, shop) in feeds(Options::default()).await {
        let _asked = serve(service, SIZE, "blue.png");
        for range in ["range: bytes=0-9", "range: bytes=200000-", "x-none: 1"] {
            for known in [TAG, "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
                let known = format!("if-none-match: {known}");
                let reply = shop.send("GET", PICTURE, &[range, &known], "").await;
                assert_eq!((reply.status, reply.content.len()), (304, 0), "{range} {known}");
                assert_eq!((reply.header("etag"), reply.header("content-range")), (TAG, ""));
            }
        }
        let other = shop.send("GET", PICTURE, &["if-none-match: \"v0\""], "").await;
        assert_eq!((other.status, other.content.len()), (200, SIZE));
    }
}

#[tokio::test]
async fn a_head_asks_the_service_for_one_byte() {
    for (service, shop) in feeds(Options::default()).await {
        let asked = serve(service, SIZE, "blue.png");
        let head = shop.send("HEAD", PICTURE, &["range: bytes=5-9"], "").await;
        assert_eq!((head.status, head.header("content-length")), (200, "200000"));
        assert_eq!((head.header("etag"), head.header("content-type")), (TAG, "image/png"));
        assert_eq!((head.content.len(), asked.take()), (0, vec![(0, 1)]));
    }
}

#[tokio::test]
async fn over_http_1_0_a_download_tells_its_length() {
    let (shop, _asked) = picture(SIZE).await;
    let reply = shop.raw(&format!("GET {PICTURE} HTTP/1.0\r\nhost: souk\r\n\r\n")).await;
    assert_eq!((reply.status, reply.header("content-length")), (200, "200000"));
    assert!(reply.content == content(SIZE));
}

#[tokio::test]
async fn which_part_is_for_the_header_to_say_and_no_parameter() {
    let (shop, asked) = picture(SIZE).await;
    for parameter in ["offset=1", "limit=1"] {
        let reply = shop.get(&format!("{PICTURE}?{parameter}")).await;
        let issue = reply.error()["details"][0]["issue"].clone();
        assert_eq!((reply.status, issue), (400, "is not a known field: known are width".into()));
    }
    assert_eq!(asked.take(), []);
    assert_eq!(shop.get(&format!("{PICTURE}?width=1")).await.status, 200);
}

#[tokio::test]
async fn the_name_of_a_file_is_text_of_any_kind() {
    for (name, expected) in [
        ("two words.png", "inline; filename=\"two words.png\""),
        ("é\"\r\n%.png", "inline; filename=\"_____.png\"; filename*=UTF-8''%C3%A9%22%0D%0A%25.png"),
        ("", ""),
    ] {
        let service = Service::new();
        let shop = feed(&service, Options::default()).await;
        serve(service, 1, name);
        assert_eq!(shop.get(PICTURE).await.header("content-disposition"), expected);
    }
}

#[tokio::test]
async fn a_download_of_another_length_than_was_told_is_cut() {
    for (service, shop) in feeds(Options::default()).await {
        for (told, pieces) in [(9, ["1234", "5678"]), (7, ["1234", "5678"]), (3, ["1234", ""])] {
            let serving = async {
                let mut call = service.call().await;
                for piece in pieces {
                    let content = Some(http_body("image/png", piece));
                    call.say(Picture { content, size: told, ..Picture::default() }).await;
                }
            };
            let (mut answer, ()) = tokio::join!(Answer::get(&shop, PICTURE, "*/*"), serving);
            assert_eq!(answer.header("content-length"), told.to_string());
            assert_eq!(answer.until("\n").await, Next::Cut);
        }
    }
}
