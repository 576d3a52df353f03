//! The second version of the catalog over REST: types, categories, stock, lists; and the first beside it.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Response, Suite, unique};

struct Shop {
    suite: Suite,
    admin: String,
}

impl Shop {
    async fn new() -> Self {
        let suite = Suite::start().await;
        let admin = suite.admin().await;
        Self { suite, admin }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.suite.http().json_as(&self.admin, method, path, body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let made = self.send(Method::POST, path, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{path}: {:?}", made.json());
        made.json()
    }

    async fn keyed(&self, method: Method, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {}", self.admin);
        let key = unique("key");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        self.suite.http().send(method, path, &headers, body.to_string()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let got = self.suite.http().get_as(&self.admin, path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {:?}", got.json());
        got.json()
    }

    async fn product(&self, more: Value) -> Value {
        let mut product = json!({"sku": unique("SKU"), "name": "A thing", "price": 5});
        let Value::Object(more) = more else { panic!("no object") };
        more.into_iter().for_each(|(name, value)| product[name] = value);
        self.post("/v2/products", &product).await
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn skus(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|product| text(&product["sku"])).collect()
}

#[tokio::test]
async fn a_product_of_a_type_is_held_to_it_and_found_by_what_it_declares() {
    let shop = Shop::new().await;
    let tea = json!({
        "name": "tea", "searchable": ["origin"], "filterable": ["grams"],
        "schema": {"type": "object", "required": ["origin"], "properties": {
            "origin": {"type": "string"}, "grams": {"type": "integer", "minimum": 1}}},
    });
    let made = shop.post("/v2/product-types", &tea).await;
    assert_eq!(made["schema"], tea["schema"]);
    assert_eq!(shop.get("/v2/product-types/tea").await, made);
    let attributes = json!({"origin": "Darjeeling", "grams": 100});
    let flush = shop.product(json!({"type": "tea", "attributes": attributes})).await;
    assert_eq!(flush["attributes"], attributes);
    let wrong = json!({"attributes": {"origin": "Assam", "grams": 0}});
    let path = format!("/v2/products/{}", text(&flush["id"]));
    let refused = shop.send(Method::PATCH, &path, &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["error"]["details"][0]["field"], "attributes.grams");
    for query in ["q=DARJEEL", "type=tea&attr.grams=100", "q=darjeeling&type=tea&sort=-price"] {
        let found = shop.get(&format!("/v2/products?{query}")).await;
        assert_eq!(skus(&found), [text(&flush["sku"])], "{query}");
    }
    let unknown = shop.suite.http().get("/v2/products?type=tea&attr.colour=green").await;
    let issue = unknown.json()["error"]["details"][0].clone();
    assert_eq!((&issue["field"], unknown.status.as_u16()), (&json!("attr.colour"), 422));
    assert!(text(&issue["issue"]).contains("grams"), "{issue}");
    let unknown = shop.suite.http().get("/v2/products?colour=green").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(
        text(&unknown.json()["error"]["details"][0]["issue"]).contains("attr"),
        "what there is"
    );
    let unknown = shop.suite.http().get("/v2/products?sort=colour").await;
    assert!(text(&unknown.json()["error"]["details"][0]["issue"]).contains("-price"));
    let used = shop.send(Method::DELETE, "/v2/product-types/tea", &json!({})).await;
    assert_eq!((used.status, used.code().as_str()), (StatusCode::CONFLICT, "IN_USE"));
}

#[tokio::test]
async fn categories_are_a_tree_and_go_when_it_is_said_where_their_products_go() {
    let shop = Shop::new().await;
    let kitchen = shop.post("/v2/categories", &json!({"slug": "kitchen", "name": "Kitchen"})).await;
    let kitchen = text(&kitchen["id"]).to_owned();
    let cups = json!({"slug": "kitchen/cups", "name": "Cups", "parent_id": kitchen});
    let cups = text(&shop.post("/v2/categories", &cups).await["id"]).to_owned();
    let product = shop.product(json!({"category_ids": [cups]})).await;
    assert_eq!(shop.get(&format!("/v2/categories/{cups}")).await["product_count"], 1);
    let children = shop.get(&format!("/v2/categories?parent_id={kitchen}")).await;
    assert_eq!(children["data"][0]["id"], cups);
    for list in
        [format!("/v2/categories/{cups}/products"), "/v2/products?category=kitchen/cups".into()]
    {
        assert_eq!(skus(&shop.get(&list).await), [text(&product["sku"])], "{list}");
    }
    let below_itself = json!({"parent_id": cups});
    let path = format!("/v2/categories/{kitchen}");
    let refused = shop.send(Method::PATCH, &path, &below_itself).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let cups = format!("/v2/categories/{cups}");
    let used = shop.send(Method::DELETE, &cups, &json!({})).await;
    assert_eq!((used.status, used.code().as_str()), (StatusCode::CONFLICT, "IN_USE"));
    let moved =
        shop.send(Method::DELETE, &format!("{cups}?products_to={kitchen}"), &json!({})).await;
    assert_eq!(moved.status, StatusCode::NO_CONTENT);
    assert_eq!(shop.get(&format!("/v2/categories/{kitchen}")).await["product_count"], 1);
}

#[tokio::test]
async fn stock_is_set_and_its_ledger_read() {
    let shop = Shop::new().await;
    let product = shop.product(json!({"available": 3})).await;
    let stock = format!("/v2/products/{}/stock", text(&product["id"]));
    let recount = json!({"available": 7, "expected": 4, "reason": "recount"});
    let refused = shop.keyed(Method::PUT, &stock, &recount).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "STOCK_MISMATCH"));
    let recount = json!({"available": 7, "expected": 3, "reason": "recount"});
    assert_eq!(shop.keyed(Method::PUT, &stock, &recount).await.json()["available"], 7);
    let low = shop.send(Method::PATCH, &stock, &json!({"low_stock_threshold": 2})).await.json();
    assert_eq!(low["low_stock_threshold"], 2);
    assert_eq!(shop.get(&stock).await, low);
    let moves = shop.get(&format!("{stock}-moves")).await;
    let kinds: Vec<&str> =
        moves["data"].as_array().unwrap().iter().map(|one| text(&one["kind"])).collect();
    assert_eq!(kinds, ["set", "create"]);
    assert_eq!(shop.suite.http().get(&stock).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_product_in_another_currency_is_ordered_in_it_and_is_not_in_the_first_version() {
    let shop = Shop::new().await;
    let yen = shop.product(json!({"currency": "JPY", "price": 599, "available": 2})).await;
    let id = text(&yen["id"]);
    assert_eq!((&yen["price"], &yen["currency"]), (&json!(599), &json!("JPY")));
    let path = format!("/v1/products/{id}");
    assert_eq!(shop.suite.http().get(&path).await.status, StatusCode::NOT_FOUND);
    let dollars = shop.product(json!({})).await;
    let old = shop.suite.http().get(&format!("/v1/products/{}", text(&dollars["id"]))).await;
    assert!(old.json().get("currency").is_none(), "v1 does not know it");
    assert_eq!(old.header("deprecation"), "@1795996800");
    assert_eq!(old.header("sunset"), "Tue, 30 Nov 2027 00:00:00 GMT");
    let successor = format!("</v2/products/{}>; rel=\"successor-version\"", text(&dollars["id"]));
    assert_eq!(old.header("link"), successor);

    let user = shop.suite.user().await;
    let items = json!([{"product_id": id, "quantity": 2}]);
    let order = shop.suite.http().order(&user, &unique("key"), &items).await.unwrap().json();
    assert_eq!((&order["currency"], &order["total"]), (&json!("JPY"), &json!(1198)));
    let both =
        json!([{"product_id": id, "quantity": 1}, {"product_id": dollars["id"], "quantity": 1}]);
    let refused = shop.suite.http().order(&user, &unique("key"), &both).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "one currency an order");
}
