//! Images over REST: sent as they stand or in a form, and read whole or in part by browsers that keep them.

use std::collections::HashSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{join, join_all};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_kit::Id;
use souk_kit::id::kind;

use crate::support::{Http, Response, Suite, product, unique};

/// Bytes that nobody else has, and that are an image as far as anybody looks.
pub fn png(size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    bytes.extend(unique("image").into_bytes());
    let places = 0_u32..;
    bytes.extend(places.map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]).take(size));
    bytes.truncate(size);
    bytes
}

/// A form with a file, and what is said of it.
fn form(name: &str, alt: &str, bytes: &[u8]) -> Vec<u8> {
    let mut form = format!(
        "--x\r\ncontent-disposition: form-data; name=alt\r\n\r\n{alt}\r\n--x\r\n\
         content-disposition: form-data; name=file; filename=\"{name}\"\r\n\
         content-type: text/html\r\n\r\n",
    )
    .into_bytes();
    form.extend(bytes);
    form.extend(b"\r\n--x--\r\n");
    form
}

struct Shop {
    suite: Suite,
    bearer: String,
    product: String,
}

impl Shop {
    async fn new() -> Self {
        Self::of(Suite::start().await).await
    }

    async fn of(suite: Suite) -> Self {
        let bearer = format!("Bearer {}", suite.admin().await);
        let product = product(&suite, "BOOK", "5.00", 1).await.id;
        Self { suite, bearer, product }
    }

    fn path(&self) -> String {
        format!("/v2/products/{}/images", self.product)
    }

    async fn post(&self, media_type: &str, body: &[u8]) -> Response {
        let sent = self.try_post(&self.suite.http(), media_type, body).await;
        sent.expect("an answer")
    }

    async fn try_post(&self, http: &Http, media_type: &str, body: &[u8]) -> Option<Response> {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", media_type)];
        http.send(Method::POST, &self.path(), &headers, body).await
    }

    async fn image(&self, bytes: &[u8]) -> Value {
        let made = self.post("image/png", bytes).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.json());
        made.json()
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        self.suite.http().send(method, path, headers, "").await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.send(Method::GET, path, headers).await
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Response {
        let token = self.bearer.trim_start_matches("Bearer ");
        self.suite.http().json_as(token, method, path, body).await
    }

    async fn image_ids(&self) -> Value {
        let found = self.get(&format!("/v2/products/{}", self.product), &[]).await;
        found.json()["image_ids"].clone()
    }
}

fn id(image: &Value) -> &str {
    image["id"].as_str().unwrap()
}

fn path(image: &Value) -> String {
    format!("/v2/images/{}", id(image))
}

#[tokio::test]
async fn an_image_goes_up_as_it_stands_or_in_a_form_and_its_bytes_say_what_it_is() {
    let shop = Shop::new().await;
    let (one, other) = (png(300_000), png(5_000));
    let made = shop.post("application/octet-stream", &one).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.json());
    let image = made.json();
    assert_eq!(made.header("location"), path(&image));
    assert_eq!((&image["content_type"], &image["size"]), (&json!("image/png"), &json!(300_000)));
    assert_eq!(image["file_name"], format!("{}.png", id(&image)));

    let media_type = "multipart/form-data; boundary=x";
    let form = form("b\u{fc}cher \u{201c}1\u{201d}.png", "Its back", &other);
    let made = shop.post(media_type, &form).await.json();
    assert_eq!(made["content_type"], "image/png", "not what the form says");
    assert_eq!((&made["alt"], &made["product_id"]), (&json!("Its back"), &json!(shop.product)));
    assert_eq!(made["file_name"], "b\u{fc}cher \u{201c}1\u{201d}.png");
    let disposition = shop.get(&path(&made), &[]).await.header("content-disposition").to_owned();
    assert_eq!(
        disposition,
        "inline; filename=\"b_cher _1_.png\"; filename*=UTF-8''b%C3%BCcher%20%E2%80%9C1%E2%80%9D.png"
    );

    for (image, bytes) in [(&image, one), (&made, other)] {
        let downloaded = shop.get(&path(image), &[]).await;
        assert_eq!(
            (downloaded.status, downloaded.header("content-type")),
            (StatusCode::OK, "image/png")
        );
        assert!(downloaded.body == bytes);
        assert_eq!(shop.get(&format!("{}/metadata", path(image)), &[]).await.json(), *image);
    }
    let listed = shop.get(&shop.path(), &[]).await.json();
    assert_eq!(listed["data"], json!([image, made]));
    assert_eq!(shop.image_ids().await, json!([image["id"], made["id"]]));
}

