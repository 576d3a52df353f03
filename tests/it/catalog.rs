//! Products and categories over REST.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Response, Suite, unique};

/// Sends JSON as the admin, and a key for the calls that take one.
async fn send(suite: &Suite, method: Method, path: &str, body: Value) -> Response {
    let key = unique("key");
    send_with(suite, method, path, ("idempotency-key", &key), body).await
}

async fn send_with(
    suite: &Suite,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Value,
) -> Response {
    let bearer = format!("Bearer {}", suite.admin().await);
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), header];
    suite.http().send(method, path, &headers, &body.to_string()).await.unwrap()
}

fn id(response: &Response) -> String {
    response.json()["id"].as_str().unwrap().to_owned()
}

fn book() -> Value {
    json!({ "sku": "BK-1", "name": "Dune", "price": 599.00, "description": "Sand." })
}

#[tokio::test]
async fn a_product_is_created_read_changed_replaced_and_deleted() {
    let suite = Suite::start().await;
    let created = send(&suite, Method::POST, "/v1/products", book()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let path = format!("/v1/products/{}", id(&created));
    assert_eq!(created.header("location"), path);
    assert_eq!(created.json()["in_stock"], false);
    assert_eq!(suite.http().get(&path).await.body, created.body);

    let stock = json!({ "delta": 5, "reason": "delivery" });
    let stock = send(&suite, Method::POST, &format!("{path}/stock"), stock).await;
    assert_eq!(stock.json()["available"], 5);

    // absent leaves alone, null clears
    let changed = send(&suite, Method::PATCH, &path, json!({ "description": null })).await.json();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Dune"), &json!("")));
    assert_eq!((&changed["available"], &changed["in_stock"]), (&json!(5), &json!(true)));
    assert_ne!(changed["etag"], created.json()["etag"]);

    let replacement = json!({ "sku": "BK-2", "name": "Emma", "price": "7.5" });
    let replaced = send(&suite, Method::PUT, &path, replacement).await;
    assert!(String::from_utf8_lossy(&replaced.body).contains(r#""price":7.50"#));
    assert_eq!(replaced.json()["available"], 5);

    let deleted = send(&suite, Method::DELETE, &path, json!({})).await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    let gone = suite.http().get(&path).await;
    assert_eq!((gone.status, gone.code()), (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()));
    assert_eq!(send(&suite, Method::POST, "/v1/products", book()).await.status, 201);
}

#[tokio::test]
async fn who_has_read_a_product_or_a_category_changes_what_was_read_or_nothing() {
    let suite = Suite::start().await;
    let category = json!({ "slug": "books", "name": "Books" });
    for (list, body) in [("/v1/products", book()), ("/v1/categories", category)] {
        let made = send(&suite, Method::POST, list, body).await;
        let path = format!("{list}/{}", id(&made));
        let tag = suite.http().get(&path).await.header("etag").to_owned();
        let change = async |method, tag: &str, name: &str| {
            let body = json!({ "name": name });
            send_with(&suite, method, &path, ("if-match", tag), body).await
        };
        let changed = change(Method::PATCH, &tag, "Emma").await;
        assert_eq!(changed.status, StatusCode::OK);
        for method in [Method::PATCH, Method::DELETE] {
            let late = change(method, &tag, "Persuasion").await;
            assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
            assert_eq!(late.code(), "ETAG_MISMATCH");
        }
        let now = suite.http().get(&path).await;
        assert_eq!(now.json()["name"], "Emma");
        assert_eq!(now.header("etag"), changed.header("etag"));
        let deleted = change(Method::DELETE, now.header("etag"), "").await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        let gone = change(Method::DELETE, now.header("etag"), "").await;
        assert_eq!((gone.status, gone.code()), (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn a_sku_belongs_to_one_product() {
    let suite = Suite::start().await;
    send(&suite, Method::POST, "/v1/products", book()).await;
    let again = send(&suite, Method::POST, "/v1/products", book()).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.code(), "ALREADY_EXISTS");
    assert_eq!(again.json()["error"]["details"][0]["field"], "sku");
}

#[tokio::test]
async fn every_rule_that_a_product_breaks_is_named() {
    let suite = Suite::start().await;
    let broken = json!({ "sku": "two words", "name": "  ", "description": "x".repeat(5001) });
    let refused = send(&suite, Method::POST, "/v1/products", broken).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let details = refused.json()["error"]["details"].clone();
    let fields: Vec<&str> = details
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["sku", "name", "description", "price"]);
    for price in ["0", "-1", "0.001", "1000000.01", "1e400"] {
        let body = format!(r#"{{"sku":"A","name":"A","price":{price}}}"#);
        let headers = [
            ("authorization", format!("Bearer {}", suite.admin().await)),
            ("content-type", "application/json".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let refused =
            suite.http().send(Method::POST, "/v1/products", &headers, &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{price}");
        assert_eq!(refused.json()["error"]["details"][0]["field"], "price");
    }
}

#[tokio::test]
async fn a_name_with_the_character_that_no_database_stores_is_refused() {
    let suite = Suite::start().await;
    let broken = json!({ "sku": "A", "name": "a\u{0}b", "price": 1 });
    let refused = send(&suite, Method::POST, "/v1/products", broken).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["error"]["details"][0]["field"], "name");
}

#[tokio::test]
async fn products_are_in_categories_until_those_are_deleted() {
    let suite = Suite::start().await;
    let body = json!({ "slug": "language/english", "name": "English" });
    let category = send(&suite, Method::POST, "/v1/categories", body).await;
    assert_eq!(category.status, StatusCode::CREATED);
    let category = id(&category);
    let mut product = book();
    product["category_ids"] = json!([category]);
    let product = send(&suite, Method::POST, "/v1/products", product).await;
    assert_eq!(product.json()["category_ids"], json!([category]));

    let path = format!("/v1/categories/{category}");
    let renamed = send(&suite, Method::PATCH, &path, json!({ "name": "Old English" })).await;
    assert_eq!(renamed.json()["slug"], "language/english");
    let cleared = send(&suite, Method::PATCH, &path, json!({ "name": null })).await;
    assert_eq!(cleared.status, StatusCode::UNPROCESSABLE_ENTITY);
    send(&suite, Method::DELETE, &path, json!({})).await;
    let product = suite.http().get(&format!("/v1/products/{}", id(&product))).await;
    assert_eq!(product.json()["category_ids"], json!([]));

    let mut lost = book();
    lost["sku"] = json!("BK-2");
    lost["category_ids"] = json!([category]);
    let refused = send(&suite, Method::POST, "/v1/products", lost).await;
    assert_eq!(refused.json()["error"]["details"][0]["field"], "category_ids");
}
