//! Requests that are begun and never finished refuse nobody else, and take little.

use std::time::Duration;

use http::StatusCode;
use souk_kit::listener::raise_descriptor_limit;
use souk_proto::souk::catalog::v1::ListProductsRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Http2, Suite, memory_of};

/// Within this an honest call is answered, whatever others do.
const ANSWERED: Duration = Duration::from_secs(5);
const CALLS: usize = 100;
/// What attackers may make the suite take.
const MEMORY: u64 = 100 * 1024 * 1024;

/// Calls over REST and gRPC, each over a connection of its own: at least 99 of 100 are answered.
pub async fn assert_others_are_served(suite: &Suite) {
    let mut served = 0;
    for call in 0..CALLS {
        let answered = timeout(ANSWERED, async {
            if call % 2 == 0 {
                suite.http().get("/v1/products?size=1").await.status == StatusCode::OK
            } else {
                let request = ListProductsRequest { size: Some(1), ..Default::default() };
                suite.catalog().list_products(request).await.is_ok()
            }
        });
        served += usize::from(answered.await.unwrap_or(false));
    }
    assert!(served >= CALLS * 99 / 100, "{served} of {CALLS} calls were answered");
}

fn memory(suite: &Suite) -> u64 {
    suite.processes().into_iter().map(|pid| memory_of(pid) * 1024).sum()
}

fn assert_little_was_taken(suite: &Suite, before: u64) {
    let taken = memory(suite).saturating_sub(before);
    assert!(taken < MEMORY, "{} MiB more than before", taken >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_a_body_refuse_nobody() {
    raise_descriptor_limit();
    let suite = Suite::start().await;
    assert_others_are_served(&suite).await;
    let before = memory(&suite);
    // the second time finds everything given back
    for _ in 0..2 {
        let mut begun = Vec::new();
        for _ in 0..36 {
            let connection = Http2::connect(suite.http_address()).await;
            for _ in 0..120 {
                let json = [("content-type", "application/json")];
                begun.push(connection.begin("POST", "/v1/auth/revoke", &json).await);
            }
        }
        for _ in 0..9 {
            let connection = Http2::connect(suite.catalog_address()).await;
            for _ in 0..256 {
                let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
                let path = "/souk.catalog.v1.CatalogService/GetProduct";
                begun.push(connection.begin("POST", path, &grpc).await);
            }
        }
        assert_others_are_served(&suite).await;
        assert_little_was_taken(&suite, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_stall_refuse_nobody() {
    raise_descriptor_limit();
    let suite = Suite::start().await;
    assert_others_are_served(&suite).await;
    let before = memory(&suite);
    let mut stalled = Vec::new();
    // almost nothing of a body, and almost all of the largest that anybody may send
    for (connections, sent) in [(700, 1), (300, 16_000)] {
        for _ in 0..connections {
            let mut stream = TcpStream::connect(suite.http_address()).await.unwrap();
            let head = "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\n\
                        content-type: application/json\r\ncontent-length: 16384\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b' '; sent]).await.unwrap();
            stalled.push(stream);
        }
    }
    assert_others_are_served(&suite).await;
    assert_little_was_taken(&suite, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_of_strangers_are_not_read() {
    raise_descriptor_limit();
    let suite = Suite::start().await;
    assert_others_are_served(&suite).await;
    let before = memory(&suite);
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(tokio::spawn(stranger(suite.http_address().to_owned())));
    }
    assert_others_are_served(&suite).await;
    assert_little_was_taken(&suite, before);
    for stranger in strangers {
        let answer = timeout(ANSWERED, stranger).await.expect("an answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    assert_little_was_taken(&suite, before);
}

/// Sends 900 KB of a body without a token, and more is said to come: the beginning of the answer.
async fn stranger(address: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/orders HTTP/1.1\r\nhost: souk\r\ncontent-type: application/json\r\n\
                content-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // what cannot be written any more is not what this is about
    let _ = stream.write_all(&vec![b' '; 900_000]).await;
    let mut start = vec![0; 40];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8(start).unwrap()
}
