//! The gRPC interface: decode, delegate, encode.

mod messages;

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use souk_db::idempotency::{self, Answer, Call};
use souk_db::{Access, Database};
use souk_kit::id::{CategoryId, ProductId};
use souk_kit::idempotency::Operation;
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::{Failure, wire};
use souk_proto::souk::catalog::v1::catalog_service_server::{CatalogService, SERVICE_NAME};
use souk_proto::souk::catalog::v1::{
    AdjustStockRequest, BatchGetProductsRequest, BatchGetProductsResponse, Category,
    CommitStockRequest, CreateCategoryRequest, CreateProductRequest, DeleteCategoryRequest,
    DeleteProductRequest, GetCategoryRequest, GetProductRequest, ImportProductsRequest,
    ImportProductsResponse, ListCategoriesRequest, ListCategoriesResponse, ListProductsRequest,
    ListProductsResponse, Product, ReleaseStockRequest, ReplaceCategoryRequest,
    ReplaceProductRequest, Reservation, ReserveStockRequest, Stock, UpdateCategoryRequest,
    UpdateProductRequest,
};
use tonic::{Request, Response, Status, Streaming};

use self::messages::{
    category_change, category_replacement, checked, lines, new_category, new_product, parse_id,
    path_id, product_change, product_replacement,
};
use crate::importing::Importing;
use crate::reading::Reading;
use crate::reserving::Reserving;
use crate::stock::Actor;
use crate::{Error, adjusting, category, editing, product, reservation};

const ADJUST_STOCK: Operation = Operation::new(SERVICE_NAME, "AdjustStock");
/// The RPCs that keep idempotency keys.
pub const KEYED: &[Operation] = &[ADJUST_STOCK];

type Reply<T> = Result<Response<T>, Status>;

/// The use cases behind the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub database: Database,
    pub reading: Reading,
    pub reserving: Reserving,
    pub importing: Importing,
}

impl Handlers {
    fn until(&self, context: &Context) -> Access {
        self.database.until(context.deadline)
    }
}

fn product_id(id: &str) -> Result<ProductId, Error> {
    path_id("product", id)
}

fn category_id(id: &str) -> Result<CategoryId, Error> {
    path_id("category", id)
}

fn actor(context: &Context) -> Result<Actor, Error> {
    Actor::of(context).ok_or(Error::NoActor)
}

