//! What reaches the service, and what comes back from it.

use bytes::Bytes;
use prost::Message as _;
use serde_json::json;
use souk_gateway::{Contracts, Gateway, Options, Upstream};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::catalog::v1::{
    AdjustStockRequest, CreateProductRequest, DeleteProductRequest, GetProductRequest,
    ListProductsRequest, ListProductsResponse, Product, UpdateProductRequest,
};
use souk_proto::souk::orders::v1::{CreateOrderRequest, Order};
use tonic::Response;

use crate::fake::Fake;
use crate::shop::{Shop, admin_token, verifier};

fn product(id: &str) -> Product {
    let price = Some(Decimal { value: "599.00".to_owned() });
    Product { id: id.to_owned(), name: "Camera".to_owned(), price, ..Product::default() }
}

const ORDER: &str = r#"{"items": [{"product_id": "prod_1", "quantity": 2}]}"#;

#[tokio::test]
async fn a_created_resource_answers_201_with_its_location() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let body = r#"{"sku": "C-1", "name": "Camera", "price": 599.00, "available": 3}"#;
    let reply = shop.json("POST", "/v1/products", body).await;
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/products/prod_1"));
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.body.contains(r#""price":599.00"#), "{}", reply.body);

    let received: CreateProductRequest = fake.received();
    assert_eq!((received.sku.as_str(), received.available), ("C-1", 3));
    assert_eq!(received.price.unwrap().value, "599.00");
    let call = fake.last_call().unwrap();
    assert_eq!(call.path, "/souk.catalog.v1.CatalogService/CreateProduct");
}

#[tokio::test]
async fn a_location_is_escaped() {
    let shop = Shop::of(&Fake::answering(product("a/b c\r\nä"))).await;
    let reply = shop.json("POST", "/v1/products", "{}").await;
    assert_eq!(reply.header("location"), "/v1/products/a%2Fb%20c%0D%0A%C3%A4");
}

#[tokio::test]
async fn an_empty_response_answers_204_without_a_body() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    let reply = shop.send("DELETE", "/v1/products/prod_1", &[], "").await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(reply.header("content-length"), "");
    assert_eq!(fake.received::<DeleteProductRequest>().id, "prod_1");
}

#[tokio::test]
async fn a_contract_may_give_an_empty_response_another_status() {
    let shop = Shop::of(&Fake::answering(())).await;
    let reply = shop.json("POST", "/v1/auth/revoke", r#"{"token": "t"}"#).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
}

#[tokio::test]
async fn path_variables_are_decoded_once() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let reply = shop.get("/v1/products/a%2Fb%252F+c").await;
    assert_eq!(reply.status, 200);
    assert_eq!(fake.received::<GetProductRequest>().id, "a/b%2F+c");
}

#[tokio::test]
async fn query_parameters_become_fields() {
    let fake = Fake::answering(ListProductsResponse::default());
    let shop = Shop::of(&fake).await;
    let reply = shop.get("/v1/products?size=5&cursor=a%20b%2Bc").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["data"], json!([]));
    let received: ListProductsRequest = fake.received();
    assert_eq!((received.size, received.cursor.as_str()), (Some(5), "a b+c"));
}

