//! Headers that only services know: they go on as metadata, and metadata comes back as headers.

use std::convert::Infallible;
use std::time::Duration;

use axum::routing::any;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message as _;
use serde_json::Value;
use souk_gateway::Options;
use souk_kit::{Channel, Failure};
use souk_proto::souk::catalog::v1::Product;
use souk_proto::souk::orders::v1::{ReceiveProviderEventRequest, ReceiveProviderEventResponse};
use tonic::service::Routes;
use tonic::{Response, Status};

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

const PRODUCT: &str = "/v1/products/prod_1";
const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

fn forwarding(names: &[&str]) -> Options {
    let forwarded_headers = names.iter().map(|name| name.parse().unwrap()).collect();
    Options { forwarded_headers, ..Options::default() }
}

/// A service whose answers, or failures, have metadata.
fn fake(metadata: &'static [(&'static str, &'static str)], fails: bool) -> Fake {
    Fake::with(move || async move {
        let wire = Product::default().encode_to_vec().into();
        let (mut answer, mut failure) =
            (Response::new(wire), Status::from(Failure::not_found("product", "prod_1")));
        for (name, value) in metadata {
            answer.metadata_mut().append(*name, value.parse().unwrap());
            failure.metadata_mut().append(*name, value.parse().unwrap());
        }
        if fails { Err(failure) } else { Ok(answer) }
    })
}

const METADATA: [(&str, &str); 4] =
    [("x-region", "eu"), ("x-region", "north"), ("x-inner", "secret"), ("cache-control", "public")];

#[tokio::test]
async fn a_service_gets_the_headers_that_are_named_and_no_others() {
    let fake = fake(&[], false);
    let shop = Shop::with(&fake, forwarding(&["X-Tenant", "accept-language", "x-tenant"])).await;
    let headers = ["x-tenant: a", "x-tenant: b", "Accept-Language: de", "x-other: c"];
    let unreadable = ["x-tenant: \u{e4}"];
    for path in [PRODUCT, GET_PRODUCT] {
        let method = if path == PRODUCT { "GET" } else { "POST" };
        let headers = [&headers[..], &unreadable, &["content-type: application/proto"]].concat();
        assert_eq!(shop.send(method, path, &headers, "").await.status, 200);
        let metadata = fake.last_call().unwrap().metadata;
        let tenants: Vec<_> = metadata.get_all("x-tenant").iter().collect();
        assert_eq!(tenants, ["a", "b"]);
        assert_eq!(metadata.get("accept-language").unwrap(), "de");
        assert!(metadata.get("x-other").is_none());
    }
}

const EVENT: &str = "{\"event\": \"payment.captured\",  \"of\": 1}\n";

#[tokio::test]
async fn an_rpc_gets_the_headers_that_its_policy_names_and_bytes_as_they_were_sent() {
    let answer = ReceiveProviderEventResponse { status: "received".to_owned() };
    let fake = Fake::answering(answer);
    // one that is passed on anyway comes once
    for options in [Options::default(), forwarding(&["x-razorpay-event-id"])] {
        let shop = Shop::with(&fake, options).await;
        let headers = ["X-Razorpay-Signature: abc", "x-razorpay-event-id: event_1", "x-other: c"];
        let json = ["content-type: application/json"];
        let headers = [&headers[..], &json].concat();
        let reply = shop.send("POST", "/webhooks/razorpay", &headers, EVENT).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "{\"status\":\"received\"}"));
        let metadata = fake.last_call().unwrap().metadata;
        for (name, value) in [("x-razorpay-signature", "abc"), ("x-razorpay-event-id", "event_1")] {
            let values: Vec<_> = metadata.get_all(name).iter().collect();
            assert_eq!(values, [value]);
        }
        assert!(metadata.get("x-other").is_none());
        let request: ReceiveProviderEventRequest = fake.received();
        assert_eq!(request.provider, "razorpay");
        assert_eq!(request.body.unwrap().data, EVENT);
    }
}

#[tokio::test]
async fn headers_that_one_rpc_knows_are_not_for_others() {
    let fake = fake(&[], false);
    let shop = Shop::of(&fake).await;
    shop.send("GET", PRODUCT, &["x-razorpay-signature: abc"], "").await;
    assert!(fake.last_call().unwrap().metadata.get("x-razorpay-signature").is_none());
}

