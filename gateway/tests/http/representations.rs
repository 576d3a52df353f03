//! How an answer is represented: its version, its coding, its links, and no more of it than was asked.

use std::io::Read as _;

use souk_gateway::Options;
use souk_proto::souk::catalog::v1::{ListProductsResponse, Product};
use souk_proto::souk::types::v1::Pagination;

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

fn product(available: i32) -> Product {
    Product {
        id: "prod_1".to_owned(),
        description: "what it is; ".repeat(200),
        available,
        etag: "\"7\"".to_owned(),
        ..Product::default()
    }
}

async fn get(shop: &Shop, headers: &[&str]) -> Reply {
    shop.send("GET", "/v1/products/prod_1", headers, "").await
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let shop = Shop::of(&Fake::answering(product(1))).await;
    let first = get(&shop, &[]).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("\"7.") && tag.ends_with('"'), "{tag}");
    for method in ["GET", "HEAD"] {
        let condition = format!("if-none-match: \"other\", W/{tag}");
        let reply = shop.send(method, "/v1/products/prod_1", &[&condition], "").await;
        assert_eq!((reply.status, reply.body.as_str(), reply.header("etag")), (304, "", &*tag));
        assert_eq!(reply.header("content-type"), "");
    }
    assert_eq!(get(&shop, &["if-none-match: \"7.0\""]).await.status, 200);
}

