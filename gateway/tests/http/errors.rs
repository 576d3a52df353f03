//! Everything that goes wrong has one shape.

use std::time::Duration;

use serde_json::json;
use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;
use tonic::{Code, Status};

use crate::fake::Fake;
use crate::shop::Shop;

async fn failing(status: impl Into<Status>) -> Shop {
    Shop::of(&Fake::failing(status)).await
}

#[tokio::test]
async fn a_path_that_no_rpc_has_is_route_not_found() {
    let shop = Shop::of(&Fake::answering(())).await;
    for target in ["/v1", "/v1/nothing", "/v1/products/a/b/c", "/v1/products/"] {
        let reply = shop.get(target).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "ROUTE_NOT_FOUND"), "{target}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_method_that_the_path_does_not_have_is_refused_with_those_that_it_has() {
    let shop = Shop::of(&Fake::answering(())).await;
    let reply = shop.json("DELETE", "/v1/products", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert!(reply.header("allow").contains("GET") && reply.header("allow").contains("POST"));
    let reply = shop.json("POST", "/docs/errors", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (405, "METHOD_NOT_ALLOWED"));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_field() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    let order = r#"{"items": [{"quantity": 1}, {"quantity": "two"}]}"#;
    for (target, body, field) in [
        ("/v1/products", r#"{"colour": "red"}"#, "colour"),
        ("/v1/products", r#"{"name": 7}"#, "name"),
        ("/v1/products", r#"{"categoryIds": []}"#, "categoryIds"),
        ("/v1/orders", order, "items[1].quantity"),
    ] {
        let headers = ["idempotency-key: k", "content-type: application/json"];
        let reply = shop.send("POST", target, &headers, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{body}");
        assert_eq!(reply.error()["details"][0]["field"], field);
        assert!(reply.error()["details"][0]["issue"].is_string());
    }
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn broken_json_is_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    for body in ["{", "[]", "null", "{} {}", r#"{"name": "x",}"#, "name=x"] {
        let reply = shop.json("POST", "/v1/products", body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{body}");
    }
}

#[tokio::test]
async fn a_path_or_query_that_is_not_utf8_is_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    for target in ["/v1/products/%FF", "/v1/products?cursor=%FF"] {
        let reply = shop.get(target).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{target}");
    }
}

#[tokio::test]
async fn media_types_that_no_rpc_takes_are_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    for header in
        ["content-type: text/plain", "content-type: multipart/form-data", "content-encoding: gzip"]
    {
        let reply = shop.send("POST", "/v1/products", &[header], "{}").await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"));
    }
}

#[tokio::test]
async fn a_services_failure_keeps_its_reason_fields_and_metadata() {
    let shop = failing(
        Failure::new(Reason::OutOfStock, "only 1 is available")
            .with("product_id", "prod_1")
            .with("requested", 2)
            .with("available", 1)
            .violation("items[0].quantity", "is more than there is"),
    )
    .await;
    let reply = shop.send("POST", "/v1/orders", &["idempotency-key: k"], "{}").await;
    assert_eq!(reply.status, 409);
    let error = reply.error();
    assert_eq!(error["code"], "OUT_OF_STOCK");
    assert_eq!(error["message"], "only 1 is available");
    assert_eq!(
        error["metadata"],
        json!({"available": "1", "product_id": "prod_1", "requested": "2"})
    );
    assert_eq!(
        error["details"],
        json!([{"field": "items[0].quantity", "issue": "is more than there is"}])
    );
    assert_eq!(reply.header("retry-after"), "");
}

#[tokio::test]
async fn every_reason_answers_with_the_status_of_its_contract() {
    let reasons: Vec<_> = (1..).map_while(|number| Reason::try_from(number).ok()).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    for reason in reasons {
        let reply = failing(Failure::new(reason, "m")).await.get("/v1/me").await;
        assert_eq!((reply.status, reply.code().as_str()), (reason.http_status(), reason.code()));
        assert!(reply.error().get("metadata").is_none());
    }
}

#[tokio::test]
async fn problem_json_is_sent_to_those_who_ask_for_it() {
    let shop = failing(Failure::invalid("price", "must be greater than 0")).await;
    let accept = ["accept: application/problem+json, application/json"];
    let reply = shop.send("GET", "/v1/products/p", &accept, "").await;
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!(problem["type"], "/docs/errors/VALIDATION_FAILED");
    assert_eq!((&problem["status"], &problem["code"]), (&json!(422), &json!("VALIDATION_FAILED")));
    assert_eq!(problem["details"][0]["field"], "price");
    assert_eq!(problem["request_id"], reply.header("x-request-id"));
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    let reply = shop.send("GET", "/nowhere", &accept, "").await;
    assert_eq!(reply.json()["code"], "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn retry_after_is_never_too_early() {
    let in_flight = Failure::new(Reason::InFlight, "still running");
    for (failure, seconds) in [
        (in_flight.clone(), "1"),
        (in_flight.clone().retry_after(Duration::ZERO), "1"),
        (in_flight.clone().retry_after(Duration::from_millis(1001)), "2"),
        (in_flight.retry_after(Duration::from_secs(30)), "30"),
        (Failure::unavailable("away"), "1"),
        (Failure::new(Reason::Overloaded, "full"), "1"),
    ] {
        let reply = failing(failure).await.get("/v1/me").await;
        assert_eq!(reply.header("retry-after"), seconds, "{reply:?}");
    }
}

#[tokio::test]
async fn a_401_says_how_to_come_in() {
    let shop = failing(Failure::new(Reason::TokenExpired, "the token has expired")).await;
    let without = shop.raw("GET /v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!((without.status, without.header("www-authenticate")), (401, "Bearer"));
    let with = shop.send("GET", "/v1/me", &["authorization: Bearer old"], "").await;
    assert_eq!(with.header("www-authenticate"), r#"Bearer error="invalid_token""#);
}

#[tokio::test]
async fn a_status_that_is_not_ours_says_nothing_of_the_inside() {
    for (code, status, reason) in [
        (Code::Unavailable, 503, "UNAVAILABLE"),
        (Code::DeadlineExceeded, 504, "DEADLINE_EXCEEDED"),
        (Code::Cancelled, 503, "UNAVAILABLE"),
        (Code::ResourceExhausted, 503, "OVERLOADED"),
        (Code::Unimplemented, 501, "UNIMPLEMENTED"),
        (Code::Internal, 500, "INTERNAL"),
        (Code::Unknown, 500, "INTERNAL"),
        (Code::InvalidArgument, 500, "INTERNAL"),
    ] {
        let reply = failing(Status::new(code, "secret 10.0.0.7")).await.get("/v1/me").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, reason), "{code:?}");
        assert!(!reply.body.contains("secret"), "{}", reply.body);
        assert_eq!(reply.header("retry-after"), if status == 503 { "1" } else { "" });
    }
}

#[tokio::test]
async fn an_answer_that_breaks_its_contract_is_an_internal_error() {
    let broken = Fake::with(|| {
        let wire = bytes::Bytes::from_static(&[0x0a, 0xff, 0x01]);
        std::future::ready(Ok(tonic::Response::new(wire)))
    });
    let reply = Shop::of(&broken).await.get("/v1/products/p").await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "INTERNAL"));
}

#[tokio::test]
async fn a_panic_answers_500_and_harms_nobody_else() {
    let fake = Fake::with(|| async { panic!("on purpose") });
    let shop = Shop::of(&fake).await;
    for _ in 0..2 {
        let reply = shop.get("/v1/me").await;
        assert_eq!((reply.status, reply.code().as_str()), (500, "INTERNAL"));
        assert!(!reply.body.contains("purpose"));
    }
}