#[tokio::test]
async fn a_browser_keeps_an_image_for_good_and_asks_for_parts_of_it() {
    let shop = Shop::new().await;
    let bytes = png(100_000);
    let path = path(&shop.image(&bytes).await);
    let whole = shop.get(&path, &[]).await;
    assert_eq!(whole.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert_eq!(
        (whole.header("accept-ranges"), whole.header("content-length")),
        ("bytes", "100000")
    );
    let tag = whole.header("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");

    let known = shop.get(&path, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    let head = shop.send(Method::HEAD, &path, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!((head.header("content-length"), head.header("etag")), ("100000", &*tag));

    for (range, from, to) in
        [("bytes=0-9", 0, 10), ("bytes=99990-", 99_990, 100_000), ("bytes=-5", 99_995, 100_000)]
    {
        let part = shop.get(&path, &[("range", range), ("if-range", &tag)]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/100000", to - 1));
        assert!(part.body == bytes[from..to], "{range}");
    }
    let changed = shop.get(&path, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.status.as_u16(), changed.body.len()), (200, 100_000));
    let beyond = shop.get(&path, &[("range", "bytes=100000-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */100000"));
}

#[tokio::test]
async fn what_is_no_image_or_too_large_is_refused_by_name() {
    let suite = Suite::start_with(&[("SOUK_MAX_IMAGE_BYTES", "300000")]).await;
    let shop = Shop::of(suite).await;
    for (media_type, body, status, code) in [
        ("image/png", b"<svg onload='alert(1)'/>".to_vec(), 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("image/png", Vec::new(), 422, "VALIDATION_FAILED"),
        ("image/png", png(300_001), 413, "PAYLOAD_TOO_LARGE"),
        (
            "multipart/form-data; boundary=x",
            form("x.png", "", &png(300_001)),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "multipart/form-data; boundary=x",
            form("x.png", &"a".repeat(501), &png(1_000)),
            422,
            "VALIDATION_FAILED",
        ),
    ] {
        let refused = shop.post(media_type, &body).await;
        let answer = (refused.status.as_u16(), refused.code());
        assert_eq!(answer, (status, code.to_owned()), "{media_type}: {:?}", refused.json());
    }
    let most = shop.image(&png(300_000)).await;
    assert_eq!(shop.image_ids().await, json!([most["id"]]));

    let nobody = [("content-type", "image/png")];
    let refused =
        shop.suite.http().send(Method::POST, &shop.path(), &nobody, png(10)).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let token = format!("Bearer {}", shop.suite.user().await);
    let user = [("content-type", "image/png"), ("authorization", token.as_str())];
    let refused = shop.suite.http().send(Method::POST, &shop.path(), &user, png(10)).await.unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn images_are_described_put_in_order_and_deleted() {
    let shop = Shop::new().await;
    let (one, other) = (shop.image(&png(100)).await, shop.image(&png(100)).await);
    let order = json!([other["id"], one["id"]]);
    let product = format!("/v2/products/{}", shop.product);
    let moved = shop.json(Method::PATCH, &product, &json!({ "image_ids": order })).await;
    assert_eq!((moved.status, &moved.json()["image_ids"]), (StatusCode::OK, &order));
    let wrong = shop.json(Method::PATCH, &product, &json!({ "image_ids": [one["id"]] })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.json()["error"]["details"][0]["field"], "image_ids");

    let told = shop.json(Method::PATCH, &path(&one), &json!({ "alt": "A cup" })).await;
    assert_eq!((told.status, &told.json()["alt"]), (StatusCode::OK, &json!("A cup")));
    let late = [("if-match", one["etag"].as_str().unwrap()), ("authorization", &shop.bearer)];
    let late = shop.send(Method::DELETE, &path(&one), &late).await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (412, "ETAG_MISMATCH"));
    assert_eq!(shop.image_ids().await, order);

    let gone = shop.json(Method::DELETE, &path(&one), &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(shop.get(&path(&one), &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.image_ids().await, json!([other["id"]]));
    for unknown in ["img_00000000000000000000000000", "x", "..%2f..%2fsecret"] {
        let refused = shop.get(&format!("/v2/images/{unknown}"), &[]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

/// How many at once upload while they are killed, and how many images are acknowledged before that.
const UPLOADERS: usize = 4;
const ACKNOWLEDGED: usize = 12;
const ROUNDS: usize = 3;

/// Uploads until nobody answers: the images that were acknowledged, with their bytes.
async fn upload(shop: &Shop, http: &Http, acknowledged: &AtomicUsize) -> Vec<(String, Vec<u8>)> {
    let mut done = Vec::new();
    loop {
        let bytes = png(10_000 + 150_000 * (done.len() % 5));
        let Some(made) = shop.try_post(http, "image/png", &bytes).await else { return done };
        if made.status == StatusCode::CREATED {
            done.push((id(&made.json()).to_owned(), bytes));
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Kills all processes when enough was acknowledged, in the middle of more.
async fn kill(suite: &Suite, acknowledged: &AtomicUsize) {
    while acknowledged.load(Ordering::Relaxed) < ACKNOWLEDGED {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for pid in suite.processes() {
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_amid_uploads_loses_no_image_that_was_acknowledged_and_shows_none_that_is_not_whole()
{
    let mut shop = Shop::of(Suite::start_with_own_database().await).await;
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let (http, acknowledged) = (shop.suite.http(), AtomicUsize::new(0));
        let uploads = join_all((0..UPLOADERS).map(|_| upload(&shop, &http, &acknowledged)));
        let (done, ()) = join(uploads, kill(&shop.suite, &acknowledged)).await;
        all.extend(done);
        shop.suite.kill();
        shop.suite.restart();
    }
    let done: Vec<_> = all.into_iter().flatten().collect();
    assert!(done.len() >= ROUNDS * ACKNOWLEDGED);
    let shown = shop.image_ids().await;
    let shown: HashSet<_> =
        shown.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for (image, bytes) in &done {
        assert!(shown.contains(image.as_str()), "an acknowledged image is lost");
        let found = shop.get(&format!("/v2/images/{image}"), &[]).await;
        assert!(found.body == *bytes, "an acknowledged image has other bytes");
    }
    for image in shown {
        let found = shop.get(&format!("/v2/images/{image}/metadata"), &[]).await.json();
        let bytes = shop.get(&format!("/v2/images/{image}"), &[]).await.body;
        assert_eq!(found["size"], bytes.len(), "an image is not whole");
        let image: Id<kind::Image> = image.parse().unwrap();
        let folder = format!("{:02x}", image.uuid().as_bytes()[15]);
        assert!(shop.suite.images().join(folder).join(image.to_string()).exists());
    }
}
