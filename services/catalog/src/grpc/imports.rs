//! Imports: many products at once.

use futures::StreamExt as _;
use souk_kit::request::Context;
use souk_proto::souk::catalog::v2::{ImportProductsRequest, ImportProductsResponse};
use tonic::{Request, Response, Streaming};

use super::messages::imports::checked;
use super::v1::market;
use super::{Handlers, Reply, actor};
use crate::importing::By;

pub async fn import(
    handlers: &Handlers,
    request: Request<Streaming<ImportProductsRequest>>,
) -> Reply<ImportProductsResponse> {
    let by = By { actor: actor(Context::of(&request)?)?, market: market(&request) };
    let rows = request.into_inner().map(|row| row.map(checked));
    let report = handlers.importing.import(&by, rows).await?;
    Ok(Response::new(report.into()))
}