#[tonic::async_trait]
impl CatalogService for Handlers {
    async fn create_product(&self, request: Request<CreateProductRequest>) -> Reply<Product> {
        let (context, message) = open(request)?;
        let (new, actor) = (new_product(message)?, actor(&context)?);
        let product = editing::create_product(&self.until(&context), &new, &actor).await?;
        Ok(Response::new(product.into()))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Reply<Product> {
        let (context, id, _) = open_named(request, |message| product_id(&message.id))?;
        let product = self.reading.product(id, context.deadline).await?;
        Ok(Response::new(product.into()))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Reply<BatchGetProductsResponse> {
        let (context, message) = open(request)?;
        let ids: Vec<ProductId> =
            message.ids.iter().map(|id| parse_id("ids", id)).collect::<Result<_, _>>()?;
        let products = self.reading.products(ids, context.deadline).await?;
        let products = products.into_iter().map(Product::from).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Reply<ListProductsResponse> {
        let (context, ListProductsRequest { size, cursor, page }) = open(request)?;
        let page = Page::parse(self.reading.cursors(), product::LIST, size, &cursor, page)?;
        let _place = self.database.place_to_list().await;
        let (rows, position) = self.reading.list_products(&self.until(&context), &page).await?;
        let data = rows.into_iter().map(Product::from).collect();
        let pagination = Some(wire::pagination(position));
        Ok(Response::new(ListProductsResponse { data, pagination }))
    }

    async fn update_product(&self, request: Request<UpdateProductRequest>) -> Reply<Product> {
        let (context, id, message) = open_named(request, |message| product_id(&message.id))?;
        let change = product_change(message)?;
        let product =
            editing::change_product(&self.until(&context), id, &context.if_match, &change).await?;
        Ok(Response::new(product.into()))
    }

    async fn replace_product(&self, request: Request<ReplaceProductRequest>) -> Reply<Product> {
        let (context, id, message) = open_named(request, |message| product_id(&message.id))?;
        let change = product_replacement(message)?;
        let product =
            editing::change_product(&self.until(&context), id, &context.if_match, &change).await?;
        Ok(Response::new(product.into()))
    }

    async fn delete_product(&self, request: Request<DeleteProductRequest>) -> Reply<()> {
        let (context, id, _) = open_named(request, |message| product_id(&message.id))?;
        editing::delete_product(&self.until(&context), id, &context.if_match).await?;
        Ok(Response::new(()))
    }

    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Reply<ImportProductsResponse> {
        let actor = actor(Context::of(&request)?)?;
        let rows = request.into_inner().map(|row| row.map(checked));
        let report = self.importing.import(&actor, rows).await?;
        Ok(Response::new(report.into()))
    }

    async fn create_category(&self, request: Request<CreateCategoryRequest>) -> Reply<Category> {
        let (context, message) = open(request)?;
        let new = new_category(message);
        let category = editing::create_category(&self.until(&context), &new).await?;
        Ok(Response::new(category.into()))
    }

    async fn get_category(&self, request: Request<GetCategoryRequest>) -> Reply<Category> {
        let (context, id, _) = open_named(request, |message| category_id(&message.id))?;
        let category = self.reading.category(&self.until(&context), id).await?;
        Ok(Response::new(category.into()))
    }

    async fn list_categories(
        &self,
        request: Request<ListCategoriesRequest>,
    ) -> Reply<ListCategoriesResponse> {
        let (context, ListCategoriesRequest { size, cursor, page }) = open(request)?;
        let page = Page::parse(self.reading.cursors(), category::LIST, size, &cursor, page)?;
        let _place = self.database.place_to_list().await;
        let (rows, position) = self.reading.list_categories(&self.until(&context), &page).await?;
        let data = rows.into_iter().map(Category::from).collect();
        let pagination = Some(wire::pagination(position));
        Ok(Response::new(ListCategoriesResponse { data, pagination }))
    }

    async fn update_category(&self, request: Request<UpdateCategoryRequest>) -> Reply<Category> {
        let (context, id, message) = open_named(request, |message| category_id(&message.id))?;
        let change = category_change(message)?;
        let category =
            editing::change_category(&self.until(&context), id, &context.if_match, &change).await?;
        Ok(Response::new(category.into()))
    }

    async fn replace_category(&self, request: Request<ReplaceCategoryRequest>) -> Reply<Category> {
        let (context, id, message) = open_named(request, |message| category_id(&message.id))?;
        let change = category_replacement(message);
        let category =
            editing::change_category(&self.until(&context), id, &context.if_match, &change).await?;
        Ok(Response::new(category.into()))
    }

    async fn delete_category(&self, request: Request<DeleteCategoryRequest>) -> Reply<()> {
        let (context, id, _) = open_named(request, |message| category_id(&message.id))?;
        editing::delete_category(&self.until(&context), id, &context.if_match).await?;
        Ok(Response::new(()))
    }

    async fn adjust_stock(&self, request: Request<AdjustStockRequest>) -> Reply<Stock> {
        let (context, product, message) = open_named(request, |message| product_id(&message.id))?;
        let (call, actor) = (Call::of(&context, ADJUST_STOCK, &message)?, actor(&context)?);
        let AdjustStockRequest { delta, reason, .. } = message;
        let access = self.until(&context);
        let adjust = idempotency::once(&access, call, move |transaction| {
            async move {
                let stock = adjusting::adjust(transaction, product, delta, reason, actor).await?;
                Ok::<_, Error>(Answer::success(&Stock::from(stock)))
            }
            .boxed()
        });
        let kept = adjust.await?;
        kept.answer.reply(kept.replayed)
    }

    async fn reserve_stock(&self, request: Request<ReserveStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let ttl = message.ttl.and_then(|ttl| Duration::try_from(ttl).ok());
        let request = reservation::Request {
            order: parse_id("order_id", &message.order_id)?,
            lines: lines(&message.lines)?,
            ttl: ttl.ok_or_else(|| Failure::invalid("ttl", "is required"))?,
            actor: actor(&context)?,
        };
        let reservation = self.reserving.reserve(request).await?;
        Ok(Response::new(reservation.into()))
    }

    async fn release_stock(&self, request: Request<ReleaseStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let order = parse_id("order_id", &message.order_id)?;
        let access = self.until(&context);
        let reservation = self.reserving.release(&access, order, &actor(&context)?).await?;
        Ok(Response::new(reservation.into()))
    }

    async fn commit_stock(&self, request: Request<CommitStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let order = parse_id("order_id", &message.order_id)?;
        let access = self.until(&context);
        let reservation = self.reserving.commit(&access, order, &actor(&context)?).await?;
        Ok(Response::new(reservation.into()))
    }
}
