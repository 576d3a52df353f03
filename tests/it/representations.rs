//! What an outside client of the gateway may wish of any answer.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Response, Suite, product};

async fn ask(suite: &Suite, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    suite.http().send(method, path, headers, "").await.unwrap()
}

async fn get(suite: &Suite, path: &str, headers: &[(&str, &str)]) -> Response {
    ask(suite, Method::GET, path, headers).await
}

#[tokio::test]
async fn an_answer_has_the_fields_that_are_asked_for_and_links_to_its_neighbours() {
    let suite = Suite::start().await;
    for sku in ["B", "A"] {
        product(&suite, sku, "1.00", 1).await;
    }
    let page = get(&suite, "/v1/products?size=1&fields=sku,price", &[]).await;
    assert_eq!(page.json()["data"], json!([{"sku": "B", "price": 1.00}]));
    let next = page.json()["links"]["next"].as_str().unwrap().to_owned();
    assert!(page.header("link").contains(&format!("<{next}>; rel=\"next\"")));
    assert_eq!(get(&suite, &next, &[]).await.json()["data"], json!([{"sku": "A", "price": 1.00}]));
    let unknown = get(&suite, "/v1/products?fields=sku,colour", &[]).await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (StatusCode::BAD_REQUEST, "MALFORMED_REQUEST")
    );
    assert_eq!(unknown.json()["error"]["details"][0]["field"], "fields");
}

#[tokio::test]
async fn an_answer_is_sent_once_compressed_as_asked_and_never_in_a_form_that_is_not_taken() {
    let suite = Suite::start().await;
    for number in 0..20 {
        product(&suite, &format!("P-{number}"), "1.00", 1).await;
    }
    let plain = get(&suite, "/v1/products", &[]).await;
    for coding in ["br", "gzip", "zstd"] {
        let packed = get(&suite, "/v1/products", &[("accept-encoding", coding)]).await;
        assert_eq!(packed.header("content-encoding"), coding);
        assert!(packed.body.len() < plain.body.len() / 2);
    }
    let one = format!("/v1/products/{}", plain.json()["data"][0]["id"].as_str().unwrap());
    let known = get(&suite, &one, &[]).await.header("etag").to_owned();
    assert_eq!(get(&suite, &one, &[("if-none-match", &known)]).await.status, 304);
    let head = ask(&suite, Method::HEAD, &one, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, &*known));
    let options = ask(&suite, Method::OPTIONS, &one, &[]).await;
    assert_eq!(options.header("allow"), "DELETE, GET, HEAD, OPTIONS, PATCH, PUT");
    let version = [("accept", "application/vnd.souk+json;version=1")];
    let versioned = get(&suite, one.trim_start_matches("/v1"), &version).await;
    assert_eq!(versioned.header("content-type"), "application/vnd.souk+json;version=1");
    assert_eq!(get(&suite, &one, &[("accept", "text/csv")]).await.code(), "NOT_ACCEPTABLE");
    let problem = get(&suite, "/v1/products/none", &[("accept", "application/problem+json")]).await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
    assert_eq!(
        (&problem.json()["status"], &problem.json()["code"]),
        (&404.into(), &"NOT_FOUND".into())
    );
}

#[tokio::test]
async fn who_prefers_no_content_gets_none_and_says_so_in_the_answer() {
    let suite = Suite::start().await;
    let bearer = format!("Bearer {}", suite.admin().await);
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
        ("prefer", "return=minimal"),
    ];
    let body = json!({"sku": "A", "name": "A", "price": 1}).to_string();
    let made = suite.http().send(Method::POST, "/v1/products", &headers, &body).await.unwrap();
    assert_eq!((made.status.as_u16(), made.body.len()), (201, 0));
    assert_eq!(made.header("preference-applied"), "return=minimal");
    assert!(made.header("location").starts_with("/v1/products/prod_"));
}

#[tokio::test]
async fn what_anyone_may_read_is_kept_where_the_options_say_so() {
    let suite = Suite::start_with(&[("SOUK_CACHE_TTL", "600")]).await;
    product(&suite, "A", "1.00", 1).await;
    assert_eq!(get(&suite, "/v1/products", &[]).await.header("age"), "");
    product(&suite, "B", "1.00", 1).await;
    let kept = get(&suite, "/v1/products", &[]).await;
    assert!(!kept.header("age").is_empty());
    assert_eq!(kept.json()["data"].as_array().unwrap().len(), 1);
    // whoever has a token, or asks for news, gets what is there
    let own = suite.http().get_as(&suite.admin().await, "/v1/products").await;
    let new = get(&suite, "/v1/products", &[("cache-control", "no-cache")]).await;
    for fresh in [own, new] {
        assert_eq!((fresh.header("age"), fresh.json()["data"].as_array().unwrap().len()), ("", 2));
    }
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_call_and_others_may_not() {
    let suite = Suite::start_with(&[("SOUK_CORS_ORIGIN", "https://shop.example")]).await;
    for (origin, allowed) in
        [("https://shop.example", "https://shop.example"), ("https://evil.example", "")]
    {
        let asked = [("origin", origin), ("access-control-request-method", "GET")];
        let before = ask(&suite, Method::OPTIONS, "/v1/products", &asked).await;
        let answer = get(&suite, "/v1/products", &asked[..1]).await;
        for response in [before, answer] {
            assert_eq!(response.header("access-control-allow-origin"), allowed, "{origin}");
        }
    }
}
