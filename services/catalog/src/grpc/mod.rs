//! The gRPC interface: decode, delegate, encode. A file for each subject.

mod categories;
mod images;
mod imports;
mod messages;
mod product_types;
mod products;
mod stock;
pub mod v1;

pub use self::messages::product_types::new_product_type;
use futures::stream::BoxStream;
use souk_db::{Access, Database};
use souk_kit::idempotency::Operation;
use souk_kit::request::Context;
use souk_proto::souk::catalog::v2::catalog_service_server::{CatalogService, SERVICE_NAME};
use souk_proto::souk::catalog::v2::{
    AdjustStockRequest, BatchGetProductsRequest, BatchGetProductsResponse, CancelImportRequest,
    Category, CommitStockRequest, CreateCategoryRequest, CreateImportRequest, CreateProductRequest,
    CreateProductTypeRequest, DeleteCategoryRequest, DeleteImageRequest, DeleteProductRequest,
    DeleteProductTypeRequest, DownloadImageRequest, DownloadImageResponse, ExportProductsRequest,
    GetCategoryRequest, GetImageRequest, GetImportRequest, GetProductRequest,
    GetProductTypeRequest, GetStockRequest, Image, Import, ImportProductsRequest,
    ImportProductsResponse, ListCategoriesRequest, ListCategoriesResponse, ListImagesRequest,
    ListImagesResponse, ListImportsRequest, ListImportsResponse, ListOrderStockMovesRequest,
    ListOrderStockMovesResponse, ListProductTypesRequest, ListProductTypesResponse,
    ListProductsRequest, ListProductsResponse, ListRejectedRowsRequest, ListStockMovesRequest,
    ListStockMovesResponse, PinStockRequest, Product, ProductType, RejectedRow,
    ReleaseStockRequest, ReplaceCategoryRequest, ReplaceProductRequest, Reservation,
    ReserveStockRequest, ReturnStockRequest, SetStockRequest, Stock, UnpinStockRequest,
    UpdateCategoryRequest, UpdateImageRequest, UpdateProductRequest, UpdateProductTypeRequest,
    UpdateStockRequest, UploadImageRequest,
};
use tonic::{Request, Response, Status, Streaming};

use crate::Error;
use crate::imaging::Imaging;
use crate::importing::Importing;
use crate::reading::Reading;
use crate::reserving::Reserving;
use crate::stock::Actor;
use crate::typing::Typing;

const ADJUST_STOCK: Operation =
    Operation::new(SERVICE_NAME, "AdjustStock").kept_by(v1::SERVICE_NAME);
const SET_STOCK: Operation = Operation::new(SERVICE_NAME, "SetStock");
/// The RPCs that keep idempotency keys.
pub const KEYED: &[Operation] = &[ADJUST_STOCK, SET_STOCK];

type Reply<T> = Result<Response<T>, Status>;
/// A stream of answers.
type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// The use cases behind the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub database: Database,
    pub reading: Reading,
    pub typing: Typing,
    pub reserving: Reserving,
    pub importing: Importing,
    pub imaging: Imaging,
}

impl Handlers {
    fn until(&self, context: &Context) -> Access {
        self.database.until(context.deadline)
    }
}

fn actor(context: &Context) -> Result<Actor, Error> {
    Actor::of(context).ok_or(Error::NoActor)
}

