//! A product as the peers read and answer it: the same columns, the same JSON.

use prost_types::Timestamp;
use serde::Serialize;
use souk_proto::souk::catalog::v1 as proto;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use type_safe_id::{StaticType, TypeSafeId};
use uuid::Uuid;

/// What the peers ask PostgreSQL, as the catalog does: its view joins a product with its stock and
/// its categories.
pub const BY_ID: &str = "
    select id, sku, name, description, price_minor, available, version, created_at, updated_at,
        category_ids
    from live_products where id = $1";

#[derive(Debug, Default, Clone, Copy)]
pub struct ProductKind;
impl StaticType for ProductKind {
    const TYPE: &'static str = "prod";
}

#[derive(Debug, Default, Clone, Copy)]
pub struct CategoryKind;
impl StaticType for CategoryKind {
    const TYPE: &'static str = "cat";
}

/// A row of [`BY_ID`].
#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    pub id: Uuid,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price_minor: i64,
    pub available: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub category_ids: Vec<Uuid>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Product {
    pub id: String,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price: f64,
    pub available: i32,
    pub in_stock: bool,
    pub category_ids: Vec<String>,
    pub created_at: String,
    pub updated_at: String,
    pub etag: String,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        let category = |id| TypeSafeId::<CategoryKind>::from_uuid(id).to_string();
        Self {
            id: TypeSafeId::<ProductKind>::from_uuid(row.id).to_string(),
            sku: row.sku,
            name: row.name,
            description: row.description,
            price: row.price_minor as f64 / 100.0,
            available: row.available,
            in_stock: row.available > 0,
            category_ids: row.category_ids.into_iter().map(category).collect(),
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
            etag: format!("\"{}\"", row.version),
        }
    }
}

impl Product {
    /// The answer that a catalog's is; `None` for one that no catalog gives.
    pub fn read(product: proto::Product) -> Option<Self> {
        Some(Self {
            id: product.id,
            sku: product.sku,
            name: product.name,
            description: product.description,
            price: product.price?.value.parse().ok()?,
            available: product.available,
            in_stock: product.in_stock,
            category_ids: product.category_ids,
            created_at: time(product.created_at?)?,
            updated_at: time(product.updated_at?)?,
            etag: product.etag,
        })
    }
}

fn time(timestamp: Timestamp) -> Option<String> {
    let nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    Some(rfc3339(OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?))
}

/// Reads the id of a path.
pub fn id(text: &str) -> Option<Uuid> {
    text.parse().ok().map(|id: TypeSafeId<ProductKind>| id.uuid())
}

/// PostgreSQL knows microseconds.
pub fn rfc3339(time: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    time.format(FORMAT).unwrap_or_default()
}