#[tokio::test]
async fn query_parameters_that_the_contract_does_not_take_are_refused() {
    let shop = Shop::of(&Fake::answering(())).await;
    for (method, target, field) in [
        ("GET", "/v1/products?colour=red", "colour"),
        ("GET", "/v1/products?size=many", "size"),
        ("GET", "/v1/products?size=1&size=2", "size"),
        ("GET", "/v1/products/prod_1?id=prod_2", "id"),
        // the body is the whole message
        ("POST", "/v1/products?name=x", "name"),
    ] {
        let reply = shop.send(method, target, &[], "").await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{target}");
        assert_eq!(reply.error()["details"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_patch_changes_the_fields_that_are_present_and_clears_those_that_are_null() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let body = r#"{"name": "New", "description": null}"#;
    let reply = shop.json("PATCH", "/v1/products/prod_1", body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let received: UpdateProductRequest = fake.received();
    assert_eq!(received.id, "prod_1");
    assert_eq!((received.name.as_deref(), received.description), (Some("New"), None));
    assert_eq!(received.update_mask.unwrap().paths, ["name", "description"]);
}

#[tokio::test]
async fn a_patch_of_nothing_changes_nothing() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    for body in ["", "{}"] {
        assert_eq!(shop.json("PATCH", "/v1/products/prod_1", body).await.status, 200);
        let mask = fake.received::<UpdateProductRequest>().update_mask;
        assert_eq!(mask.unwrap().paths, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_mask_of_the_clients_own_is_kept() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let body = r#"{"name": "New", "update_mask": "name,description"}"#;
    assert_eq!(shop.json("PATCH", "/v1/products/prod_1", body).await.status, 200);
    let mask = fake.received::<UpdateProductRequest>().update_mask;
    assert_eq!(mask.unwrap().paths, ["name", "description"]);
}

#[tokio::test]
async fn a_mask_has_the_names_of_the_contract_whatever_a_form_calls_its_fields() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let form = ["content-type: application/x-www-form-urlencoded"];
    let body = "name=New&categoryIds=cat_1";
    assert_eq!(shop.send("PATCH", "/v1/products/prod_1", &form, body).await.status, 200);
    let received: UpdateProductRequest = fake.received();
    assert_eq!(received.category_ids, ["cat_1"]);
    assert_eq!(received.update_mask.unwrap().paths, ["name", "category_ids"]);
    // a mask of the client's own, too
    let body = "name=New&updateMask=description";
    assert_eq!(shop.send("PATCH", "/v1/products/prod_1", &form, body).await.status, 200);
    let mask = fake.received::<UpdateProductRequest>().update_mask;
    assert_eq!(mask.unwrap().paths, ["description"]);
}

#[tokio::test]
async fn a_body_cannot_name_another_resource_than_the_path() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let reply = shop.json("PATCH", "/v1/products/prod_1", r#"{"id": "prod_2"}"#).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert_eq!(reply.error()["details"][0]["field"], "id");
    let form = ["content-type: application/x-www-form-urlencoded", "idempotency-key: k"];
    let reply = shop.send("POST", "/v1/products/prod_1/stock", &form, "id=prod_2").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn a_form_does_as_well_as_json() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    let form =
        ["content-type: application/x-www-form-urlencoded; charset=utf-8", "idempotency-key: k"];
    let body = "grant_type=password&username=a%40b.example&password=pass+word";
    let reply = shop.send("POST", "/v1/auth/token", &form, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let received: CreateTokenRequest = fake.received();
    assert_eq!(received.username, "a@b.example");
    assert_eq!(received.password, "pass word");

    let reply = shop.send("POST", "/v1/products/prod_1/stock", &form, "delta=-4&reason=x").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let received: AdjustStockRequest = fake.received();
    assert_eq!((received.id.as_str(), received.delta), ("prod_1", -4));
}

#[tokio::test]
async fn json_needs_no_content_type_and_may_have_a_suffix() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    for headers in [
        &[][..],
        &["content-type: application/merge-patch+json"],
        &["Content-Type: Application/JSON;charset=UTF-8"],
    ] {
        let reply = shop.send("PATCH", "/v1/products/p", headers, r#"{"name": "x"}"#).await;
        assert_eq!(reply.status, 200, "{headers:?}");
        assert_eq!(fake.received::<UpdateProductRequest>().name.as_deref(), Some("x"));
    }
}

#[tokio::test]
async fn a_chunked_body_is_read_whole() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    let chunks = "9\r\n{\"name\": \r\n4\r\n\"x\"}\r\n0\r\n\r\n";
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        admin_token()
    );
    assert_eq!(shop.raw(&format!("{head}{chunks}")).await.status, 201);
    assert_eq!(fake.received::<CreateProductRequest>().name, "x");
}

#[tokio::test]
async fn the_service_learns_who_asks_and_until_when() {
    let fake = Fake::answering(Order::default());
    let shop = Shop::of(&fake).await;
    let token = format!("authorization: Bearer {}", admin_token());
    let headers = [
        token.as_str(),
        "idempotency-key: k-1",
        "x-request-id: my-id",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "x-http-code: 202",
    ];
    let reply = shop.send("POST", "/v1/orders", &headers, ORDER).await;
    assert_eq!((reply.status, reply.header("x-request-id")), (201, "my-id"));
    assert_eq!(fake.received::<CreateOrderRequest>().items[0].quantity, 2);
    let metadata = fake.last_call().unwrap().metadata;
    let text = |name| metadata.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(format!("authorization: {}", text("authorization")), token);
    assert_eq!(text("idempotency-key"), "k-1");
    assert_eq!(text("x-request-id"), "my-id");
    assert!(text("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(!text("grpc-timeout").is_empty());
    assert_eq!(text("x-http-code"), "");
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    let reply = shop.send("GET", "/v1/products/p", &["x-request-id: not valid!"], "").await;
    assert!(reply.header("x-request-id").starts_with("req_"), "{reply:?}");
}

#[tokio::test]
async fn a_service_may_accept_now_and_finish_later() {
    let order = Order { id: "ord_1".to_owned(), ..Order::default() };
    let fake = Fake::with(move || {
        let mut response = Response::new(Bytes::from(order.encode_to_vec()));
        response.metadata_mut().insert("x-http-code", "202".parse().unwrap());
        response.metadata_mut().insert("idempotent-replayed", "true".parse().unwrap());
        std::future::ready(Ok(response))
    });
    let shop = Shop::of(&fake).await;
    let reply = shop.send("POST", "/v1/orders", &["idempotency-key: k"], ORDER).await;
    assert_eq!((reply.status, reply.header("location")), (202, "/v1/orders/ord_1"));
    assert_eq!(reply.header("idempotent-replayed"), "true");
    assert_eq!(reply.header("x-http-code"), "");
}

#[tokio::test]
async fn a_service_cannot_turn_a_success_into_an_error_status() {
    let fake = Fake::with(|| {
        let mut response = Response::new(Bytes::new());
        response.metadata_mut().insert("x-http-code", "500".parse().unwrap());
        std::future::ready(Ok(response))
    });
    assert_eq!(Shop::of(&fake).await.get("/v1/me").await.status, 200);
}

#[tokio::test]
async fn a_contracts_cache_control_is_sent() {
    let shop = Shop::of(&Fake::answering(())).await;
    let reply = shop.get("/.well-known/jwks.json").await;
    assert_eq!(reply.header("cache-control"), "public, max-age=300");
    assert_eq!(reply.json(), json!({"keys": []}));
}

#[tokio::test]
async fn head_answers_as_get_does_but_without_the_body() {
    let shop = Shop::of(&Fake::answering(product("prod_1"))).await;
    let get = shop.get("/v1/products/prod_1").await;
    let head = shop.send("HEAD", "/v1/products/prod_1", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    let lost = shop.send("HEAD", "/nowhere", &[], "").await;
    assert_eq!((lost.status, lost.body.as_str()), (404, ""));
}

#[tokio::test]
async fn options_answers_with_the_methods_of_the_path() {
    let shop = Shop::of(&Fake::answering(())).await;
    let reply = shop.send("OPTIONS", "/v1/products/prod_1", &[], "").await;
    assert_eq!(reply.status, 204);
    for method in ["GET", "HEAD", "PATCH", "PUT", "DELETE"] {
        assert!(reply.header("allow").contains(method), "{reply:?}");
    }
}

#[tokio::test]
async fn a_service_that_no_contract_has_cannot_be_served() {
    let gateway = |upstreams| {
        let contracts = Contracts::of_this_build();
        Gateway::new(&contracts, upstreams, Some(verifier()), Options::default())
    };
    assert!(gateway(Vec::new()).is_ok());
    let nobody = Upstream {
        name: "souk.nobody.v1.NobodyService".to_owned(),
        channel: souk_kit::Channel::in_process(Fake::answering(()).routes()),
        probe: None,
    };
    assert!(gateway(vec![nobody]).is_err());
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_looked_at() {
    let fake = Fake::answering(product("prod_1"));
    let shop = Shop::of(&fake).await;
    for (headers, body) in [
        (&["authorization: Bearer nonsense"][..], "{ no json"),
        (&["authorization: Bearer nonsense", "content-type: text/plain"], "x"),
        (&["authorization: Basic YTpi"], &"x".repeat(2_000_000)),
    ] {
        let reply = shop.send("POST", "/v1/products", headers, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"));
    }
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn a_client_does_not_set_the_deadline_of_the_gateway() {
    let shop = Shop::of(&Fake::with(|| async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ok(Response::new(Bytes::new()))
    }))
    .await;
    let reply = shop.send("GET", "/v1/products/p", &["grpc-timeout: 1m"], "").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn an_unknown_key_is_repeated_only_in_part() {
    let shop = Shop::of(&Fake::answering(())).await;
    let body = format!(r#"{{"{}": 1}}"#, "k".repeat(10_000));
    let reply = shop.json("POST", "/v1/products", &body).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert!(reply.body.len() < 1_000, "{}", reply.body.len());
}

#[tokio::test]
async fn json_that_is_called_a_form_is_refused_with_what_it_needs() {
    let shop = Shop::of(&Fake::answering(())).await;
    let headers = ["content-type: application/x-www-form-urlencoded", "idempotency-key: k"];
    let reply = shop.send("POST", "/v1/orders", &headers, r#"{"items": []}"#).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert!(reply.body.contains("content-type must be application/json"), "{}", reply.body);
}
