//! The same with a service in another process, and over HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use souk_gateway::Options;
use souk_kit::listener::{self, Networks, Protocol};
use souk_kit::server::Service;
use souk_kit::stack::{Limits, Stack};
use souk_kit::{Channel, Failure};
use souk_proto::souk::catalog::v1::Product;
use souk_proto::souk::types::v1::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, SERVICES};
use crate::shop::{Shop, admin_token, verifier};

/// A gateway in front of a fake that is called over the network.
async fn remote(fake: &Fake, options: Options) -> (Shop, CancellationToken) {
    let (address, shutdown) = served(fake).await;
    let channel = Channel::remote(format!("http://{address}").parse().unwrap());
    (Shop::behind(channel, options).await, shutdown)
}

/// Where a fake is served.
async fn served(fake: &Fake) -> (SocketAddr, CancellationToken) {
    let services = SERVICES.map(|name| Service {
        name,
        stack: Stack::new(fake.routes(), verifier(), Limits::default()),
        probe: Arc::new(|| Box::pin(async { true })),
    });
    let grpc = listener::Options {
        protocol: Protocol::Grpc,
        tls: None,
        connections: 100,
        connections_per_address: 100,
        proxies: Networks::default(),
        streams: 100,
        header_timeout: Duration::from_secs(5),
        idle: Duration::from_secs(60),
        drain: Duration::from_secs(1),
        rejection: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(souk_kit::server::serve(listener, services.into(), grpc, shutdown.clone()));
    (address, shutdown)
}

#[tokio::test]
async fn a_remote_service_is_called_like_one_in_this_process() {
    let product = Product { id: "prod_1".to_owned(), ..Product::default() };
    let (shop, _server) = remote(&Fake::answering(product), Options::default()).await;
    let reply = shop.json("POST", "/v1/products", r#"{"name": "x"}"#).await;
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/products/prod_1"));
    let missing = Failure::not_found("product", "prod_1");
    let (shop, _server) = remote(&Fake::failing(missing), Options::default()).await;
    assert_eq!(shop.get("/v1/products/prod_1").await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn a_remote_service_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let channel = Channel::remote(format!("http://{address}").parse().unwrap());
    let shop = Shop::behind(channel, Options::default()).await;
    let reply = shop.get("/v1/me").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "UNAVAILABLE"));
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!reply.body.contains(&address.to_string()));
    assert_eq!(shop.get("/healthz").await.status, 200);
    let ready = shop.get("/readyz").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "UNAVAILABLE"));
}

#[tokio::test]
async fn a_remote_service_that_hangs_up_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(stream);
        }
    });
    let channel = Channel::remote(format!("http://{address}").parse().unwrap());
    let reply = Shop::behind(channel, Options::default()).await.get("/v1/me").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "UNAVAILABLE"));
}

/// A way to a service that closes its first connections when it is called, each without having looked at the call.
async fn leaving(service: SocketAddr, connections: usize) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if turn < connections {
                    return go_away(client).await;
                }
                let mut server = TcpStream::connect(service).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Channel::remote(format!("http://{address}").parse().unwrap())
}

/// Waits for a call, and says that nothing was done of any (RFC 9113, section 6.8).
async fn go_away(mut client: TcpStream) {
    const HEADERS: u8 = 1;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let goodbye = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    client.write_all(&settings).await.unwrap();
    let mut preface = [0; 24];
    client.read_exact(&mut preface).await.unwrap();
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        client.read_exact(&mut frame).await.unwrap();
        if head[3] == HEADERS {
            break;
        }
    }
    client.write_all(&goodbye).await.unwrap();
    client.shutdown().await.unwrap();
    let _ = client.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_call_that_meets_a_connection_which_goes_away_is_made_over_another_one() {
    let product = Product { id: "prod_1".to_owned(), ..Product::default() };
    let (address, _server) = served(&Fake::answering(product)).await;
    let shop = Shop::behind(leaving(address, 1).await, Options::default()).await;
    let reply = shop.json("POST", "/v1/products", r#"{"name": "x"}"#).await;
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/products/prod_1"));
    // who goes away again and again is not there
    let shop = Shop::behind(leaving(address, usize::MAX).await, Options::default()).await;
    let reply = shop.get("/v1/products/prod_1").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "UNAVAILABLE"));
}

#[tokio::test]
async fn a_remote_service_that_takes_too_long_is_late() {
    let options = Options { request_limit: Duration::from_millis(200), ..Options::default() };
    let (shop, _server) = remote(&Fake::with(std::future::pending), options).await;
    for _ in 0..10 {
        let reply = shop.get("/v1/me").await;
        assert_eq!((reply.status, reply.code().as_str()), (504, "DEADLINE_EXCEEDED"));
    }
}

#[tokio::test]
async fn a_gateway_is_ready_when_its_services_are() {
    let (shop, server) = remote(&Fake::answering(()), Options::default()).await;
    let ready = async || shop.get("/readyz").await.status;
    let mut tries = 0;
    while ready().await != 200 && tries < 50 {
        tries += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ready().await, 200);
    server.cancel();
    while ready().await == 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    let failure = Failure::new(Reason::PermissionDenied, "no");
    let shop = Shop::of(&Fake::failing(failure)).await;
    let io = TokioIo::new(shop.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}/v1/products", shop.address))
        .header("authorization", format!("Bearer {}", admin_token()))
        .body(Full::new(Bytes::from_static(b"{}")))
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 403);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(br#"{"error":{"code":"PERMISSION_DENIED""#));
}
