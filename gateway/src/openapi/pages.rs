//! Where the descriptions are served.

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue};

use super::Documents;
use crate::entity_tag;

/// `/openapi.json`, `/openapi.yaml` and `/postman.json`.
pub(crate) fn router(documents: Documents) -> Router {
    let Documents { openapi_json, openapi_yaml, postman_json } = documents;
    let router = Router::new();
    let router = add(router, "/postman.json", "application/json", postman_json);
    let router = add(router, "/openapi.json", "application/json", openapi_json);
    add(router, "/openapi.yaml", "application/yaml", openapi_yaml)
}

fn add(router: Router, path: &str, media: &'static str, content: Bytes) -> Router {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    let tag = entity_tag::of(env!("CARGO_PKG_VERSION"), &content);
    headers.extend(tag.map(|tag| (ETAG, tag)));
    let page = async move || (headers, content).into_response();
    router.route(path, get(page))
}