#[tokio::test]
async fn a_sale_makes_another_representation_of_the_same_version() {
    let before = get(&Shop::of(&Fake::answering(product(2))).await, &[]).await;
    let after = get(&Shop::of(&Fake::answering(product(1))).await, &[]).await;
    assert_ne!(before.header("etag"), after.header("etag"));
    for reply in [before, after] {
        let fake = Fake::answering(product(1));
        let shop = Shop::of(&fake).await;
        let condition = format!("if-match: {}", reply.header("etag"));
        let headers = [&*condition, "content-type: application/json"];
        let changed = shop.send("PATCH", "/v1/products/prod_1", &headers, r#"{"name": "n"}"#).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(fake.last_call().unwrap().metadata.get("if-match").unwrap(), "7");
    }
}

#[tokio::test]
async fn a_weak_tag_never_allows_a_change() {
    let fake = Fake::answering(product(1));
    let shop = Shop::of(&fake).await;
    let headers = ["if-match: W/\"7.0\"", "content-type: application/json"];
    shop.send("PATCH", "/v1/products/prod_1", &headers, r#"{"name": "n"}"#).await;
    // no version at all: the service refuses it, if nothing else is wrong
    assert_eq!(fake.last_call().unwrap().metadata.get("if-match").unwrap(), "");
}

#[tokio::test]
async fn a_condition_that_nobody_looks_at_is_refused() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    let cases = [
        ("POST", "/v1/orders/ord_1/cancel", r#"if-match: "7""#),
        ("POST", "/v1/products", "if-none-match: *"),
        ("PATCH", "/v1/products/prod_1", r#"if-none-match: "7""#),
    ];
    for (method, path, condition) in cases {
        let headers = [condition, "content-type: application/json", "idempotency-key: k"];
        let reply = shop.send(method, path, &headers, "{}").await;
        assert_eq!((reply.status, reply.code().as_str()), (412, "ETAG_MISMATCH"), "{condition}");
        assert!(fake.last_call().is_none());
    }
    // that there is a version at all, the service finds out anyway
    let headers = ["if-match: *", "content-type: application/json", "idempotency-key: k"];
    let reply = shop.send("POST", "/v1/orders/ord_1/cancel", &headers, "{}").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_condition_that_is_none_is_malformed() {
    let fake = Fake::answering(product(1));
    let shop = Shop::of(&fake).await;
    for condition in ["if-match:", "if-match: 7", "if-match: \"7"] {
        let headers = [condition, "content-type: application/json"];
        let reply = shop.send("PATCH", "/v1/products/prod_1", &headers, r#"{"name": "n"}"#).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    }
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn who_deletes_names_a_version_as_who_changes_does() {
    let fake = Fake::answering(());
    let shop = Shop::of(&fake).await;
    for path in ["/v1/products/prod_1", "/v1/categories/cat_1"] {
        let condition = "if-match: \"7.00ff00ff00ff00ff-br\", \"6.00ff00ff00ff00ff\"";
        assert_eq!(shop.send("DELETE", path, &[condition], "").await.status, 204);
        assert_eq!(fake.last_call().unwrap().metadata.get("if-match").unwrap(), "6,7");
        assert_eq!(shop.send("DELETE", path, &[], "").await.status, 204);
        assert!(fake.last_call().unwrap().metadata.get("if-match").is_none());
    }
}

#[tokio::test]
async fn each_coding_has_its_own_tag_and_the_same_content() {
    let shop = Shop::of(&Fake::answering(product(1))).await;
    let plain = get(&shop, &[]).await;
    let mut tags = vec![plain.header("etag").to_owned()];
    for coding in ["br", "gzip", "zstd"] {
        let accept = format!("accept-encoding: {coding}");
        let reply = get(&shop, &[&accept]).await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, coding));
        assert_eq!(reply.header("vary"), "accept, accept-encoding");
        assert!(reply.content.len() < plain.content.len() / 2);
        let mut content = Vec::new();
        let encoded = &*reply.content;
        match coding {
            "br" => brotli::Decompressor::new(encoded, 4096).read_to_end(&mut content),
            "gzip" => flate2::read::GzDecoder::new(encoded).read_to_end(&mut content),
            _ => zstd::Decoder::new(encoded).unwrap().read_to_end(&mut content),
        }
        .unwrap();
        assert_eq!(content, plain.content);
        let tag = format!("if-none-match: {}", reply.header("etag"));
        assert_eq!(get(&shop, &[&accept, &tag]).await.status, 304);
        assert_eq!(get(&shop, &[&tag]).await.status, 200);
        let head = shop.send("HEAD", "/v1/products/prod_1", &[&accept], "").await;
        assert_eq!(head.header("etag"), reply.header("etag"));
        tags.push(reply.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn a_small_answer_is_sent_as_it_is() {
    let shop = Shop::of(&Fake::answering(Product::default())).await;
    let reply = get(&shop, &["accept-encoding: gzip"]).await;
    assert_eq!((reply.status, reply.header("content-encoding")), (200, ""));
}

#[tokio::test]
async fn who_wants_no_content_gets_none_and_the_place_of_what_was_made() {
    let shop = Shop::of(&Fake::answering(product(1))).await;
    let headers = ["prefer: return=minimal", "content-type: application/json"];
    let body = r#"{"sku": "a", "name": "n", "price": 1}"#;
    let made = shop.send("POST", "/v1/products", &headers, body).await;
    assert_eq!((made.status, made.body.as_str()), (201, ""));
    assert_eq!(made.header("location"), "/v1/products/prod_1");
    assert_eq!(made.header("preference-applied"), "return=minimal");
    assert!(made.header("etag").starts_with("\"7."));
    let changed = shop.send("PATCH", "/v1/products/prod_1", &headers, r#"{"name": "n"}"#).await;
    assert_eq!((changed.status, changed.body.as_str()), (204, ""));
    assert_eq!(get(&shop, &["prefer: return=minimal"]).await.status, 200);
}

#[tokio::test]
async fn what_will_go_away_says_when_and_where_its_successor_is() {
    let shop = Shop::of(&Fake::answering(product(1))).await;
    let reply = get(&shop, &[]).await;
    assert_eq!(reply.header("deprecation"), "@1795996800");
    assert_eq!(reply.header("sunset"), "Tue, 30 Nov 2027 00:00:00 GMT");
    assert_eq!(reply.header("link"), "</v2/products/prod_1>; rel=\"successor-version\"");
    assert_eq!(shop.get("/v1/orders").await.header("deprecation"), "");
}

#[tokio::test]
async fn a_page_says_where_the_others_are() {
    let pagination = Pagination { next_cursor: Some("c".to_owned()), ..Pagination::default() };
    let page = ListProductsResponse { data: Vec::new(), pagination: Some(pagination) };
    let shop = Shop::of(&Fake::answering(page)).await;
    let reply = shop.get("/v1/products?size=5&cursor=b").await;
    let expected = "</v1/products?size=5&cursor=b>; rel=\"self\", </v1/products?size=5>; \
                    rel=\"first\", </v1/products?size=5&cursor=c>; rel=\"next\", \
                    </v2/products>; rel=\"successor-version\"";
    assert_eq!(reply.header("link"), expected);
    let links = &reply.json()["links"];
    assert_eq!(links["next"], "/v1/products?size=5&cursor=c");
    assert!(links["prev"].is_null() && links["self"].is_string() && links["first"].is_string());
}

#[tokio::test]
async fn only_the_fields_that_are_wanted_are_sent() {
    let shop = Shop::of(&Fake::answering(product(3))).await;
    let whole = get(&shop, &[]).await;
    let reply = shop.get("/v1/products/prod_1?fields=available,id").await;
    assert_eq!(reply.body, r#"{"id":"prod_1","available":3}"#);
    assert_ne!(reply.header("etag"), whole.header("etag"));
    let page =
        ListProductsResponse { data: vec![product(1)], pagination: Some(Pagination::default()) };
    let shop = Shop::of(&Fake::answering(page)).await;
    let reply = shop.get("/v1/products?size=5&fields=id").await.json();
    assert_eq!(reply["data"], serde_json::json!([{"id": "prod_1"}]));
    assert!(reply["pagination"].is_object() && reply["links"].is_object());
}

#[tokio::test]
async fn fields_that_there_are_not_are_named_before_anything_is_done() {
    let fake = Fake::answering(product(3));
    let shop = Shop::of(&fake).await;
    for (fields, issue) in [
        ("id,nothing", "names nothing, which is not a known field"),
        ("id.x", "names id.x, which is not a known field"),
        ("", "must be names with commas between"),
        ("id&fields=sku", "is given twice"),
    ] {
        let reply = shop.get(&format!("/v1/products/prod_1?fields={fields}")).await;
        let detail = reply.error()["details"][0].clone();
        assert_eq!((reply.status, &detail["field"]), (400, &"fields".into()), "{fields}");
        assert_eq!(detail["issue"], issue, "{fields}");
    }
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn what_the_client_cannot_take_is_not_made() {
    let fake = Fake::answering(product(1));
    let shop = Shop::of(&fake).await;
    let reply = get(&shop, &["accept: text/html"]).await;
    assert_eq!((reply.status, reply.code().as_str()), (406, "NOT_ACCEPTABLE"));
    assert!(reply.body.contains("application/json"));
    assert!(fake.last_call().is_none());
}

#[tokio::test]
async fn the_version_of_a_contract_is_in_the_path_or_in_the_media_type() {
    let shop = Shop::of(&Fake::answering(product(1))).await;
    let accept = "accept: application/vnd.souk+json;version=1";
    let reply = shop.send("GET", "/products/prod_1", &[accept], "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/vnd.souk+json;version=1");
    assert_eq!(get(&shop, &[accept]).await.status, 200);
    let other = "accept: application/vnd.souk+json;version=9";
    assert_eq!(get(&shop, &[other]).await.code(), "NOT_ACCEPTABLE");
    assert_eq!(shop.send("GET", "/products/prod_1", &[other], "").await.code(), "ROUTE_NOT_FOUND");
    assert_eq!(shop.send("GET", "/products/prod_1", &[], "").await.code(), "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn no_browser_makes_more_of_an_answer_than_it_is() {
    let shop = Shop::with(&Fake::answering(product(1)), Options::default()).await;
    for path in ["/v1/products/prod_1", "/nothing", "/healthz"] {
        let reply = shop.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}
