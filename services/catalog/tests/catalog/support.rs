//! A catalog on a database of its own, and those who call it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use prost_types::value::Kind;
use prost_types::{Duration as Ttl, ListValue, Struct, Value};
use serde_json::Value as Json;
use souk_catalog::{Catalog, Images, MIGRATOR, Options};
use souk_db::Database;
use souk_kit::Channel;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::secret::MasterSecret;
use souk_kit::stack::Limits;
use souk_proto::google::api::HttpBody;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{
    AdjustStockRequest, Category, CommitStockRequest, CreateCategoryRequest, CreateProductRequest,
    CreateProductTypeRequest, DeleteCategoryRequest, GetProductRequest, Image, Product,
    ProductType, ReleaseStockRequest, Reservation, ReserveStockRequest, Stock, StockLine,
    UploadImageRequest,
};
use souk_testing::{FakeAuth, TestDatabase, signed};
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// As long as anything may take that should take no time.
pub const PATIENCE: Duration = Duration::from_secs(20);
const CONNECTIONS: u32 = 8;
pub const MAX_IMAGE_BYTES: u64 = 3 << 20;

/// What is around a catalog process.
pub struct World {
    pub test: TestDatabase,
    auth: FakeAuth,
    /// Where the files of images are.
    pub images: TempDir,
}

/// A catalog process, as far as anybody else can tell, and somebody who may do everything there.
pub struct Shop {
    catalog: Catalog,
    channel: Channel,
    client: CatalogServiceClient<Channel>,
    work: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    admin: String,
    warehouse: String,
}

impl World {
    pub async fn new() -> Self {
        let test = TestDatabase::new(&MIGRATOR).await;
        let images = TempDir::new().unwrap();
        Self { test, auth: FakeAuth::new("stock:reserve"), images }
    }

    /// A catalog process that does nothing but answer calls.
    pub async fn shop(&self) -> Shop {
        self.shop_on(self.test.options.clone()).await
    }

    /// The same on another way to the database.
    pub async fn shop_on(&self, options: PgConnectOptions) -> Shop {
        let database = Database::open(options, &MIGRATOR, CONNECTIONS).await.unwrap();
        let secret = MasterSecret::new("a secret of at least 32 characters".into()).unwrap();
        let store = self.images.path().to_str().unwrap().to_owned();
        let images = Images { store, max_bytes: MAX_IMAGE_BYTES };
        let options = Options { secret, limits: Limits::default(), images };
        let catalog = Catalog::new(database, options, self.auth.channel()).unwrap();
        let channel = Channel::in_process(catalog.services()[0].stack.clone());
        let client = CatalogServiceClient::new(channel.clone());
        let (_, admin) = self.auth.person("catalog:write stock:write");
        let warehouse = self.auth.service("orders", "catalog");
        Shop { catalog, channel, client, work: Mutex::default(), admin, warehouse }
    }

    /// How many units of a product can be ordered, and how many are held.
    pub async fn stock(&self, product: &str) -> (i32, i32) {
        let product: ProductId = product.parse().unwrap();
        sqlx::query_as("select available, reserved from stock where product_id = $1")
            .bind(product.uuid())
            .fetch_one(&self.test.pool)
            .await
            .unwrap()
    }
}

impl Shop {
    /// Begins to expire what is over and to forget what nobody needs.
    pub fn work(&self) {
        let (catalog, shutdown) = (self.catalog.clone(), CancellationToken::new());
        let end = shutdown.clone();
        let task = tokio::spawn(async move { catalog.run(end).await });
        *self.work.lock().unwrap() = Some((shutdown, task));
    }

    /// The same process, asked by the admin of another.
    pub fn with_admin_of(mut self, other: &Self) -> Self {
        self.admin.clone_from(&other.admin);
        self
    }

