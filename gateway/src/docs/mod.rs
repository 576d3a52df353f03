//! The pages for people: where everything is, documents to read and to try, and one page for each
//! error, where its `docs_url` points. Nothing on them comes from elsewhere.

mod assets;
mod errors;
mod index;
mod page;
mod redoc;
mod resource;
mod swagger;

use axum::routing::get;
use souk_proto::souk::types::v1::Reason;

use crate::api::Api;
use crate::docs::assets::Assets;
use crate::docs::page::Frame;
use crate::docs::resource::Resource;
use crate::edge::pages::Page;
use crate::errors::problem::{Problem, docs_url};
use crate::openapi::Documents;

/// The document that the pages read.
const OPENAPI: &str = "/openapi.json";

/// All pages, written once, what they load, and the documents that they are about.
pub(crate) fn pages(api: &Api, documents: Documents) -> Vec<Page> {
    let assets = Assets::load();
    let frame = Frame::with(&assets);
    let fixed = [
        ("/", index::route(api, &frame)),
        ("/docs", swagger::page(api, &frame, &assets).route()),
        ("/redoc", redoc::page(&frame, &assets).route()),
        ("/docs/errors", errors::index(api, &frame).route()),
        ("/docs/errors/{code}", get(no_such_code)),
        (OPENAPI, Resource::json(documents.openapi_json).route()),
        ("/openapi.yaml", Resource::yaml(documents.openapi_yaml).route()),
        ("/postman.json", Resource::json(documents.postman_json).route()),
    ];
    let fixed = fixed.into_iter().map(|(path, page)| (path.to_owned(), page));
    let errors = errors::pages(api, &frame).into_iter();
    let errors = errors.map(|(code, page)| (docs_url(code), page.route()));
    let assets = assets.into_all().into_iter();
    let assets = assets.map(|asset| (asset.path(), asset.resource.route()));
    fixed.chain(errors).chain(assets).collect()
}

async fn no_such_code() -> Problem {
    Problem::new(Reason::NotFound, "there is no such code")
}
