//! axum and nothing behind it.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};

use super::product::Product;

pub fn router() -> Router {
    Router::new().route("/v1/products/{id}", get(product))
}

async fn product(Path(id): Path<String>) -> Json<Product> {
    Json(Product {
        id,
        sku: "BK-00001".to_owned(),
        name: "The Hunger Games (The Hunger Games, #1)".to_owned(),
        description: String::new(),
        price: 44.99,
        available: 116,
        in_stock: true,
        category_ids: vec![
            "cat_01h455vb4pex5vsknk084sn02q".to_owned(),
            "cat_01h455vb4pex5vsknk084sn03q".to_owned(),
            "cat_01h455vb4pex5vsknk084sn04q".to_owned(),
        ],
        created_at: "2026-11-25T00:42:57.123456Z".to_owned(),
        updated_at: "2026-11-25T00:42:57.123456Z".to_owned(),
        etag: "\"1\"".to_owned(),
    })
}
