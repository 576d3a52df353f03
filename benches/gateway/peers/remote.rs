//! axum and a client of tonic on some connections: a gateway for this one route.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// One takes a tenth more CPU time: all requests wait for its lock.
const CONNECTIONS: usize = 4;

struct Catalog {
    clients: Vec<CatalogServiceClient<Channel>>,
    next: AtomicUsize,
}

pub async fn router(url: &str) -> Result<Router> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(CatalogServiceClient::new(connect(url).await?));
    }
    let catalog = Arc::new(Catalog { clients, next: AtomicUsize::new(0) });
    Ok(Router::new().route("/v1/products/{id}", get(product)).with_state(catalog))
}

async fn product(
    State(catalog): State<Arc<Catalog>>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Refused> {
    let turn = catalog.next.fetch_add(1, Ordering::Relaxed);
    let mut client = catalog.clients[turn % CONNECTIONS].clone();
    match client.get_product(GetProductRequest { id }).await {
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
