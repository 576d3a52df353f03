//! The pages for people: where everything is, documents to read and to try, and one page for each
//! error, where its `docs_url` points. Nothing on them comes from elsewhere.

mod assets;
mod content;
mod errors;
mod index;
mod page;
mod redoc;
mod swagger;

use axum::Router;
use axum::routing::get;
use souk_proto::souk::types::v1::Reason;

use crate::api::Api;
use crate::docs::assets::Assets;
use crate::docs::content::Content;
use crate::docs::page::Frame;
use crate::openapi::Documents;
use crate::problem::{Problem, docs_url};

/// The document that the pages read.
const OPENAPI: &str = "/openapi.json";

/// All pages, written once, what they load, and the documents that they are about.
pub(crate) fn router(api: &Api, documents: Documents) -> Router {
    let assets = Assets::load();
    let frame = Frame::with(&assets);
    let mut router = Router::new()
        .route("/", index::route(api, &frame))
        .route("/docs", swagger::page(api, &frame, &assets).route())
        .route("/redoc", redoc::page(&frame, &assets).route())
        .route("/docs/errors", errors::index(&frame).route())
        .route("/docs/errors/{code}", get(no_such_reason))
        .route(OPENAPI, Content::json(documents.openapi_json).route())
        .route("/openapi.yaml", Content::yaml(documents.openapi_yaml).route())
        .route("/postman.json", Content::json(documents.postman_json).route());
    for (reason, page) in errors::pages(&frame) {
        router = router.route(&docs_url(reason), page.route());
    }
    for asset in assets.into_all() {
        router = router.route(&asset.path(), asset.content.route());
    }
    router
}

async fn no_such_reason() -> Problem {
    Problem::new(Reason::NotFound, "there is no such reason")
}
