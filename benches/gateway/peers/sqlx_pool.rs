//! axum and a pool of sqlx, with a prepared statement.

use anyhow::Result;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::product::{BY_ID, Product, Row, id};
use super::{FAILED, NOT_FOUND, Refused};

/// As many as a service of Souk has by default.
const CONNECTIONS: u32 = 16;

pub async fn router(url: &str) -> Result<Router> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    Ok(Router::new().route("/v1/products/{id}", get(product)).with_state(pool))
}

async fn product(
    State(pool): State<PgPool>,
    Path(text): Path<String>,
) -> Result<Json<Product>, Refused> {
    let id = id(&text).ok_or(NOT_FOUND)?;
    let found = sqlx::query_as::<_, Row>(BY_ID).bind(id).fetch_optional(&pool).await;
    let row = found.map_err(|_| FAILED)?.ok_or(NOT_FOUND)?;
    Ok(Json(row.into()))
}