#[tonic::async_trait]
impl CatalogService for Handlers {
    async fn create_product(&self, request: Request<CreateProductRequest>) -> Reply<Product> {
        products::create(self, request).await
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Reply<Product> {
        products::get(self, request).await
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Reply<BatchGetProductsResponse> {
        products::batch_get(self, request).await
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Reply<ListProductsResponse> {
        products::list(self, request).await
    }

    async fn update_product(&self, request: Request<UpdateProductRequest>) -> Reply<Product> {
        products::update(self, request).await
    }

    async fn replace_product(&self, request: Request<ReplaceProductRequest>) -> Reply<Product> {
        products::replace(self, request).await
    }

    async fn delete_product(&self, request: Request<DeleteProductRequest>) -> Reply<()> {
        products::delete(self, request).await
    }

    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Reply<ImportProductsResponse> {
        imports::import(self, request).await
    }

    async fn create_category(&self, request: Request<CreateCategoryRequest>) -> Reply<Category> {
        categories::create(self, request).await
    }

    async fn get_category(&self, request: Request<GetCategoryRequest>) -> Reply<Category> {
        categories::get(self, request).await
    }

    async fn list_categories(
        &self,
        request: Request<ListCategoriesRequest>,
    ) -> Reply<ListCategoriesResponse> {
        categories::list(self, request).await
    }

    async fn update_category(&self, request: Request<UpdateCategoryRequest>) -> Reply<Category> {
        categories::update(self, request).await
    }

    async fn replace_category(&self, request: Request<ReplaceCategoryRequest>) -> Reply<Category> {
        categories::replace(self, request).await
    }

    async fn delete_category(&self, request: Request<DeleteCategoryRequest>) -> Reply<()> {
        categories::delete(self, request).await
    }

    async fn adjust_stock(&self, request: Request<AdjustStockRequest>) -> Reply<Stock> {
        stock::adjust(self, request).await
    }

    async fn reserve_stock(&self, request: Request<ReserveStockRequest>) -> Reply<Reservation> {
        stock::reserve(self, request).await
    }

    async fn release_stock(&self, request: Request<ReleaseStockRequest>) -> Reply<Reservation> {
        stock::release(self, request).await
    }

    async fn pin_stock(&self, request: Request<PinStockRequest>) -> Reply<Reservation> {
        stock::pin(self, request).await
    }

    async fn unpin_stock(&self, request: Request<UnpinStockRequest>) -> Reply<Reservation> {
        stock::unpin(self, request).await
    }

    async fn commit_stock(&self, request: Request<CommitStockRequest>) -> Reply<Reservation> {
        stock::commit(self, request).await
    }

    async fn return_stock(&self, request: Request<ReturnStockRequest>) -> Reply<Reservation> {
        stock::take_back(self, request).await
    }

    async fn create_product_type(
        &self,
        request: Request<CreateProductTypeRequest>,
    ) -> Reply<ProductType> {
        product_types::create(self, request).await
    }

    async fn get_product_type(
        &self,
        request: Request<GetProductTypeRequest>,
    ) -> Reply<ProductType> {
        product_types::get(self, request).await
    }

    async fn list_product_types(
        &self,
        request: Request<ListProductTypesRequest>,
    ) -> Reply<ListProductTypesResponse> {
        product_types::list(self, request).await
    }

    async fn update_product_type(
        &self,
        request: Request<UpdateProductTypeRequest>,
    ) -> Reply<ProductType> {
        product_types::update(self, request).await
    }

    async fn delete_product_type(&self, request: Request<DeleteProductTypeRequest>) -> Reply<()> {
        product_types::delete(self, request).await
    }

    async fn get_stock(&self, request: Request<GetStockRequest>) -> Reply<Stock> {
        stock::get(self, request).await
    }

    async fn update_stock(&self, request: Request<UpdateStockRequest>) -> Reply<Stock> {
        stock::update(self, request).await
    }

    async fn set_stock(&self, request: Request<SetStockRequest>) -> Reply<Stock> {
        stock::set(self, request).await
    }

    async fn list_stock_moves(
        &self,
        request: Request<ListStockMovesRequest>,
    ) -> Reply<ListStockMovesResponse> {
        stock::list_moves(self, request).await
    }

    async fn list_order_stock_moves(
        &self,
        request: Request<ListOrderStockMovesRequest>,
    ) -> Reply<ListOrderStockMovesResponse> {
        stock::list_moves_of_order(self, request).await
    }

    async fn create_import(&self, request: Request<CreateImportRequest>) -> Reply<Import> {
        imports::create(self, request).await
    }

    async fn get_import(&self, request: Request<GetImportRequest>) -> Reply<Import> {
        imports::get(self, request).await
    }

    async fn list_imports(
        &self,
        request: Request<ListImportsRequest>,
    ) -> Reply<ListImportsResponse> {
        imports::list(self, request).await
    }

    async fn cancel_import(&self, request: Request<CancelImportRequest>) -> Reply<Import> {
        imports::cancel(self, request).await
    }

    type ListRejectedRowsStream = Answers<RejectedRow>;

    async fn list_rejected_rows(
        &self,
        request: Request<ListRejectedRowsRequest>,
    ) -> Reply<Answers<RejectedRow>> {
        imports::list_rejected(self, request).await
    }

    type ExportProductsStream = Answers<Product>;

    async fn export_products(
        &self,
        request: Request<ExportProductsRequest>,
    ) -> Reply<Answers<Product>> {
        imports::export(self, request).await
    }

    async fn upload_image(&self, request: Request<Streaming<UploadImageRequest>>) -> Reply<Image> {
        images::upload(self, request).await
    }

    type DownloadImageStream = Answers<DownloadImageResponse>;

    async fn download_image(
        &self,
        request: Request<DownloadImageRequest>,
    ) -> Reply<Answers<DownloadImageResponse>> {
        images::download(self, request).await
    }

    async fn get_image(&self, request: Request<GetImageRequest>) -> Reply<Image> {
        images::get(self, request).await
    }

    async fn list_images(&self, request: Request<ListImagesRequest>) -> Reply<ListImagesResponse> {
        images::list(self, request).await
    }

    async fn update_image(&self, request: Request<UpdateImageRequest>) -> Reply<Image> {
        images::update(self, request).await
    }

    async fn delete_image(&self, request: Request<DeleteImageRequest>) -> Reply<()> {
        images::delete(self, request).await
    }
}
