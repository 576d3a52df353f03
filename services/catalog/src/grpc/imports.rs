//! Imports and exports: many products at once.

use futures::stream;
use futures::{StreamExt as _, TryStreamExt as _};
use souk_kit::id::ImportId;
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::wire;
use souk_proto::souk::catalog::v2::{
    CancelImportRequest, CreateImportRequest, ExportProductsRequest, GetImportRequest, Import,
    ImportProductsRequest, ImportProductsResponse, ListImportsRequest, ListImportsResponse,
    ListRejectedRowsRequest, Product, RejectedRow,
};
use tonic::{Request, Response, Status, Streaming};

use super::messages::imports::{checked, new_import};
use super::messages::path_id;
use super::v1::market;
use super::{Answers, Handlers, Reply, actor};
use crate::importing::By;
use crate::product_type::TypeName;
use crate::{Error, exporting, import};

fn import_id(id: &str) -> Result<ImportId, Error> {
    path_id("import", id)
}

pub async fn import(
    handlers: &Handlers,
    request: Request<Streaming<ImportProductsRequest>>,
) -> Reply<ImportProductsResponse> {
    let by = By { actor: actor(Context::of(&request)?)?, market: market(&request) };
    let mut rows = request.into_inner();
    let first = rows.message().await?;
    let id = first.as_ref().map_or("", |first| &first.import_id);
    let id = (!id.is_empty()).then(|| import_id(id)).transpose()?;
    let rows = stream::iter(first.map(Ok)).chain(rows).map_ok(checked);
    let report = handlers.importing.import(id, &by, rows).await?;
    Ok(Response::new(report.into()))
}

pub async fn create(handlers: &Handlers, request: Request<CreateImportRequest>) -> Reply<Import> {
    let (context, message) = open(request)?;
    let (new, actor) = (new_import(message), actor(&context)?);
    let created = handlers.importing.create(&handlers.until(&context), &new, &actor).await?;
    Ok(Response::new(created.into()))
}

pub async fn get(handlers: &Handlers, request: Request<GetImportRequest>) -> Reply<Import> {
    let (context, id, _) = open_named(request, |message| import_id(&message.id))?;
    let found = handlers.reading.import(&handlers.until(&context), id).await?;
    Ok(Response::new(found.into()))
}

pub async fn list(
    handlers: &Handlers,
    request: Request<ListImportsRequest>,
) -> Reply<ListImportsResponse> {
    let (context, ListImportsRequest { size, cursor, page }) = open(request)?;
    let reading = &handlers.reading;
    let page = Page::parse(reading.cursors(), import::LIST, size, &cursor, page)?;
    let _place = handlers.database.place_to_list().await;
    let (rows, position) = reading.list_imports(&handlers.until(&context), &page).await?;
    let data = rows.into_iter().map(Import::from).collect();
    let pagination = Some(wire::pagination(position));
    Ok(Response::new(ListImportsResponse { data, pagination }))
}

pub async fn cancel(handlers: &Handlers, request: Request<CancelImportRequest>) -> Reply<Import> {
    let (context, id, _) = open_named(request, |message| import_id(&message.id))?;
    let cancelled = handlers.importing.cancel(&handlers.until(&context), id).await?;
    Ok(Response::new(cancelled.into()))
}

pub async fn list_rejected(
    handlers: &Handlers,
    request: Request<ListRejectedRowsRequest>,
) -> Reply<Answers<RejectedRow>> {
    let (context, id, _) = open_named(request, |message| import_id(&message.id))?;
    handlers.reading.import(&handlers.until(&context), id).await?;
    let pages = exporting::rejections(handlers.database.clone(), id);
    Ok(Response::new(one_by_one(pages)))
}

pub async fn export(
    handlers: &Handlers,
    request: Request<ExportProductsRequest>,
) -> Reply<Answers<Product>> {
    let (_, message) = open(request)?;
    let pages = exporting::products(handlers.database.clone(), TypeName::parse(message.r#type));
    Ok(Response::new(one_by_one(pages)))
}

/// The rows of pages.
fn one_by_one<S: Send + 'static, T: From<S> + Send + 'static>(
    pages: impl futures::Stream<Item = Result<Vec<S>, Error>> + Send + 'static,
) -> Answers<T> {
    let rows = |page: Vec<S>| stream::iter(page.into_iter().map(T::from).map(Ok));
    pages.map_err(Status::from).map_ok(rows).try_flatten().boxed()
}
