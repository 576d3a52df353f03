//! The gRPC interface: decode, delegate, encode.

mod messages;

use std::time::Duration;

use souk_kit::Failure;
use souk_kit::id::ProductId;
use souk_kit::page::Page;
use souk_kit::request::{Context, open};
use souk_proto::souk::catalog::v1::catalog_service_server::CatalogService;
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
    category_change, category_replacement, lines, new_category, new_product, parse_id,
    product_change, product_replacement,
};
use crate::import::Import;
use crate::{Catalog, categories, products};

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn create_product(&self, request: Request<CreateProductRequest>) -> Reply<Product> {
        let (context, message) = open(request)?;
        let product = self.create_product(&context, new_product(message)?).await?;
        Ok(Response::new(product.into()))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Reply<Product> {
        let (_, message) = open(request)?;
        let product = self.product(parse_id("id", &message.id)?).await?;
        Ok(Response::new(product.into()))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Reply<BatchGetProductsResponse> {
        let (_, message) = open(request)?;
        let ids: Vec<ProductId> =
            message.ids.iter().map(|id| parse_id("ids", id)).collect::<Result<_, _>>()?;
        let products = self.products(&ids).await?.into_iter().map(Product::from).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Reply<ListProductsResponse> {
        let (_, ListProductsRequest { size, cursor, page }) = open(request)?;
        let page = Page::parse(&self.cursors, products::LIST, size, &cursor, page)?;
        let (rows, pagination) = self.list_products(&page).await?;
        let data = rows.into_iter().map(Product::from).collect();
        Ok(Response::new(ListProductsResponse { data, pagination: Some(pagination) }))
    }

    async fn update_product(&self, request: Request<UpdateProductRequest>) -> Reply<Product> {
        let (context, message) = open(request)?;
        let id = parse_id("id", &message.id)?;
        let product = self.change_product(&context, id, product_change(message)?).await?;
        Ok(Response::new(product.into()))
    }

    async fn replace_product(&self, request: Request<ReplaceProductRequest>) -> Reply<Product> {
        let (context, message) = open(request)?;
        let id = parse_id("id", &message.id)?;
        let product = self.change_product(&context, id, product_replacement(message)?).await?;
        Ok(Response::new(product.into()))
    }

    async fn delete_product(&self, request: Request<DeleteProductRequest>) -> Reply<()> {
        let (_, message) = open(request)?;
        self.delete_product(parse_id("id", &message.id)?).await?;
        Ok(Response::new(()))
    }

    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Reply<ImportProductsResponse> {
        let mut import = Import::new(self, Context::of(&request)?)?;
        let mut rows = request.into_inner();
        // rows are checked one by one: those that break a rule are reported, not refused
        while let Some(row) = rows.message().await? {
            import.add(row).await?;
        }
        Ok(Response::new(import.finish().await?))
    }

    async fn create_category(&self, request: Request<CreateCategoryRequest>) -> Reply<Category> {
        let (_, message) = open(request)?;
        let category = self.create_category(new_category(message)).await?;
        Ok(Response::new(category.into()))
    }

    async fn get_category(&self, request: Request<GetCategoryRequest>) -> Reply<Category> {
        let (_, message) = open(request)?;
        let category = self.category(parse_id("id", &message.id)?).await?;
        Ok(Response::new(category.into()))
    }

    async fn list_categories(
        &self,
        request: Request<ListCategoriesRequest>,
    ) -> Reply<ListCategoriesResponse> {
        let (_, ListCategoriesRequest { size, cursor, page }) = open(request)?;
        let page = Page::parse(&self.cursors, categories::LIST, size, &cursor, page)?;
        let (rows, pagination) = self.list_categories(&page).await?;
        let data = rows.into_iter().map(Category::from).collect();
        Ok(Response::new(ListCategoriesResponse { data, pagination: Some(pagination) }))
    }

    async fn update_category(&self, request: Request<UpdateCategoryRequest>) -> Reply<Category> {
        let (_, message) = open(request)?;
        let id = parse_id("id", &message.id)?;
        let category = self.change_category(id, category_change(message)?).await?;
        Ok(Response::new(category.into()))
    }

    async fn replace_category(&self, request: Request<ReplaceCategoryRequest>) -> Reply<Category> {
        let (_, message) = open(request)?;
        let id = parse_id("id", &message.id)?;
        let category = self.change_category(id, category_replacement(message)).await?;
        Ok(Response::new(category.into()))
    }

    async fn delete_category(&self, request: Request<DeleteCategoryRequest>) -> Reply<()> {
        let (_, message) = open(request)?;
        self.delete_category(parse_id("id", &message.id)?).await?;
        Ok(Response::new(()))
    }

    async fn adjust_stock(&self, request: Request<AdjustStockRequest>) -> Reply<Stock> {
        let (context, AdjustStockRequest { id, delta, reason }) = open(request)?;
        let product = parse_id("id", &id)?;
        let stock = self.adjust_stock(&context, product, delta, reason).await?;
        Ok(Response::new(stock.into()))
    }

    async fn reserve_stock(&self, request: Request<ReserveStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let order = parse_id("order_id", &message.order_id)?;
        let lines = lines(&message.lines)?;
        let ttl = message.ttl.and_then(|ttl| Duration::try_from(ttl).ok());
        let ttl = ttl.ok_or_else(|| Failure::invalid("ttl", "is required"))?;
        let reservation = self.reserve_stock(&context, order, lines, ttl).await?;
        Ok(Response::new(reservation.into()))
    }

    async fn release_stock(&self, request: Request<ReleaseStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let order = parse_id("order_id", &message.order_id)?;
        let reservation = self.release_stock(&context, order).await?;
        Ok(Response::new(reservation.into()))
    }

    async fn commit_stock(&self, request: Request<CommitStockRequest>) -> Reply<Reservation> {
        let (context, message) = open(request)?;
        let order = parse_id("order_id", &message.order_id)?;
        let reservation = self.commit_stock(&context, order).await?;
        Ok(Response::new(reservation.into()))
    }
}
