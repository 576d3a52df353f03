//! axum and a client of tonic on some connections: a gateway for this one route.

use std::sync::Arc;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use souk_proto::souk::catalog::v1::GetProductRequest;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use tonic::Code;

use super::connections::Connections;
use super::product::Product;
use super::{FAILED, NOT_FOUND, Refused};

type Catalog = Connections<CatalogServiceClient<tonic::transport::Channel>>;

pub async fn router(url: &str) -> Result<Router> {
    let catalog = Arc::new(Connections::open(url, CatalogServiceClient::new).await?);
    Ok(Router::new().route("/v1/products/{id}", get(product)).with_state(catalog))
}

async fn product(
    State(catalog): State<Arc<Catalog>>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Refused> {
    match catalog.client().get_product(GetProductRequest { id }).await {
        Ok(response) => Ok(Json(Product::read(response.into_inner()).ok_or(FAILED)?)),
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
            Err(NOT_FOUND)
        }
        Err(_) => Err(FAILED),
    }
}
