//! Connections that do nothing are closed, make room, and never stop the listeners.

use std::time::Duration;

use http::StatusCode;
use souk_kit::listener::raise_descriptor_limit;
use souk_proto::souk::catalog::v1::ListProductsRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{
    Databases, MASTER_SECRET, PATIENCE, Process, Suite, cpu_time_of, souk_with_descriptors,
};

/// Within this an honest call is answered, whatever others do.
const ANSWERED: Duration = Duration::from_secs(5);
/// The beginning of HTTP/2: its preface, and empty settings.
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Opens connections and says something on each.
async fn open(address: &str, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // it may have been told to go already
        let _ = stream.write_all(bytes).await;
        streams.push(stream);
    }
    streams
}

/// Waits until all have been closed by the other side.
async fn assert_closed(streams: Vec<TcpStream>, what: &str) {
    let closing = async {
        for mut stream in streams {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    };
    timeout(PATIENCE, closing).await.unwrap_or_else(|_| panic!("some stay open: {what}"));
}

/// New clients, over both ports, are answered.
async fn assert_new_clients_are_served(suite: &Suite, calls: usize) {
    for call in 0..calls {
        let rest = timeout(ANSWERED, suite.http().get("/v1/products?size=1")).await;
        assert_eq!(rest.expect("an answer in time").status, StatusCode::OK, "call {call}");
        let request = ListProductsRequest { size: Some(1), ..Default::default() };
        let mut catalog = suite.catalog();
        let grpc = timeout(ANSWERED, catalog.list_products(request)).await;
        assert!(grpc.as_ref().is_ok_and(Result::is_ok), "call {call}: {grpc:?}");
    }
}

#[tokio::test]
async fn connections_that_never_speak_or_have_stopped_are_closed() {
    let suite = Suite::start_with(&[
        ("SOUK_HEADER_TIMEOUT", "1"),
        ("SOUK_IDLE_TIMEOUT", "2"),
        ("SOUK_GRPC_IDLE_TIMEOUT", "2"),
    ])
    .await;
    let mut all = Vec::new();
    for address in [suite.http_address(), suite.catalog_address()] {
        for (what, bytes) in [
            ("silent", &b""[..]),
            ("part of a preface", b"PRI * HT"),
            ("a preface and no more", &BEGINNING[..24]),
            ("begun, and nothing asked", BEGINNING),
        ] {
            all.push((format!("{what} at {address}"), open(address, 20, bytes).await));
        }
    }
    let ask = b"GET /healthz HTTP/1.1\r\nhost: souk\r\n\r\n";
    all.push(("asked once".to_owned(), open(suite.http_address(), 20, ask).await));
    for (what, streams) in all {
        assert_closed(streams, &what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_http2_connections_delay_nobody() {
    raise_descriptor_limit();
    let suite = Suite::start().await;
    let _idle = open(suite.http_address(), 2_000, BEGINNING).await;
    let _silent = open(suite.catalog_address(), 1_000, b"").await;
    assert_new_clients_are_served(&suite, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idlest_make_room_where_connections_are_few() {
    let suite = Suite::start_with(&[("SOUK_MAX_CONNECTIONS", "20")]).await;
    let active = suite.http();
    assert_eq!(active.get("/healthz").await.status, StatusCode::OK);
    for bytes in [&b""[..], BEGINNING] {
        let _idle = open(suite.http_address(), 60, bytes).await;
        let _others = open(suite.catalog_address(), 60, bytes).await;
        assert_new_clients_are_served(&suite, 3).await;
        let again = timeout(ANSWERED, active.get("/healthz")).await;
        assert_eq!(again.expect("an answer in time").status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_that_run_out_stop_no_listener_and_burn_no_core() {
    raise_descriptor_limit();
    let suite = Suite::start_with_descriptors(300).await;
    let mut all = Vec::new();
    for bytes in [&b""[..], BEGINNING] {
        all.push(open(suite.http_address(), 300, bytes).await);
        all.push(open(suite.catalog_address(), 300, bytes).await);
        assert_new_clients_are_served(&suite, 5).await;
    }
    let used = || suite.processes().into_iter().map(cpu_time_of).sum::<Duration>();
    let before = used();
    sleep(Duration::from_secs(2)).await;
    let burnt = used() - before;
    assert!(burnt < Duration::from_secs(1), "{burnt:?} of CPU in 2 s of nothing to do");
}

#[tokio::test]
async fn a_low_limit_of_descriptors_is_said() {
    let databases = Databases::create().await;
    let mut command = souk_with_descriptors(300);
    command
        .args(["serve", "--role", "auth", "--grpc", "127.0.0.1:0"])
        .env("SOUK_DATABASE_URL", databases.url_of("auth"))
        .env("SOUK_SECRET", MASTER_SECRET)
        .env("SOUK_ORDERS_CLIENT_SECRET", MASTER_SECRET);
    Process::start(command).line_with("the limit of open files is low");
}
