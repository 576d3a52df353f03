use std::str::FromStr as _;

use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::{CategoryId, ProductId};
use souk_kit::page::{Entry, Window};
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::product::{NewProduct, Price, Product, ProductChange};
use crate::stock::{Actor, MoveKind};

impl FromRow<'_, PgRow> for Product {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let category_ids: Vec<Uuid> = row.try_get("category_ids")?;
        Ok(Self {
            id: ProductId::from_uuid(row.try_get("id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            price: price(row)?,
            available: row.try_get("available")?,
            category_ids: category_ids.into_iter().map(CategoryId::from_uuid).collect(),
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

fn price(row: &PgRow) -> Result<Price, sqlx::Error> {
    let currency = Currency::from_str(row.try_get("currency")?)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Money::from_minor(row.try_get("price_minor")?, currency)
        .map(Price::stored)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Creates a product with its stock, the first move in its ledger, and its categories.
pub async fn insert(
    access: &Access,
    id: ProductId,
    new: &NewProduct,
    actor: &Actor,
) -> Result<Product, Error> {
    let price = new.price.money();
    sqlx::query_as(
        "with created as (
             insert into products (id, sku, name, description, price_minor, currency)
             values ($1, $2, $3, $4, $5, $6)
             returning *
         ), stocked as (
             insert into stock (product_id, available) select id, $7 from created
         ), noted as (
             insert into stock_moves (product_id, kind, available, reserved, actor)
             select id, $9, $7, 0, $10 from created where $7 > 0
         ), linked as (
             insert into product_categories (product_id, category_id)
             select id, category_id from created, unnest($8::uuid[]) as category_id
         )
         select created.*, $7 as available,
             array(select category_id from unnest($8::uuid[]) as category_id
                   order by category_id) as category_ids
         from created",
    )
    .bind(id.uuid())
    .bind(&new.sku)
    .bind(&new.name)
    .bind(&new.description)
    .bind(price.minor())
    .bind(price.currency().code())
    .bind(new.available)
    .bind(uuids(&new.category_ids))
    .bind(MoveKind::Create.as_str())
    .bind(actor.as_str())
    .fetch_one(access)
    .await
    .map_err(write_error)
}

/// Has a product to itself, or waits until it does: what is read afterwards is what is there now.
pub async fn lock(connection: &mut PgConnection, id: ProductId) -> Result<(), sqlx::Error> {
    let locked = sqlx::query("select from products where id = $1 for update");
    locked.bind(id.uuid()).execute(connection).await.map(drop)
}

/// Changes what has a value; `None` when there is no such product, or of no version that is meant. Only
/// while nobody else can change it: the statement reads its categories apart from the product.
pub async fn update(
    connection: &mut PgConnection,
    id: ProductId,
    if_match: &IfMatch,
    change: &ProductChange,
) -> Result<Option<Product>, Error> {
    let price = change.price.map(Price::money);
    sqlx::query_as(
        "with changed as (
             update products set
                 sku = coalesce($2, sku),
                 name = coalesce($3, name),
                 description = coalesce($4, description),
                 price_minor = coalesce($5, price_minor),
                 currency = coalesce($6, currency),
                 version = version + 1,
                 updated_at = now()
             where id = $1 and deleted_at is null
                 and ($8::bigint[] is null or version = any ($8))
             returning *
         ), unlinked as (
             delete from product_categories using changed
             where product_id = changed.id and category_id <> all ($7::uuid[])
         ), linked as (
             insert into product_categories (product_id, category_id)
             select id, category_id from changed, unnest($7::uuid[]) as category_id
             on conflict do nothing
         )
         select changed.*, available, array(
                 select category_id from unnest(coalesce($7::uuid[], array(
                     select category_id from product_categories where product_id = changed.id
                 ))) as category_id order by category_id
             ) as category_ids
         from changed join stock on product_id = id",
    )
    .bind(id.uuid())
    .bind(&change.sku)
    .bind(&change.name)
    .bind(&change.description)
    .bind(price.map(Money::minor))
    .bind(price.map(|price| price.currency().code()))
    .bind(change.category_ids.as_deref().map(uuids))
    .bind(if_match.versions())
    .fetch_optional(connection)
    .await
    .map_err(write_error)
}

pub async fn get_many(access: &Access, ids: &[ProductId]) -> Result<Vec<Product>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(ProductId::uuid).collect();
    let rows = sqlx::query("select * from live_products where id = any ($1)")
        .bind(ids)
        .fetch_all(access)
        .await?;
    Ok(souk_db::readable(&rows))
}

pub async fn list(access: &Access, window: Window) -> Result<Vec<Entry<Product>>, sqlx::Error> {
    let rows =
        sqlx::query("select * from live_products where id > $1 order by id limit $2 offset $3")
            .bind(window.after.unwrap_or(Uuid::nil()))
            .bind(window.limit)
            .bind(window.offset)
            .fetch_all(access)
            .await?;
    souk_db::entries(&rows)
}

/// Marks a product as deleted; `false` when there is no such product, or of no version that is meant.
pub async fn delete(
    access: &Access,
    id: ProductId,
    if_match: &IfMatch,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query(
        "update products set deleted_at = now(), version = version + 1, updated_at = now()
         where id = $1 and deleted_at is null
             and ($2::bigint[] is null or version = any ($2))",
    );
    let deleted = deleted.bind(id.uuid()).bind(if_match.versions());
    Ok(deleted.execute(access).await?.rows_affected() == 1)
}

pub async fn none_ever(access: &Access) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select not exists (select from products)").fetch_one(access).await
}

fn uuids(categories: &[CategoryId]) -> Vec<Uuid> {
    categories.iter().map(CategoryId::uuid).collect()
}

fn write_error(error: sqlx::Error) -> Error {
    match souk_db::constraint(&error) {
        Some("products_sku_unique") => Error::SkuTaken,
        Some("product_categories_category_exists") => {
            Error::invalid("category_ids", "must name categories that exist")
        }
        _ => Error::Database(error),
    }
}
