//! The same with a service in another process, and over HTTP/2.

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
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, SERVICES};
use crate::shop::{Shop, admin_token, verifier};

/// A gateway in front of a fake that is called over the network.
async fn remote(fake: &Fake, options: Options) -> (Shop, CancellationToken) {
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
    let channel = Channel::remote(format!("http://{address}").parse().unwrap());
    (Shop::behind(channel, options).await, shutdown)
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
