//! axum and a client of tonic: a gateway for this one route.

use anyhow::Result;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use prost_types::Timestamp;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v1::{self as proto, GetProductRequest};
use time::OffsetDateTime;
use tonic::Code;
use tonic::transport::Channel;

use super::product::{Product, rfc3339};
use super::{FAILED, NOT_FOUND, Refused};
use crate::support::suite::connect;

type Catalog = CatalogServiceClient<Channel>;

pub async fn router(url: &str) -> Result<Router> {
    let channel = connect(url).await?;
    let catalog = CatalogServiceClient::new(channel);
    Ok(Router::new().route("/v1/products/{id}", get(product)).with_state(catalog))
}

async fn product(
    State(mut catalog): State<Catalog>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Refused> {
    match catalog.get_product(GetProductRequest { id }).await {
        Ok(response) => Ok(Json(answer(response.into_inner()).ok_or(FAILED)?)),
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
            Err(NOT_FOUND)
        }
        Err(_) => Err(FAILED),
    }
}

fn answer(product: proto::Product) -> Option<Product> {
    Some(Product {
        id: product.id,
        sku: product.sku,
        name: product.name,
        description: product.description,
        price: product.price?.value.parse().ok()?,
        available: product.available,
        in_stock: product.in_stock,
        category_ids: product.category_ids,
        created_at: time(product.created_at?)?,
        updated_at: time(product.updated_at?)?,
        etag: product.etag,
    })
}

fn time(timestamp: Timestamp) -> Option<String> {
    let nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    Some(rfc3339(OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?))
}
