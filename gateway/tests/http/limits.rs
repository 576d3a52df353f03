//! Slow, large and many: what clients cannot do to the gateway.

use std::time::{Duration, Instant};

use souk_gateway::Options;
use souk_proto::souk::catalog::v1::Product;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(5);

fn never() -> Fake {
    Fake::with(std::future::pending)
}

async fn closes(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    timeout(LONG, stream.read_to_end(&mut bytes)).await.is_ok()
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_or_not_it_says_so() {
    let fake = Fake::answering(());
    let shop = Shop::with(&fake, Options { max_body: 64, ..Options::default() }).await;
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(64));
    let reply = shop.json("POST", "/v1/products", &large).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let chunked = format!(
        "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let mut stream = shop.connect().await;
    stream.write_all(chunked.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 413);
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    let header = format!("x-large: {}", "x".repeat(100_000));
    assert_eq!(shop.send("GET", "/v1/me", &[&header], "").await.status, 431);
}

#[tokio::test]
async fn a_connection_that_is_slow_with_its_headers_is_closed() {
    let options = Options { header_timeout: SHORT, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    // nothing, the beginning of either version, and headers without an end
    for start in ["", "P", "PRI * HTTP/2.0\r\n", "GET /v1/products/p HTTP/1.1\r\nhost: so"] {
        let mut stream = shop.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        assert!(closes(&mut stream).await, "{start:?}");
    }
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_is_closed() {
    let options = Options { connection_idle: SHORT, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let mut stream = shop.connect().await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&settings).await.unwrap();
    assert!(closes(&mut stream).await);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let product = Product { description: "x".repeat(200_000), ..Product::default() };
    let options = Options { connection_idle: SHORT, max_connections: 1, ..Options::default() };
    let shop = Shop::with(&Fake::answering(product), options).await;
    let mut greedy = shop.connect().await;
    let request = "GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n".repeat(200);
    greedy.write_all(request.as_bytes()).await.unwrap();
    // there is room for one connection: this one is served when the other is gone
    let reply = timeout(LONG * 2, shop.get("/v1/products/p")).await.expect("room");
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_refused() {
    let options = Options { body_idle: SHORT, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let head = "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\ncontent-length: 100\r\n\r\n{";
    let reply = timeout(LONG, shop.raw(head)).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
}

#[tokio::test]
async fn a_request_ends_at_its_deadline_wherever_it_is() {
    let options = Options { request_limit: SHORT, ..Options::default() };
    let shop = Shop::with(&never(), options).await;
    let reply = timeout(LONG, shop.get("/v1/products/p")).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (504, "DEADLINE_EXCEEDED"));
    let head = "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\ncontent-length: 100\r\n\r\n{";
    let reply = timeout(LONG, shop.raw(head)).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (504, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let shop = Shop::with(&never(), Options { max_calls: 1, ..Options::default() }).await;
    let mut first = shop.connect().await;
    first.write_all(b"GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    sleep(SHORT).await;
    let reply = shop.get("/v1/products/p").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "OVERLOADED"));
    assert_eq!(reply.header("retry-after"), "1");
    // whoever asks whether the process lives does not wait for the others
    assert_eq!(shop.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_while_all_others_are_at_work() {
    let options = Options { max_connections: 1, ..Options::default() };
    let shop = Shop::with(&never(), options).await;
    let mut first = shop.connect().await;
    first.write_all(b"GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    sleep(SHORT).await;
    let mut second = shop.connect().await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n";
    second.write_all(request).await.unwrap();
    assert!(timeout(SHORT, second.readable()).await.is_err());
    drop(first);
    assert_eq!(Reply::read(&mut second).await.status, 200);
}

#[tokio::test]
async fn connections_that_do_nothing_make_room_for_others() {
    let options = Options { max_connections: 3, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    // one that has asked, one that speaks HTTP/2, and one that has said nothing
    let mut asked = shop.connect().await;
    asked.write_all(b"GET /healthz HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    let mut spoken = shop.connect().await;
    spoken.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let silent = shop.connect().await;
    sleep(SHORT).await;
    for _ in 0..3 {
        let reply = timeout(LONG, shop.get("/healthz")).await.expect("room");
        assert_eq!(reply.status, 200);
    }
    drop((asked, spoken, silent));
}

#[tokio::test]
async fn requests_under_way_finish_when_the_process_ends() {
    let slow = Fake::with(|| async {
        sleep(SHORT).await;
        Ok(tonic::Response::new(bytes::Bytes::new()))
    });
    let shop = Shop::of(&slow).await;
    let mut stream = shop.connect().await;
    stream.write_all(b"GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    sleep(SHORT / 4).await;
    shop.shutdown.cancel();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    timeout(LONG, shop.serving).await.expect("an end").unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_keep_the_process() {
    let shop = Shop::of(&Fake::answering(())).await;
    let mut idle = shop.connect().await;
    idle.write_all(b"GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    let silent = shop.connect().await;
    sleep(SHORT).await;
    let start = Instant::now();
    shop.shutdown.cancel();
    timeout(LONG, shop.serving).await.expect("an end").unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    drop((idle, silent));
}

#[tokio::test]
async fn a_drain_ends_though_a_request_hangs() {
    let shop = Shop::with(&never(), Options { drain_limit: SHORT, ..Options::default() }).await;
    let mut stream = shop.connect().await;
    stream.write_all(b"GET /v1/products/p HTTP/1.1\r\nhost: souk\r\n\r\n").await.unwrap();
    sleep(SHORT).await;
    shop.shutdown.cancel();
    timeout(LONG, shop.serving).await.expect("an end").unwrap();
    assert!(closes(&mut stream).await);
}