    /// How others reach it.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn client(&self) -> CatalogServiceClient<Channel> {
        self.client.clone()
    }

    /// A request of the admin.
    pub fn admin<T>(&self, message: T) -> Request<T> {
        signed(&self.admin, message)
    }

    /// The same with an idempotency key.
    pub fn keyed<T>(&self, key: &str, message: T) -> Request<T> {
        let mut request = self.admin(message);
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        request
    }

    /// A request of the orders service.
    pub fn warehouse<T>(&self, message: T) -> Request<T> {
        signed(&self.warehouse, message)
    }

    pub async fn product(&self, sku: &str, available: i32) -> Product {
        self.product_in(sku, available, &[]).await
    }

    pub async fn product_in(&self, sku: &str, available: i32, categories: &[&Category]) -> Product {
        let mut message = new_product(sku, available);
        message.category_ids = categories.iter().map(|category| category.id.clone()).collect();
        self.client().create_product(self.admin(message)).await.unwrap().into_inner()
    }

    pub async fn category(&self, slug: &str) -> Category {
        let message = new_category(slug);
        self.client().create_category(self.admin(message)).await.unwrap().into_inner()
    }

    pub async fn product_type(&self, name: &str, schema: Struct) -> ProductType {
        let message = CreateProductTypeRequest {
            name: name.to_owned(),
            schema: Some(schema),
            ..CreateProductTypeRequest::default()
        };
        self.client().create_product_type(self.admin(message)).await.unwrap().into_inner()
    }

    pub async fn get(&self, product: &str) -> Product {
        let request = GetProductRequest { id: product.to_owned() };
        self.client().get_product(request).await.unwrap().into_inner()
    }

    /// Uploads an image in one piece.
    pub async fn upload(&self, product: &str, bytes: &[u8]) -> Result<Image, Status> {
        let request = self.admin(stream::iter([piece(product, bytes)]));
        Ok(self.client().upload_image(request).await?.into_inner())
    }

    /// A new image of a product.
    pub async fn image(&self, product: &str) -> Image {
        self.upload(product, &png(1_000)).await.unwrap()
    }

    pub async fn adjust(
        &self,
        key: &str,
        product: &str,
        delta: i32,
    ) -> Result<Response<Stock>, Status> {
        let request = self.keyed(key, adjustment(product, delta));
        self.client().adjust_stock(request).await
    }

    pub async fn reserve(
        &self,
        order: OrderId,
        lines: &[(&str, i32)],
    ) -> Result<Reservation, Status> {
        let request = self.warehouse(reservation(order, lines));
        Ok(self.client().reserve_stock(request).await?.into_inner())
    }

    pub async fn release(&self, order: OrderId) -> Result<Reservation, Status> {
        let message = ReleaseStockRequest { order_id: order.to_string(), fence: 0 };
        let request = self.warehouse(message);
        Ok(self.client().release_stock(request).await?.into_inner())
    }

    pub async fn commit(&self, order: OrderId) -> Result<Reservation, Status> {
        let request = self.warehouse(CommitStockRequest { order_id: order.to_string() });
        Ok(self.client().commit_stock(request).await?.into_inner())
    }
}

pub fn new_product(sku: &str, available: i32) -> CreateProductRequest {
    CreateProductRequest {
        sku: sku.to_owned(),
        name: format!("The {sku}"),
        price: Some(price("5.00")),
        available,
        ..CreateProductRequest::default()
    }
}

/// A part of an image.
pub fn piece(product: &str, bytes: &[u8]) -> UploadImageRequest {
    let data = Bytes::copy_from_slice(bytes);
    let file = HttpBody { data, ..HttpBody::default() };
    UploadImageRequest {
        product_id: product.to_owned(),
        file: Some(file),
        ..UploadImageRequest::default()
    }
}

/// Bytes of an image as far as anybody looks at them, which nobody else has.
pub fn png(size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    bytes.extend(Uuid::now_v7().into_bytes());
    bytes.extend(
        (0_u32..).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]).take(size),
    );
    bytes.truncate(size);
    bytes
}

/// An object of JSON, as the contract has it.
pub fn object(json: Json) -> Struct {
    let Json::Object(object) = json else { panic!("no object: {json}") };
    Struct { fields: object.into_iter().map(|(name, json)| (name, value(json))).collect() }
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(is) => Kind::BoolValue(is),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(value).collect() })
        }
        object_of_json => Kind::StructValue(object(object_of_json)),
    };
    Value { kind: Some(kind) }
}

pub fn new_category(slug: &str) -> CreateCategoryRequest {
    let (slug, name) = (slug.to_owned(), format!("All of {slug}"));
    CreateCategoryRequest { slug, name, ..CreateCategoryRequest::default() }
}

/// Asks for a category to be deleted, whose products stay without it.
pub fn deletion(category: String) -> DeleteCategoryRequest {
    let (products_to, children_to) = ("none".to_owned(), "none".to_owned());
    DeleteCategoryRequest { id: category, products_to, children_to }
}

pub fn adjustment(product: &str, delta: i32) -> AdjustStockRequest {
    AdjustStockRequest { id: product.to_owned(), delta, reason: "delivery".to_owned() }
}

/// Asks for stock to be held for an hour.
pub fn reservation(order: OrderId, lines: &[(&str, i32)]) -> ReserveStockRequest {
    let line = |(product, quantity): &(&str, i32)| StockLine {
        product_id: (*product).to_owned(),
        quantity: *quantity,
    };
    ReserveStockRequest {
        order_id: order.to_string(),
        lines: lines.iter().map(line).collect(),
        ttl: Some(Ttl { seconds: 3600, nanos: 0 }),
        ..ReserveStockRequest::default()
    }
}

pub fn price(value: &str) -> Decimal {
    Decimal { value: value.to_owned() }
}

/// A SKU that no other call has returned.
pub fn sku() -> String {
    format!("SKU-{}", Uuid::now_v7().simple())
}

pub fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("details").reason
}

pub fn is_replayed(metadata: &tonic::metadata::MetadataMap) -> bool {
    metadata.get("idempotent-replayed").is_some_and(|replayed| replayed == "true")
}

/// Waits until something holds.
pub async fn soon<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
