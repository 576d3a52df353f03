//! Answers that come before the body of the request has: the client can read them, and knows whether
//! its connection goes on.

use std::time::Duration;

use souk_proto::souk::catalog::v1::Product;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fake::Fake;
use crate::http2::{Connection, trickle};
use crate::shop::{Reply, Shop, admin_token};

const PATIENCE: Duration = Duration::from_secs(10);
const NEXT: &str = "GET /v1/products/p HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n";

/// Heads of requests that are refused without a look at the body, and the status of the refusal.
fn refused() -> Vec<(u16, String)> {
    let bearer = format!("authorization: Bearer {}\r\n", admin_token());
    vec![
        (404, "POST /nowhere HTTP/1.1\r\nhost: souk\r\n".to_owned()),
        (405, "POST /v1/products/p HTTP/1.1\r\nhost: souk\r\n".to_owned()),
        (405, "POST /docs/errors HTTP/1.1\r\nhost: souk\r\n".to_owned()),
        (401, "POST /v1/products HTTP/1.1\r\nhost: souk\r\n".to_owned()),
        (400, format!("POST /v1/orders HTTP/1.1\r\nhost: souk\r\n{bearer}")),
        (
            415,
            format!("POST /v1/products HTTP/1.1\r\nhost: souk\r\n{bearer}content-encoding: br\r\n"),
        ),
    ]
}

/// Reads one answer, whose length is told.
async fn answer(stream: &mut TcpStream) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time");
        head.push(byte.unwrap_or_else(|error| panic!("{error}: {head:?}")));
    }
    let mut reply = Reply::parse(&head);
    let mut body = vec![0; reply.header("content-length").parse().unwrap()];
    timeout(PATIENCE, stream.read_exact(&mut body)).await.expect("a body in time").unwrap();
    reply.body = String::from_utf8(body).unwrap();
    reply
}

#[tokio::test]
async fn a_small_body_that_is_on_its_way_does_not_cost_the_connection() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    for (status, head) in refused() {
        let mut stream = shop.connect().await;
        let head = format!("{head}content-length: 20000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 20_000]).await.unwrap();
        let reply = answer(&mut stream).await;
        assert_eq!((reply.status, reply.header("connection")), (status, ""), "{head}");
        // the next call on the same connection
        stream.write_all(NEXT.as_bytes()).await.unwrap();
        assert_eq!(Reply::read(&mut stream).await.status, 200, "{head}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_costs_the_connection_which_is_announced() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    for (status, head) in refused() {
        for length in [1_000, 900_000] {
            let head = format!("{head}content-length: {length}\r\n\r\nx");
            let reply = shop.raw(&head).await;
            assert_eq!((reply.status, reply.header("connection")), (status, "close"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_client_that_writes_everything_first_reads_why_its_body_was_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    for attempt in 0..100 {
        let size = [2, 4, 8][attempt % 3] << 20;
        let mut stream = shop.connect().await;
        let head = format!(
            "POST /v1/products HTTP/1.1\r\nhost: souk\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {size}\r\n\r\n",
            admin_token()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let written = stream.write_all(&vec![b' '; size]).await;
        assert!(written.is_ok(), "attempt {attempt} with {size} bytes: {written:?}");
        let reply = answer(&mut stream).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
        assert_eq!(reply.header("connection"), "close");
    }
}

#[tokio::test]
async fn who_asks_for_leave_to_send_and_is_refused_gets_none() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    let mut heads = refused();
    let large = format!(
        "POST /v1/products HTTP/1.1\r\nhost: souk\r\nauthorization: Bearer {}\r\n",
        admin_token()
    );
    heads.push((413, large.clone()));
    for (status, head) in heads {
        let length = if status == 413 { 2_000_000 } else { 1_000 };
        let head = format!("{head}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = shop.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let reply = answer(&mut stream).await;
        assert_eq!(reply.status, status, "{head}");
        assert_eq!(reply.header("connection"), "close", "{head}");
    }
    // and who is not refused gets it
    let mut stream = shop.connect().await;
    let head = format!("{large}expect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut leave)).await.expect("an answer").unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 201);
}

#[tokio::test]
async fn over_http2_a_body_that_does_not_come_costs_nothing() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    let connection = Connection::to(&shop).await;
    for (method, path, status) in
        [("POST", "/v1/nothing", 404), ("PUT", "/v1/products", 405), ("POST", "/v1/products", 401)]
    {
        let (refused, body) = connection.ask(method, path, trickle(5_000)).await;
        assert_eq!(refused, status, "{body}");
    }
    assert_eq!(connection.get().await.0, 200);
}
