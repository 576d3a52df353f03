//! Errors: one shape, and a page for every code.

use http::{Method, StatusCode};
use souk_proto::souk::catalog::v1::GetProductRequest;
use souk_proto::souk::types::v1::Reason;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::Suite;

const NO_SUCH_PRODUCT: &str = "prod_01h455vb4pex5vsknk084sn02q";

#[tokio::test]
async fn an_error_over_rest_says_what_the_error_over_grpc_says() {
    let suite = Suite::start().await;
    let path = format!("/v1/products/{NO_SUCH_PRODUCT}");
    let response = suite.http().get(&path).await;
    let request = GetProductRequest { id: NO_SUCH_PRODUCT.to_owned() };
    let status = suite.catalog().get_product(request).await.unwrap_err();

    assert_eq!(status.code(), Code::NotFound);
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NOT_FOUND", "souk"));
    assert_eq!(status.get_details_resource_info().unwrap().resource_name, NO_SUCH_PRODUCT);
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    let error = &response.json()["error"];
    assert_eq!(error["code"], info.reason);
    assert_eq!(error["message"], status.message());
    assert_eq!(error["request_id"], response.header("x-request-id"));
    let page = suite.http().get(error["docs_url"].as_str().unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn every_code_has_a_page() {
    let suite = Suite::start().await;
    let reasons: Vec<_> = (1..).map_while(|number| Reason::try_from(number).ok()).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    for reason in reasons {
        let page = suite.http().get(&format!("/docs/errors/{}", reason.code())).await;
        assert_eq!(page.status, StatusCode::OK, "{reason:?}");
        assert!(String::from_utf8_lossy(&page.body).contains(reason.code()));
    }
}

#[tokio::test]
async fn a_request_id_goes_all_the_way_and_comes_back() {
    let suite = Suite::start().await;
    let headers = [("x-request-id", "my-request-1")];
    let path = format!("/v1/products/{NO_SUCH_PRODUCT}");
    let response = suite.http().send(Method::GET, &path, &headers, "").await.unwrap();
    assert_eq!(response.header("x-request-id"), "my-request-1");
    assert_eq!(response.json()["error"]["request_id"], "my-request-1");
    let mut request = tonic::Request::new(GetProductRequest { id: NO_SUCH_PRODUCT.to_owned() });
    request.metadata_mut().insert("x-request-id", "my-request-2".parse().unwrap());
    let status = suite.catalog().get_product(request).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "my-request-2");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_names_the_field() {
    let suite = Suite::start().await;
    let token = suite.admin().await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (body, field) in [
        (r#"{"sku":"A","name":"A","price":1,"colour":"red"}"#, "colour"),
        (r#"{"sku":"A","name":7,"price":1}"#, "name"),
        (r#"{"sku":"A","name":"A","price":"cheap"}"#, "price"),
        (r#"{"sku":"A","name":"A","price":1,"available":1.5}"#, "available"),
        (r#"{"sku":"A","name":"A","price":1,"category_ids":["a",7]}"#, "category_ids[1]"),
    ] {
        let refused =
            suite.http().send(Method::POST, "/v1/products", &headers, body).await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(refused.code(), "MALFORMED_REQUEST");
        assert_eq!(refused.json()["error"]["details"][0]["field"], field, "{body}");
    }
    for body in ["{", "[]", "null", "", "{\"sku\":\"\\ud800\"}", "{} {}"] {
        let refused =
            suite.http().send(Method::POST, "/v1/products", &headers, body).await.unwrap();
        assert!(refused.status.is_client_error(), "{body:?}: {}", refused.status);
    }
}

#[tokio::test]
async fn an_id_that_can_be_none_is_refused_in_words() {
    let suite = Suite::start().await;
    let items = serde_json::json!([{ "product_id": "abc", "quantity": 1 }]);
    let refused = suite.http().order(&suite.user().await, "key", &items).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = serde_json::json!([{
        "field": "items[0].product_id",
        "issue": "must be the id of a product: prod_ and 26 letters and digits",
    }]);
    assert_eq!(refused.json()["error"]["details"], expected);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let suite = Suite::start().await;
    let mut client = tonic::client::Grpc::new(suite.channel("souk.catalog.v1.CatalogService"));
    client.ready().await.unwrap();
    // a message whose first field is bytes, where the contract has text
    let request = tonic::Request::new(b"\xff\xff".to_vec());
    let path = "/souk.catalog.v1.CatalogService/GetProduct".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<Vec<u8>, ()>::default();
    let status = client.unary(request, path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "MALFORMED_REQUEST");
}

#[tokio::test]
async fn a_request_that_breaks_a_thousand_rules_gets_a_short_answer() {
    let suite = Suite::start().await;
    let token = suite.user().await;
    let items = vec![serde_json::json!({}); 5_000];
    let refused = suite.http().order(&token, "key", &serde_json::json!(items)).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["error"]["details"].as_array().unwrap().len(), 50);
    // and the connection between the gateway and the service is still good
    assert_eq!(suite.http().get_as(&token, "/v1/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_too_large_for_its_call_is_refused_as_such() {
    let suite = Suite::start().await;
    let headers = [("content-type", "application/json")];
    for size in [200_000, 2_000_000] {
        let body = serde_json::json!({ "email": "x".repeat(size) }).to_string();
        let path = "/v1/auth/register";
        let refused = suite.http().send(Method::POST, path, &headers, &body).await;
        let refused = refused.unwrap_or_else(|| panic!("no answer to {size} bytes"));
        let expected = (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE".to_owned());
        assert_eq!((refused.status, refused.code()), expected, "{size}");
    }
}
