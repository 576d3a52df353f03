//! RPCs under their own names: Connect and gRPC-Web.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::Message as _;
use souk_gateway::Options;
use souk_kit::Failure;
use souk_proto::souk::catalog::v1::{GetProductRequest, Product};
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

const PATH: &str = "/souk.catalog.v1.CatalogService/GetProduct";

fn product() -> Product {
    Product { id: "prod_1".to_owned(), in_stock: true, ..Product::default() }
}

fn request() -> GetProductRequest {
    GetProductRequest { id: "prod_1".to_owned() }
}

async fn post(fake: &Fake, media: &str, body: &str) -> Reply {
    let media = format!("content-type: {media}");
    Shop::of(fake).await.send("POST", PATH, &[&media], body).await
}

/// A message, or trailers, as gRPC-Web frames them.
fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0, content.len() as u8], content].concat()
}

#[tokio::test]
async fn connect_speaks_canonical_json() {
    let fake = Fake::answering(product());
    let reply = post(&fake, "application/json", r#"{"id": "prod_1"}"#).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.json(), serde_json::json!({"id": "prod_1", "inStock": true}));
    assert_eq!(fake.received::<GetProductRequest>(), request());
}

#[tokio::test]
async fn connect_speaks_protobuf() {
    let fake = Fake::answering(product());
    let body = String::from_utf8(request().encode_to_vec()).unwrap();
    let reply = post(&fake, "application/proto", &body).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/proto"));
    assert_eq!(Product::decode(&*reply.content).unwrap(), product());
    assert_eq!(fake.received::<GetProductRequest>(), request());
}

#[tokio::test]
async fn grpc_web_has_the_message_and_the_trailers_in_frames() {
    let fake = Fake::answering(product());
    let body = frame(0, &request().encode_to_vec());
    let text = String::from_utf8(body.clone()).unwrap();
    let reply = post(&fake, "application/grpc-web+proto", &text).await;
    let trailers = frame(0x80, b"grpc-status: 0\r\n");
    let expected = [frame(0, &product().encode_to_vec()), trailers].concat();
    assert_eq!((reply.status, &reply.content), (200, &expected));
    assert_eq!(fake.received::<GetProductRequest>(), request());

    let reply = post(&fake, "application/grpc-web-text", &STANDARD.encode(body)).await;
    assert_eq!(reply.header("content-type"), "application/grpc-web-text+proto");
    assert_eq!(STANDARD.decode(&reply.content).unwrap(), expected);
}

#[tokio::test]
async fn a_failure_is_told_in_the_protocol_of_the_client_with_all_its_details() {
    let failure = || Status::from(Failure::not_found("product", "prod_1"));
    let fake = Fake::failing(failure());
    let reply = post(&fake, "application/json", "{}").await;
    assert_eq!((reply.status, &reply.json()["code"]), (404, &"not_found".into()));
    assert_eq!(reply.json()["message"], "product prod_1 not found");
    let details = reply.json()["details"].as_array().unwrap().clone();
    let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo").unwrap();
    let info = STANDARD_NO_PAD.decode(info["value"].as_str().unwrap()).unwrap();
    assert_eq!(tonic_types::pb::ErrorInfo::decode(&*info).unwrap().reason, "NOT_FOUND");

    let reply = post(&fake, "application/grpc-web", "\0\0\0\0\0").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("grpc-status: 5\r\n"), "{}", reply.body);
    assert!(reply.body.contains("grpc-message: product%20prod_1%20not%20found\r\n"));
    assert!(reply.body.contains("grpc-status-details-bin: "));
}

#[tokio::test]
async fn the_version_that_a_change_is_for_goes_to_the_service_as_it_is() {
    let fake = Fake::answering(());
    let path = "/souk.catalog.v1.CatalogService/DeleteProduct";
    let headers = ["content-type: application/json", "if-match: \"7\""];
    let reply = Shop::of(&fake).await.send("POST", path, &headers, "{}").await;
    assert_eq!(reply.status, 200);
    assert_eq!(fake.last_call().unwrap().metadata.get("if-match").unwrap(), "\"7\"");
}

