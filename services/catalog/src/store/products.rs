use std::str::FromStr as _;

use souk_kit::id::{CategoryId, ProductId};
use souk_kit::page::Window;
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::products::{NewProduct, Price, Product, ProductChange};

/// Live products, as [`Product`] reads them; a condition follows.
const SELECT: &str = "select id, sku, name, description, price_minor, currency, available, version,
        created_at, updated_at,
        array(select category_id from product_categories where product_id = id
              order by category_id) as category_ids
    from products where deleted_at is null";

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
    let decode = |error| sqlx::Error::Decode(Box::new(error));
    let currency = Currency::from_str(row.try_get("currency")?)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Money::from_minor(row.try_get("price_minor")?, currency).map(Price::stored).map_err(decode)
}

pub async fn insert(
    connection: &mut PgConnection,
    id: ProductId,
    new: &NewProduct,
) -> Result<(), Error> {
    sqlx::query(
        "insert into products (id, sku, name, description, price_minor, currency)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.uuid())
    .bind(&new.sku)
    .bind(&new.name)
    .bind(&new.description)
    .bind(new.price.money().minor())
    .bind(new.price.money().currency().code())
    .execute(connection)
    .await
    .map_err(write_error)?;
    Ok(())
}

/// Changes what has a value; `false` when there is no such product.
pub async fn update(
    connection: &mut PgConnection,
    id: ProductId,
    change: &ProductChange,
) -> Result<bool, Error> {
    let updated = sqlx::query(
        "update products set
             sku = coalesce($2, sku),
             name = coalesce($3, name),
             description = coalesce($4, description),
             price_minor = coalesce($5, price_minor),
             currency = coalesce($6, currency),
             version = version + 1,
             updated_at = now()
         where id = $1 and deleted_at is null",
    )
    .bind(id.uuid())
    .bind(&change.sku)
    .bind(&change.name)
    .bind(&change.description)
    .bind(change.price.map(|price| price.money().minor()))
    .bind(change.price.map(|price| price.money().currency().code()))
    .execute(connection)
    .await
    .map_err(write_error)?;
    Ok(updated.rows_affected() == 1)
}

/// Puts a product into these categories and no others.
pub async fn set_categories(
    connection: &mut PgConnection,
    id: ProductId,
    categories: &[CategoryId],
) -> Result<(), Error> {
    let categories: Vec<Uuid> = categories.iter().map(CategoryId::uuid).collect();
    sqlx::query(
        "with gone as (
             delete from product_categories where product_id = $1 and category_id <> all ($2)
         )
         insert into product_categories (product_id, category_id)
         select $1, category_id from unnest($2) as category_id
         on conflict do nothing",
    )
    .bind(id.uuid())
    .bind(categories)
    .execute(connection)
    .await
    .map_err(write_error)?;
    Ok(())
}

pub async fn get(
    connection: &mut PgConnection,
    id: ProductId,
) -> Result<Option<Product>, sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(format!("{SELECT} and id = $1")))
        .bind(id.uuid())
        .fetch_optional(connection)
        .await
}

pub async fn get_many(pool: &PgPool, ids: &[ProductId]) -> Result<Vec<Product>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(ProductId::uuid).collect();
    sqlx::query_as(AssertSqlSafe(format!("{SELECT} and id = any ($1)")))
        .bind(ids)
        .fetch_all(pool)
        .await
}

pub async fn list(pool: &PgPool, window: Window) -> Result<Vec<Product>, sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(format!("{SELECT} and id > $1 order by id limit $2 offset $3")))
        .bind(window.after.unwrap_or(Uuid::nil()))
        .bind(window.limit)
        .bind(window.offset)
        .fetch_all(pool)
        .await
}

pub async fn count(pool: &PgPool) -> Result<i32, sqlx::Error> {
    let count = "select count(*)::int from products where deleted_at is null";
    sqlx::query_scalar(count).fetch_one(pool).await
}

/// Marks a product as deleted; `false` when there is no such product.
pub async fn delete(pool: &PgPool, id: ProductId) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query(
        "update products set deleted_at = now(), version = version + 1, updated_at = now()
         where id = $1 and deleted_at is null",
    );
    Ok(deleted.bind(id.uuid()).execute(pool).await?.rows_affected() == 1)
}

pub async fn none_ever(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select not exists (select from products)").fetch_one(pool).await
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
