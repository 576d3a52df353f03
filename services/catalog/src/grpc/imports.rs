//! Imports: many products at once.

use futures::StreamExt as _;
use souk_kit::request::Context;
use souk_proto::souk::catalog::v2::{ImportProductsRequest, ImportProductsResponse};
use tonic::{Request, Response, Streaming};

use super::messages::imports::checked;
use super::{Handlers, Reply, actor};

pub async fn import(
    handlers: &Handlers,
    request: Request<Streaming<ImportProductsRequest>>,
) -> Reply<ImportProductsResponse> {
    let actor = actor(Context::of(&request)?)?;
    let rows = request.into_inner().map(|row| row.map(checked));
    let report = handlers.importing.import(&actor, rows).await?;
    Ok(Response::new(report.into()))
}