#[tokio::test]
async fn what_a_call_must_have_it_must_have_here_too() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    let path = "/souk.catalog.v1.CatalogService/DeleteProduct";
    let headers = ["content-type: application/json", "authorization: Bearer none"];
    let reply = shop.send("POST", path, &headers, "{}").await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &"unauthenticated".into()));
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    let path = "/souk.orders.v1.OrdersService/CreateOrder";
    let reply = shop.send("POST", path, &["content-type: application/json"], "{}").await;
    assert_eq!((reply.status, &reply.json()["code"]), (400, &"invalid_argument".into()));
    let large = format!(r#"{{"id": "{}"}}"#, "x".repeat(300_000));
    let reply = shop.send("POST", PATH, &["content-type: application/json"], &large).await;
    assert_eq!((reply.status, &reply.json()["code"]), (429, &"resource_exhausted".into()));
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn what_fails_before_or_around_a_call_is_told_in_the_protocol_of_the_client_too() {
    let never = || Fake::with(std::future::pending);
    let limited = Options { request_limit: Duration::from_millis(50), ..Options::default() };
    let one = Options { address_limit: 1, ..Options::default() };
    let cases = [(limited, 504, "deadline_exceeded", 4), (one, 429, "resource_exhausted", 8)];
    for (options, status, code, number) in cases {
        let shop = Shop::with(&never(), options).await;
        if number == 8 {
            shop.get("/").await;
        }
        let nobody = "authorization: Bearer no";
        let headers = ["content-type: application/json", nobody];
        let reply = shop.send("POST", PATH, &headers, "{}").await;
        assert_eq!((reply.status, &reply.json()["code"]), (status, &code.into()));
        let headers = ["content-type: application/grpc-web+proto", nobody];
        let reply = shop.send("POST", PATH, &headers, "\0\0\0\0\0").await;
        assert_eq!(reply.status, 200);
        assert!(reply.body.contains(&format!("grpc-status: {number}\r\n")), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_stream_is_not_called_by_its_name() {
    let shop = Shop::of(&Fake::answering(())).await;
    let path = "/souk.catalog.v1.CatalogService/ImportProducts";
    let headers = ["content-type: application/grpc-web+proto"];
    let reply = shop.send("POST", path, &headers, "\0\0\0\0\0").await;
    assert!(reply.body.contains("grpc-status: 12\r\n"), "{}", reply.body);
}

#[tokio::test]
async fn a_compressed_message_is_not_known() {
    let shop = Shop::of(&Fake::answering(product())).await;
    let headers = ["content-type: application/json", "content-encoding: gzip"];
    let reply = shop.send("POST", PATH, &headers, "{}").await;
    assert_eq!((reply.status, &reply.json()["code"]), (501, &"unimplemented".into()));
}

#[tokio::test]
async fn what_cannot_be_read_is_the_callers_fault() {
    let fake = Fake::answering(product());
    let cases = [
        ("application/json", r#"{"id": 7}"#),
        ("application/json", r#"{"id": "a", "id": "b"}"#),
        ("application/json", "{"),
        ("application/proto", "\n\u{7}a"),
        ("application/proto", "\u{7f}"),
        ("application/grpc-web", "\0\0\0\0\u{2}\n\u{7}"),
        ("application/grpc-web-text", "not base64"),
        ("application/grpc-web", "\0\0\0\0\u{7}abc"),
        ("application/grpc-web", "\0\0"),
        ("application/grpc-web", "\0\0\0\0\u{1}ab"),
    ];
    for (media, body) in cases {
        let reply = post(&fake, media, body).await;
        if media.starts_with("application/json") || media == "application/proto" {
            assert_eq!((reply.status, &reply.json()["code"]), (400, &"invalid_argument".into()));
            continue;
        }
        let text = STANDARD.decode(&reply.content).unwrap_or(reply.content.clone());
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("grpc-status: 3\r\n"), "{media} {body}: {text}");
    }
    assert!(fake.last_call().is_none());
    let reply = post(&fake, "text/plain", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"));
}

#[tokio::test]
async fn only_what_is_for_outsiders_can_be_called() {
    let fake = Fake::failing(Failure::new(Reason::Internal, "internal error"));
    let shop = Shop::of(&fake).await;
    for path in ["/souk.catalog.v1.CatalogService/ReserveStock", "/souk.none.v1.None/Get"] {
        let reply = shop.send("POST", path, &["content-type: application/json"], "{}").await;
        assert_eq!(reply.code(), "ROUTE_NOT_FOUND");
    }
    assert_eq!(shop.get(PATH).await.code(), "ROUTE_NOT_FOUND");
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn a_client_may_wait_less_than_the_gateway_would() {
    let fake = Fake::answering(product());
    let shop = Shop::of(&fake).await;
    let limits = [
        ["content-type: application/json", "connect-timeout-ms: 1500"],
        ["content-type: application/grpc-web", "grpc-timeout: 1500m"],
    ];
    for headers in limits {
        let body = if headers[0].ends_with("json") { "{}" } else { "\0\0\0\0\0" };
        assert_eq!(shop.send("POST", PATH, &headers, body).await.status, 200);
        let call = fake.last_call().unwrap();
        let sent = call.metadata.get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
        let (amount, unit) = sent.split_at(sent.len() - 1);
        let in_a_second = [("m", 1e3), ("u", 1e6), ("n", 1e9)];
        let (_, parts) = in_a_second.into_iter().find(|(name, _)| *name == unit).unwrap();
        assert!(amount.parse::<f64>().unwrap() / parts <= 1.5, "{sent}");
    }
}
