use std::str::FromStr as _;

use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::{CategoryId, ImageId, ProductId};
use souk_kit::page::{Entry, Window};
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;
use crate::attributes::Attributes;
use crate::product::{Market, NewProduct, Price, Product};
use crate::product_type::TypeName;
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
            product_type: product_type(row)?,
            attributes: attributes(row)?,
            image_ids: image_ids(row)?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

fn currency(row: &PgRow) -> Result<Currency, sqlx::Error> {
    Currency::from_str(row.try_get("currency")?)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn price(row: &PgRow) -> Result<Price, sqlx::Error> {
    Money::from_minor(row.try_get("price_minor")?, currency(row)?)
        .map(Price::stored)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn product_type(row: &PgRow) -> Result<Option<TypeName>, sqlx::Error> {
    Ok(row.try_get::<Option<String>, _>("type")?.and_then(TypeName::parse))
}

fn attributes(row: &PgRow) -> Result<Attributes, sqlx::Error> {
    row.try_get("attributes").map(|Json(attributes)| attributes)
}

fn image_ids(row: &PgRow) -> Result<Vec<ImageId>, sqlx::Error> {
    let ids: Vec<Uuid> = row.try_get("image_ids")?;
    Ok(ids.into_iter().map(ImageId::from_uuid).collect())
}

/// When something was created: in the millisecond that its id has (RFC 9562, section 5.7).
pub fn time_of(id: ProductId) -> OffsetDateTime {
    let millis = i128::try_from(id.uuid().as_u128() >> 80).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Creates a product with its stock, the first move in its ledger, and its categories.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    id: ProductId,
    new: &NewProduct,
    actor: &Actor,
) -> Result<Product, Error> {
    let price = new.price.money();
    sqlx::query_as(
        "with created as (
             insert into products
                 (id, sku, name, description, price_minor, currency, type, attributes,
                  created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $11, $12, $13, $13)
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
    .bind(new.product_type.as_ref().map(TypeName::as_str))
    .bind(Json(&new.attributes))
    .bind(time_of(id))
    .fetch_one(executor)
    .await
    .map_err(write_error)
}

/// What a change depends on that a product has.
#[derive(Debug)]
pub struct Locked {
    pub currency: Currency,
    pub product_type: Option<TypeName>,
    pub attributes: Attributes,
    pub image_ids: Vec<ImageId>,
}

/// Has a product to itself, or waits until it does: what is read afterwards is what is there now. `None`
/// when there is no such product.
pub async fn lock(
    connection: &mut PgConnection,
    id: ProductId,
    market: Market,
) -> Result<Option<Locked>, sqlx::Error> {
    let locked = sqlx::query(
        "select currency, type, attributes, image_ids from products
         where id = $1 and deleted_at is null and ($2::text is null or currency = $2) for update",
    );
    let row = locked.bind(id.uuid()).bind(market.code()).fetch_optional(connection).await?;
    let locked = |row: PgRow| {
        let (product_type, attributes) = (product_type(&row)?, attributes(&row)?);
        let (currency, image_ids) = (currency(&row)?, image_ids(&row)?);
        Ok(Locked { currency, product_type, attributes, image_ids })
    };
    row.map(locked).transpose()
}

/// What to write of a product; `None` leaves a column as it is.
#[derive(Debug)]
pub struct Write<'a> {
    pub sku: Option<&'a str>,
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    pub price: Option<Price>,
    pub category_ids: Option<&'a [CategoryId]>,
    pub product_type: Option<&'a TypeName>,
    pub attributes: &'a Attributes,
    pub image_ids: &'a [ImageId],
}

/// Changes a product that is locked; `None` when it is of no version that is meant. The statement reads its
/// categories apart from the product.
pub async fn update(
    connection: &mut PgConnection,
    id: ProductId,
    if_match: &IfMatch,
    write: &Write<'_>,
) -> Result<Option<Product>, Error> {
    let price = write.price.map(Price::money);
    sqlx::query_as(
        "with changed as (
             update products set
                 sku = coalesce($2, sku),
                 name = coalesce($3, name),
                 description = coalesce($4, description),
                 price_minor = coalesce($5, price_minor),
                 currency = coalesce($6, currency),
                 type = $9,
                 attributes = $10,
                 image_ids = $11,
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
    .bind(write.sku)
    .bind(write.name)
    .bind(write.description)
    .bind(price.map(Money::minor))
    .bind(price.map(|price| price.currency().code()))
    .bind(write.category_ids.map(uuids))
    .bind(if_match.versions())
    .bind(write.product_type.map(TypeName::as_str))
    .bind(Json(write.attributes))
    .bind(write.image_ids.iter().map(ImageId::uuid).collect::<Vec<_>>())
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

pub async fn list(
    access: &Access,
    window: Window,
    currency: Option<Currency>,
) -> Result<Vec<Entry<Product>>, sqlx::Error> {
    let mut rows = match currency {
        None => {
            sqlx::query("select * from live_products where id > $1 order by id limit $2 offset $3")
        }
        Some(_) => sqlx::query(
            "select * from live_products where currency = $4 and id > $1
             order by id limit $2 offset $3",
        ),
    };
    rows = rows.bind(window.after.unwrap_or(Uuid::nil())).bind(window.limit).bind(window.offset);
    if let Some(currency) = currency {
        rows = rows.bind(currency.code());
    }
    souk_db::entries(&rows.fetch_all(access).await?)
}

/// Some products, of a type or all, oldest first, with the id of the last one; no id at the end.
pub async fn export(
    access: &Access,
    window: Window,
    product_type: Option<&TypeName>,
) -> Result<(Vec<Product>, Option<Uuid>), sqlx::Error> {
    let of_type = "select * from live_products where type = $3 and id > $1 order by id limit $2";
    let of_all = "select * from live_products where id > $1 order by id limit $2";
    let mut rows = sqlx::query(if product_type.is_some() { of_type } else { of_all })
        .bind(window.after.unwrap_or(Uuid::nil()))
        .bind(window.limit);
    if let Some(name) = product_type {
        rows = rows.bind(name.as_str());
    }
    let rows = rows.fetch_all(access).await?;
    let last = rows.last().map(|row| row.try_get("id")).transpose()?;
    Ok((souk_db::readable(&rows), last))
}

/// Marks a product as deleted; `false` when there is no such product, or of no version that is meant.
pub async fn delete(
    access: &Access,
    id: ProductId,
    if_match: &IfMatch,
    market: Market,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query(
        "update products set deleted_at = now(), version = version + 1, updated_at = now()
         where id = $1 and deleted_at is null
             and ($2::bigint[] is null or version = any ($2))
             and ($3::text is null or currency = $3)",
    );
    let deleted = deleted.bind(id.uuid()).bind(if_match.versions()).bind(market.code());
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
