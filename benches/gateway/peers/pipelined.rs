//! axum and two connections that all requests share: while one waits for its answer, others are
//! on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use tokio_postgres::{Client, NoTls, Statement};

use super::product::{BY_ID, Product, Row, id};
use super::{FAILED, NOT_FOUND, Refused};

struct Connections {
    clients: [(Client, Statement); 2],
    next: AtomicUsize,
}

pub async fn router(url: &str) -> Result<Router> {
    let clients = [connect(url).await?, connect(url).await?];
    let connections = Arc::new(Connections { clients, next: AtomicUsize::new(0) });
    Ok(Router::new().route("/v1/products/{id}", get(product)).with_state(connections))
}

async fn connect(url: &str) -> Result<(Client, Statement)> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let statement = client.prepare(BY_ID).await?;
    Ok((client, statement))
}

async fn product(
    State(connections): State<Arc<Connections>>,
    Path(text): Path<String>,
) -> Result<Json<Product>, Refused> {
    let id = id(&text).ok_or(NOT_FOUND)?;
    let turn = connections.next.fetch_add(1, Ordering::Relaxed);
    let (client, statement) = &connections.clients[turn % connections.clients.len()];
    let found = client.query_opt(statement, &[&id]).await;
    let row = found.map_err(|_| FAILED)?.ok_or(NOT_FOUND)?;
    Ok(Json(read(&row).map_err(|_| FAILED)?.into()))
}

fn read(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    Ok(Row {
        id: row.try_get(0)?,
        sku: row.try_get(1)?,
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        price_minor: row.try_get(4)?,
        available: row.try_get(5)?,
        version: row.try_get(6)?,
        created_at: row.try_get(7)?,
        updated_at: row.try_get(8)?,
        category_ids: row.try_get(9)?,
    })
}
