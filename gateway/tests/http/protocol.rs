//! What HTTP itself asks: hosts, versions, heads that cannot be read.

use souk_proto::souk::catalog::v1::Product;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake::Fake;
use crate::shop::{Reply, Shop, admin_token};

async fn shop() -> Shop {
    Shop::of(&Fake::answering(Product::default())).await
}

#[tokio::test]
async fn a_request_of_http_1_1_has_one_host() {
    let shop = shop().await;
    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let request = format!("GET /v1/products/p HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let reply = shop.raw(&request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{hosts:?}");
    }
    let old = shop.raw("GET /v1/products/p HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 200, "HTTP/1.0 has none");
}

#[tokio::test]
async fn a_request_with_two_tokens_is_refused_whatever_they_are() {
    let shop = shop().await;
    let token = format!("authorization: Bearer {}\r\n", admin_token());
    for path in ["/v1/me", "/v1/products/p"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: souk\r\n{token}{token}connection: close\r\n\r\n");
        let reply = shop.raw(&request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{path}");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_our_words() {
    let shop = shop().await;
    let many = "x: y\r\n".repeat(200);
    for (status, code, request) in [
        (
            400,
            "MALFORMED_REQUEST",
            "\u{16}\u{3}\u{1}\0\u{1}\0 a handshake of TLS\r\n\r\n".to_owned(),
        ),
        (400, "MALFORMED_REQUEST", "GET /v1/products\r\n\r\n".to_owned()),
        (400, "MALFORMED_REQUEST", "GET / HTTP/1.1\r\nhost: souk\r\n: no name\r\n\r\n".to_owned()),
        (
            400,
            "MALFORMED_REQUEST",
            "POST / HTTP/1.1\r\nhost: souk\r\ncontent-length: many\r\n\r\n".to_owned(),
        ),
        (431, "HEADERS_TOO_LARGE", format!("GET / HTTP/1.1\r\nhost: souk\r\n{many}\r\n")),
        (
            431,
            "HEADERS_TOO_LARGE",
            format!("GET / HTTP/1.1\r\nhost: souk\r\nx: {}\r\n\r\n", "y".repeat(100_000)),
        ),
        (
            431,
            "HEADERS_TOO_LARGE",
            format!("GET /{} HTTP/1.1\r\nhost: souk\r\n\r\n", "y".repeat(100_000)),
        ),
    ] {
        let reply = shop.raw(&request).await;
        let start = &request[..request.len().min(60)];
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{start:?}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("connection"), "close");
        let page = shop.get(reply.error()["docs_url"].as_str().unwrap()).await;
        assert_eq!(page.status, 200, "{start:?}");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_after_one_that_could_is_refused_as_well() {
    let shop = shop().await;
    let mut stream = shop.connect().await;
    let good = "GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n";
    stream.write_all(good.as_bytes()).await.unwrap();
    // the first answer, before the second request
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    stream.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let rest = String::from_utf8(rest).unwrap();
    let (_, second) = rest.split_once("HTTP/1.1 400").expect("a second answer");
    let reply = Reply::parse(format!("HTTP/1.1 400{second}").as_bytes());
    assert_eq!(reply.code(), "MALFORMED_REQUEST");
}
