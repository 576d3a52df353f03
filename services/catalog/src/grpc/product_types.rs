//! Product types: created, read, listed, changed and deleted.

use souk_kit::page::Page;
use souk_kit::request::{open, open_named};
use souk_kit::wire;
use souk_proto::souk::catalog::v2::{
    CreateProductTypeRequest, DeleteProductTypeRequest, GetProductTypeRequest,
    ListProductTypesRequest, ListProductTypesResponse, ProductType, UpdateProductTypeRequest,
};
use tonic::{Request, Response};

use super::messages::product_types::{new_product_type, product_type_change, type_name};
use super::{Handlers, Reply};
use crate::product_type;

pub async fn create(
    handlers: &Handlers,
    request: Request<CreateProductTypeRequest>,
) -> Reply<ProductType> {
    let (context, message) = open(request)?;
    let (name, definition) = new_product_type(message)?;
    let created = handlers.typing.create(&handlers.until(&context), &name, &definition).await?;
    Ok(Response::new(created.into()))
}

pub async fn get(
    handlers: &Handlers,
    request: Request<GetProductTypeRequest>,
) -> Reply<ProductType> {
    let (context, name, _) = open_named(request, |message| type_name(&message.name))?;
    let found = handlers.reading.product_type(&handlers.until(&context), &name).await?;
    Ok(Response::new(found.into()))
}

pub async fn list(
    handlers: &Handlers,
    request: Request<ListProductTypesRequest>,
) -> Reply<ListProductTypesResponse> {
    let (context, ListProductTypesRequest { size, cursor, page }) = open(request)?;
    let reading = &handlers.reading;
    let page = Page::parse(reading.cursors(), product_type::LIST, size, &cursor, page)?;
    let _place = handlers.database.place_to_list().await;
    let (rows, position) = reading.list_product_types(&handlers.until(&context), &page).await?;
    let data = rows.into_iter().map(ProductType::from).collect();
    let pagination = Some(wire::pagination(position));
    Ok(Response::new(ListProductTypesResponse { data, pagination }))
}

pub async fn update(
    handlers: &Handlers,
    request: Request<UpdateProductTypeRequest>,
) -> Reply<ProductType> {
    let (context, name, message) = open_named(request, |message| type_name(&message.name))?;
    let (access, change) = (handlers.until(&context), product_type_change(message)?);
    let changed = handlers.typing.change(&access, &name, &context.if_match, &change).await?;
    Ok(Response::new(changed.into()))
}

pub async fn delete(handlers: &Handlers, request: Request<DeleteProductTypeRequest>) -> Reply<()> {
    let (context, name, _) = open_named(request, |message| type_name(&message.name))?;
    handlers.typing.delete(&handlers.until(&context), &name, &context.if_match).await?;
    Ok(Response::new(()))
}
