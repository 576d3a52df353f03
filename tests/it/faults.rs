//! Faults of a client over gRPC are told as such, with details; and ids that can be none.

use bytes::Bytes;
use http::{Method, StatusCode};
use prost::Message as _;
use souk_proto::souk::catalog::v1::{
    GetCategoryRequest, GetProductRequest, ImportProductsRequest, UpdateProductRequest,
};
use souk_proto::souk::orders::v1::GetOrderRequest;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Http2, Suite, framed, signed};

/// Messages that cannot be read, as they are on the wire, and what is said of them.
fn unreadable() -> Vec<(&'static str, Bytes, Code, &'static str)> {
    let malformed = "MALFORMED_REQUEST";
    let whole = framed(&GetProductRequest { id: "abc".to_owned() }.encode_to_vec());
    let compressed = [&[1][..], &whole[1..]].concat();
    let unknown = [&[7][..], &whole[1..]].concat();
    vec![
        ("text that is not UTF-8", framed(b"\x0a\x02\xff\xff"), Code::InvalidArgument, malformed),
        ("a wrong wire type", framed(b"\x08\x01"), Code::InvalidArgument, malformed),
        ("a field that breaks off", framed(b"\x0a\x09abc"), Code::InvalidArgument, malformed),
        ("half a message", whole.slice(..whole.len() - 1), Code::InvalidArgument, malformed),
        ("half a header", whole.slice(..3), Code::InvalidArgument, malformed),
        ("a flag without an encoding", compressed.into(), Code::InvalidArgument, malformed),
        ("an unknown flag", unknown.into(), Code::InvalidArgument, malformed),
        (
            "a message that is too large",
            framed(&GetProductRequest { id: "x".repeat(300_000) }.encode_to_vec()),
            Code::ResourceExhausted,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "the promise of one",
            Bytes::from_static(b"\0\x7f\xff\xff\xff"),
            Code::ResourceExhausted,
            "PAYLOAD_TOO_LARGE",
        ),
    ]
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_callers_fault() {
    let suite = Suite::start().await;
    let connection = Http2::connect(suite.catalog_address()).await;
    for (what, body, code, reason) in unreadable() {
        let answer = connection.call("GetProduct", &[], body).await;
        assert_eq!(answer.grpc(), (code, reason.to_owned()), "{what}");
    }
    let none = connection.call("GetProduct", &[], Bytes::new()).await;
    assert_eq!(none.grpc(), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned()));
    let one = framed(&GetProductRequest { id: "abc".to_owned() }.encode_to_vec());
    let two = connection.call("GetProduct", &[], [&one[..], &one].concat().into()).await;
    assert_eq!(two.grpc(), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned()));
    let zipped = connection.call("GetProduct", &[("grpc-encoding", "gzip")], one.clone()).await;
    assert_eq!(zipped.grpc(), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
    let answer = connection.call("GetProduct", &[("grpc-encoding", "identity")], one).await;
    assert_eq!(answer.grpc(), (Code::NotFound, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_an_import_which_says_why() {
    let suite = Suite::start().await;
    let bearer = format!("Bearer {}", suite.admin().await);
    let connection = Http2::connect(suite.catalog_address()).await;
    let good = ImportProductsRequest { line: 1, sku: "A".to_owned(), ..Default::default() };
    let good = framed(&good.encode_to_vec());
    for (what, body, code, reason) in unreadable() {
        // the field of a product's id is the line of a row: text there is the wrong type as well
        if what == "a wrong wire type" {
            continue;
        }
        let rows = [&good[..], &body].concat().into();
        let answer = connection.call("ImportProducts", &[("authorization", &bearer)], rows).await;
        assert_eq!(answer.grpc(), (code, reason.to_owned()), "{what}");
    }
    let rows = [("authorization", &*bearer), ("grpc-encoding", "gzip")];
    let zipped = connection.call("ImportProducts", &rows, good).await;
    assert_eq!(zipped.grpc(), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
}

#[tokio::test]
async fn a_message_may_be_as_large_as_its_contract_says_and_no_larger() {
    let suite = Suite::start().await;
    let url = suite.url_of("souk.auth.v1.AuthService");
    let connection = Http2::connect(url.trim_start_matches("http://")).await;
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    for (size, reason) in [(16_384, "MALFORMED_REQUEST"), (16_385, "PAYLOAD_TOO_LARGE")] {
        // a length that nothing follows
        let message = framed(&vec![0xff; size]);
        let path = "/souk.auth.v1.AuthService/Register";
        let answer = connection.send("POST", path, &headers, message).await;
        assert_eq!(answer.grpc().1, reason, "{size}");
    }
}

#[tokio::test]
async fn what_is_no_call_of_grpc_is_refused() {
    let suite = Suite::start().await;
    let connection = Http2::connect(suite.catalog_address()).await;
    let paths = [
        "/souk.catalog.v1.CatalogService/GetProduct",
        "/souk.catalog.v1.CatalogService/Nothing",
        "/grpc.health.v1.Health/Check",
        "/nowhere",
    ];
    for path in paths {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let grpc = [("content-type", "application/grpc")];
            let answer = connection.send(method, path, &grpc, Bytes::new()).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.headers["allow"], "POST");
        }
        for content_type in ["", "application/json", "application/grpc-web", "application/grpcs"] {
            let headers = [("content-type", content_type)];
            let headers = if content_type.is_empty() { &[] } else { &headers[..] };
            let answer = connection.send("POST", path, headers, framed(b"")).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type} {path}");
        }
    }
    for content_type in ["application/grpc+proto", "application/grpc; charset=utf-8"] {
        let headers = [("content-type", content_type), ("te", "trailers")];
        let answer = connection.send("POST", paths[0], &headers, framed(b"")).await;
        assert_eq!(answer.grpc().0, Code::NotFound, "{content_type}");
    }
    let unknown = connection.call("Nothing", &[], framed(b"")).await;
    assert_eq!(unknown.grpc(), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
}

#[tokio::test]
async fn two_tokens_are_no_token() {
    let suite = Suite::start().await;
    let bearer = format!("Bearer {}", suite.admin().await);
    let connection = Http2::connect(suite.catalog_address()).await;
    let headers = [("authorization", &*bearer), ("authorization", &*bearer)];
    let answer = connection.call("CreateProduct", &headers, framed(b"")).await;
    assert_eq!(answer.grpc(), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned()));
}

#[tokio::test]
async fn a_path_id_that_can_be_no_id_names_nothing() {
    let suite = Suite::start().await;
    let (admin, user) = (suite.admin().await, suite.user().await);
    let body = serde_json::json!({});
    for (kind, path, verbs, token) in [
        ("product", "/v1/products/{id}", &["GET", "PATCH", "PUT", "DELETE"][..], &admin),
        ("category", "/v1/categories/{id}", &["GET", "PATCH", "PUT", "DELETE"], &admin),
        ("product", "/v1/products/{id}/stock", &["POST"], &admin),
        ("order", "/v1/orders/{id}", &["GET"], &user),
        ("order", "/v1/orders/{id}/cancel", &["POST"], &user),
    ] {
        for verb in verbs {
            let method: Method = verb.parse().unwrap();
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
            let body = if method == Method::GET { String::new() } else { body.to_string() };
            let path_of = |id: &str| path.replace("{id}", id);
            let answer = suite.http().send(method.clone(), &path_of("abc"), &headers, &body).await;
            let answer = answer.unwrap();
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{verb} {path}: {answer:?}");
            let error = &answer.json()["error"];
            assert_eq!(error["code"], "NOT_FOUND", "{verb} {path}");
            assert_eq!(error["message"], format!("{kind} abc not found"), "{verb} {path}");
            let long = path_of(&"x".repeat(5_000));
            let answer = suite.http().send(method, &long, &headers, &body).await.unwrap();
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{verb} {path}");
            let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.ends_with("… not found") && message.len() < 100, "{message}");
        }
    }
}

#[tokio::test]
async fn the_same_over_grpc() {
    let suite = Suite::start().await;
    let id = || "abc".to_owned();
    let admin = suite.admin().await;
    let update = UpdateProductRequest { id: id(), ..UpdateProductRequest::default() };
    for (kind, status) in [
        ("product", suite.catalog().get_product(GetProductRequest { id: id() }).await.err()),
        ("product", suite.catalog().update_product(signed(&admin, update)).await.err()),
        ("category", suite.catalog().get_category(GetCategoryRequest { id: id() }).await.err()),
        (
            "order",
            suite.orders().get_order(signed(&admin, GetOrderRequest { id: id() })).await.err(),
        ),
    ] {
        let status = status.expect("an error");
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, &*format!("{kind} abc not found"))
        );
        assert_eq!(status.get_details_error_info().unwrap().reason, "NOT_FOUND");
    }
}
