//! A gateway for a shop that only members see: access tokens, limits and headers around the two
//! routes that it has.

mod limits;
mod page;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, LINK, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use souk_proto::souk::catalog::v1::{GetProductRequest, ListProductsRequest};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Extensions, Status};
use uuid::Uuid;

use self::limits::{Limits, Standing};
use self::page::{Page, Place};
use self::tokens::Tokens;
use super::connections::Connections;
use super::product::Product;
use super::{FAILED, NOT_FOUND, Refused};
use crate::contracts::members::catalog_client::CatalogClient;

const LIMIT: Duration = Duration::from_secs(15);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

struct Gateway {
    catalog: Connections<CatalogClient<Channel>>,
    tokens: Tokens,
    limits: Limits,
}

/// What a request takes along to the catalog.
#[derive(Clone)]
struct Forwarded(HeaderMap);

/// `backends` are the catalog and the auth service.
pub async fn router(backends: &str) -> Result<Router> {
    let (catalog, auth) = backends.split_once(' ').context("two backends")?;
    let gateway = Arc::new(Gateway {
        catalog: Connections::open(catalog, CatalogClient::new).await?,
        tokens: Tokens::fetch(auth).await?,
        limits: Limits::default(),
    });
    Ok(Router::new()
        .route("/v1/products", get(products))
        .route("/v1/products/{id}", get(product))
        .layer(from_fn_with_state(gateway.clone(), guard))
        .with_state(gateway))
}

/// What is around each route.
async fn guard(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let mut standing = Standing::default();
    let mut response = match gateway.admit(client, request.headers(), &mut standing) {
        Ok(token) => {
            let forwarded = [(AUTHORIZATION, token), (REQUEST_ID, id.clone())];
            request.extensions_mut().insert(Forwarded(forwarded.into_iter().collect()));
            let answer = timeout(LIMIT, next.run(request)).await;
            answer.unwrap_or_else(|_| StatusCode::GATEWAY_TIMEOUT.into_response())
        }
        Err(refused) => refused.into_response(),
    };
    let headers = response.headers_mut();
    standing.write(headers);
    headers.insert(REQUEST_ID, id);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

impl Gateway {
    /// The token of a request that may be made.
    fn admit(
        &self,
        client: SocketAddr,
        headers: &HeaderMap,
        standing: &mut Standing,
    ) -> Result<HeaderValue, Refused> {
        self.limits.of_address(client.ip(), standing)?;
        let token = headers.get(AUTHORIZATION);
        let caller = token.and_then(|token| self.tokens.verify(token));
        let (Some(token), Some(caller)) = (token, caller) else {
            return Err((StatusCode::UNAUTHORIZED, "a valid access token is needed"));
        };
        self.limits.of_caller(&caller, standing)?;
        Ok(token.clone())
    }
}

/// The client's, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| (1..=128).contains(&id.len()));
    given.cloned().unwrap_or_else(|| {
        let id = format!("req_{}", Uuid::now_v7().simple());
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req"))
    })
}

async fn product(
    State(gateway): State<Arc<Gateway>>,
    Extension(forwarded): Extension<Forwarded>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refused> {
    let request = forwarded.outgoing(GetProductRequest { id });
    let answer = gateway.catalog.client().get_product(request).await.map_err(refused)?;
    let product = Product::read(answer.into_inner()).ok_or(FAILED)?;
    let tag = HeaderValue::try_from(&product.etag).map_err(|_| FAILED)?;
    Ok(([(ETAG, tag)], Json(product)))
}

async fn products(
    State(gateway): State<Arc<Gateway>>,
    Extension(forwarded): Extension<Forwarded>,
    uri: Uri,
    Query(place): Query<Place>,
) -> Result<impl IntoResponse, Refused> {
    let Place { size, cursor } = place;
    let request = forwarded.outgoing(ListProductsRequest { size, cursor, page: None });
    let answer = gateway.catalog.client().list_products(request).await.map_err(refused)?;
    let page = Page::read(answer.into_inner(), &uri, size).ok_or(FAILED)?;
    let links = HeaderValue::try_from(page.links.header()).map_err(|_| FAILED)?;
    // a larger answer would be compressed for those who take that
    let vary = HeaderValue::from_static("accept-encoding");
    Ok(([(LINK, links), (VARY, vary)], Json(page)))
}

impl Forwarded {
    fn outgoing<T>(self, message: T) -> tonic::Request<T> {
        let metadata = MetadataMap::from_headers(self.0);
        let mut request = tonic::Request::from_parts(metadata, Extensions::default(), message);
        request.set_timeout(LIMIT);
        request
    }
}

fn refused(status: Status) -> Refused {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => NOT_FOUND,
        _ => FAILED,
    }
}