#[tokio::test]
async fn the_document_names_the_headers_that_an_rpc_knows() {
    let shop = Shop::of(&fake(&[], false)).await;
    let document: Value = serde_json::from_str(&shop.get("/openapi.json").await.body).unwrap();
    let parameters = &document["paths"]["/webhooks/{provider}"]["post"]["parameters"];
    let headers: Vec<_> = (parameters.as_array().unwrap().iter())
        .filter(|parameter| parameter["in"] == "header")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    assert_eq!(headers, ["x-razorpay-signature", "x-razorpay-event-id"]);
}

#[tokio::test]
async fn metadata_of_answers_and_failures_comes_back_in_every_protocol() {
    let cases = [
        ("GET", PRODUCT, "application/json"),
        ("POST", GET_PRODUCT, "application/json"),
        ("POST", GET_PRODUCT, "application/grpc-web+proto"),
    ];
    for (method, path, media) in cases {
        for fails in [false, true] {
            let options = forwarding(&["x-region", "cache-control"]);
            let shop = Shop::with(&fake(&METADATA, fails), options).await;
            let body = match media {
                "application/json" if method == "GET" => "",
                "application/json" => "{}",
                _ => "\0\0\0\0\0",
            };
            let media = format!("content-type: {media}");
            let reply = shop.send(method, path, &[&media], body).await;
            assert_eq!(reply.header("x-region"), "eu, north", "{path} {media} {fails}");
            assert_eq!(reply.header("x-inner"), "");
            if method == "GET" {
                // what the gateway has said itself stays
                let own = if fails { "no-store" } else { "public, no-cache" };
                assert_eq!(reply.header("cache-control"), own);
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_passed_on_unless_the_gateway_is_told_to() {
    let fake = fake(&METADATA, false);
    let shop = Shop::of(&fake).await;
    let reply = shop.send("GET", PRODUCT, &["x-tenant: a"], "").await;
    assert_eq!((reply.header("x-region"), reply.header("vary").contains("x-")), ("", false));
    assert!(fake.last_call().unwrap().metadata.get("x-tenant").is_none());
}

#[tokio::test]
async fn what_a_service_says_after_its_answer_comes_back_as_well() {
    let serve = any(|| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-cost", HeaderValue::from_static("7"));
        let message = Frame::data(Bytes::from_static(b"\0\0\0\0\0"));
        let frames = [message, Frame::trailers(trailers)].map(Ok::<_, Infallible>);
        http::Response::builder()
            .header("content-type", "application/grpc")
            .body(axum::body::Body::new(StreamBody::new(stream::iter(frames))))
            .unwrap()
    });
    let routes = Routes::from(axum::Router::new().route("/{service}/{rpc}", serve));
    let shop = Shop::behind(Channel::in_process(routes), forwarding(&["x-cost"])).await;
    assert_eq!(shop.get(PRODUCT).await.header("x-cost"), "7");
}

/// Asks as nobody.
async fn get(shop: &Shop, headers: &str) -> Reply {
    let head =
        format!("GET {PRODUCT} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n{headers}\r\n");
    shop.raw(&head).await
}

async fn caching(fake: &Fake) -> Shop {
    let cache_ttl = Duration::from_secs(600);
    Shop::with(fake, Options { cache_ttl, ..forwarding(&["x-tenant", "x-region"]) }).await
}

#[tokio::test]
async fn who_is_answered_by_a_header_is_not_answered_from_the_cache() {
    let fake = fake(&[], false);
    let shop = caching(&fake).await;
    for (headers, calls) in
        [("x-tenant: a\r\n", 1), ("x-tenant: a\r\n", 2), ("", 3), ("", 3), ("x-tenant: b\r\n", 4)]
    {
        let reply = get(&shop, headers).await;
        assert_eq!((reply.status, fake.calls()), (200, calls), "{headers}");
        // nor by the caches of others
        assert!(reply.header("vary").contains("x-region, x-tenant"), "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_that_brings_headers_back_is_not_kept() {
    let fake = fake(&METADATA, false);
    let shop = caching(&fake).await;
    for calls in [1, 2] {
        let reply = get(&shop, "").await;
        assert_eq!((reply.header("x-region"), reply.header("age")), ("eu, north", ""));
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn scripts_of_other_origins_may_read_what_comes_back() {
    let origins = vec!["https://shop.example".parse().unwrap()];
    let options = Options { origins, ..forwarding(&["x-region"]) };
    let shop = Shop::with(&fake(&METADATA, false), options).await;
    let reply = shop.send("GET", PRODUCT, &["origin: https://shop.example"], "").await;
    assert_eq!(reply.header("x-region"), "eu, north");
    let exposed = reply.header("access-control-expose-headers");
    assert!(exposed.contains("x-region") && exposed.contains("etag"), "{exposed}");
}
