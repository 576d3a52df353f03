//! Calls from the pages of other origins.

use souk_gateway::Options;
use souk_proto::souk::catalog::v1::Product;

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

const PREFLIGHT: [&str; 2] =
    ["access-control-request-method: PATCH", "access-control-request-headers: if-match,x-other"];

async fn shop(origins: &[&'static str]) -> Shop {
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    let options = Options { origins, ..Options::default() };
    Shop::with(&Fake::answering(Product::default()), options).await
}

async fn ask(shop: &Shop, method: &str, origin: &str) -> Reply {
    let origin = format!("origin: {origin}");
    let mut headers = vec![&*origin];
    headers.extend(PREFLIGHT.iter().filter(|_| method == "OPTIONS"));
    shop.send(method, "/v1/products/prod_1", &headers, "").await
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_call_and_read_the_answer() {
    let shop = shop(&["https://shop.example", "https://admin.example"]).await;
    let preflight = ask(&shop, "OPTIONS", "https://admin.example").await;
    let allowed = |name: &str| preflight.header(&format!("access-control-{name}")).to_owned();
    assert_eq!(allowed("allow-origin"), "https://admin.example");
    assert!(allowed("allow-methods").contains("PATCH"));
    assert_eq!(allowed("allow-headers"), "if-match,x-other");
    assert_eq!(allowed("allow-credentials"), "");
    let reply = ask(&shop, "GET", "https://admin.example").await;
    assert_eq!(reply.header("access-control-allow-origin"), "https://admin.example");
    let exposed = reply.header("access-control-expose-headers");
    for name in ["etag", "x-request-id", "grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let nowhere = shop.get("/v1/products/prod_1").await;
    assert!(reply.header("vary").contains("origin") && nowhere.header("vary").contains("origin"));
}

#[tokio::test]
async fn the_question_of_a_browser_is_a_request_as_any_other() {
    let origins = vec!["https://shop.example".parse().unwrap()];
    let options = Options { origins, address_limit: 2, ..Options::default() };
    let shop = Shop::with(&Fake::answering(Product::default()), options).await;
    let asked = ask(&shop, "OPTIONS", "https://shop.example").await;
    assert_eq!((asked.status, asked.header("x-ratelimit-remaining")), (200, "1"));
    for header in ["x-request-id", "x-content-type-options", "content-security-policy"] {
        assert!(!asked.header(header).is_empty(), "{header}");
    }
    ask(&shop, "OPTIONS", "https://shop.example").await;
    assert_eq!(ask(&shop, "OPTIONS", "https://shop.example").await.status, 429);
}

#[tokio::test]
async fn what_a_route_allows_is_told_to_whoever_is_no_browser() {
    let shop = shop(&["https://shop.example"]).await;
    let reply = shop.send("OPTIONS", "/v1/products/prod_1", &[], "").await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("allow").contains("PATCH") && !reply.header("x-request-id").is_empty());
    let nothing = shop.send("OPTIONS", "/nothing", &["origin: https://shop.example"], "").await;
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn no_other_page_may() {
    for shop in [shop(&["https://shop.example"]).await, shop(&[]).await] {
        for method in ["OPTIONS", "GET"] {
            let reply = ask(&shop, method, "https://evil.example").await;
            assert_eq!(reply.header("access-control-allow-origin"), "", "{method}");
        }
    }
}

#[tokio::test]
async fn any_page_may_where_any_origin_is_allowed() {
    let reply = ask(&shop(&["*"]).await, "GET", "https://any.example").await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}
