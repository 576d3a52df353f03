//! Products: created, read, listed, changed and deleted.

use std::time::{Duration, Instant};

use souk_kit::id::ProductId;
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::wire;
use souk_proto::souk::catalog::v2::{
    BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest, DeleteProductRequest,
    GetProductRequest, ListProductsRequest, ListProductsResponse, Product, ReplaceProductRequest,
    UpdateProductRequest,
};
use tonic::{Request, Response};

use super::messages::listing::wanted;
use super::messages::products::{new_product, product_change, product_replacement};
use super::messages::{parse_id, path_id};
use super::v1::market;
use super::{Handlers, Reply, actor};
use crate::editing::Meant;
use crate::product::Market;
use crate::{Error, editing};

/// How long a list may be looked for: one that reads a great deal does not keep others from theirs.
const LIST_LIMIT: Duration = Duration::from_secs(5);

pub fn product_id(id: &str) -> Result<ProductId, Error> {
    path_id("product", id)
}

fn meant(id: ProductId, market: Market, context: &Context) -> Meant {
    Meant { id, market, if_match: context.if_match.clone() }
}

pub async fn create(handlers: &Handlers, request: Request<CreateProductRequest>) -> Reply<Product> {
    let (context, message) = open(request)?;
    let (new, actor) = (new_product(message)?, actor(&context)?);
    let product =
        editing::create_product(&handlers.until(&context), &handlers.typing, new, actor).await?;
    Ok(Response::new(product.into()))
}

pub async fn get(handlers: &Handlers, request: Request<GetProductRequest>) -> Reply<Product> {
    let market = market(&request);
    let (context, id, _) = open_named(request, |message| product_id(&message.id))?;
    let product = handlers.reading.product(id, market, context.deadline).await?;
    Ok(Response::new(product.into()))
}

pub async fn batch_get(
    handlers: &Handlers,
    request: Request<BatchGetProductsRequest>,
) -> Reply<BatchGetProductsResponse> {
    let market = market(&request);
    let (context, message) = open(request)?;
    let ids: Vec<ProductId> =
        message.ids.iter().map(|id| parse_id("ids", id)).collect::<Result<_, _>>()?;
    let products = handlers.reading.products(ids, market, context.deadline).await?;
    let products = products.into_iter().map(Product::from).collect();
    Ok(Response::new(BatchGetProductsResponse { products }))
}

pub async fn list(
    handlers: &Handlers,
    request: Request<ListProductsRequest>,
) -> Reply<ListProductsResponse> {
    let market = market(&request);
    let (context, message) = open(request)?;
    let (size, number, cursor) = (message.size, message.page, message.cursor.clone());
    let (reading, access) = (&handlers.reading, handlers.until(&context));
    let listing = reading.listing(&access, wanted(message, market)?).await?;
    let page = Page::parse(reading.cursors(), &listing.name(market), size, &cursor, number)?;
    let _place = handlers.database.place_to_list().await;
    let access = handlers.database.until(context.deadline.min(Instant::now() + LIST_LIMIT));
    let (rows, position) = reading.list_products(&access, listing, market, page).await?;
    let data = rows.into_iter().map(Product::from).collect();
    let pagination = Some(wire::pagination(position));
    Ok(Response::new(ListProductsResponse { data, pagination }))
}

pub async fn update(handlers: &Handlers, request: Request<UpdateProductRequest>) -> Reply<Product> {
    let market = market(&request);
    let (context, id, message) = open_named(request, |message| product_id(&message.id))?;
    let change = product_change(message)?;
    let (access, meant) = (handlers.until(&context), meant(id, market, &context));
    let product = editing::change_product(&access, &handlers.typing, meant, change).await?;
    Ok(Response::new(product.into()))
}

pub async fn replace(
    handlers: &Handlers,
    request: Request<ReplaceProductRequest>,
) -> Reply<Product> {
    let market = market(&request);
    let (context, id, message) = open_named(request, |message| product_id(&message.id))?;
    let change = product_replacement(message)?;
    let (access, meant) = (handlers.until(&context), meant(id, market, &context));
    let product = editing::change_product(&access, &handlers.typing, meant, change).await?;
    Ok(Response::new(product.into()))
}

pub async fn delete(handlers: &Handlers, request: Request<DeleteProductRequest>) -> Reply<()> {
    let market = market(&request);
    let (context, id, _) = open_named(request, |message| product_id(&message.id))?;
    editing::delete_product(&handlers.until(&context), &meant(id, market, &context)).await?;
    Ok(Response::new(()))
}
