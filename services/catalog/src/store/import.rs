use std::collections::{BTreeMap, BTreeSet, HashMap};

use souk_db::Access;
use souk_kit::id::{self, CategoryId, ProductId};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::products::time_of;
use crate::Error;
use crate::attributes::Attributes;
use crate::import::Row;
use crate::product_type::TypeName;

/// A live product whose SKU is in the batch.
#[derive(Debug)]
pub struct Existing {
    pub id: ProductId,
    pub sku: String,
    /// How many units are held for orders.
    pub reserved: i32,
    pub currency: String,
    pub product_type: Option<TypeName>,
    pub attributes: Attributes,
}

/// A row, and the product it becomes.
#[derive(Debug)]
pub struct Write<'a> {
    pub id: ProductId,
    pub row: &'a Row,
    /// Whether the product is there already.
    pub exists: bool,
    pub product_type: Option<TypeName>,
    pub attributes: Attributes,
}

/// Notes the SKUs of a batch; those that earlier batches of the import had, with their lines.
pub async fn note_lines(
    connection: &mut PgConnection,
    import: Uuid,
    rows: &[Row],
) -> Result<HashMap<String, i32>, sqlx::Error> {
    let earlier: Vec<(String, i32)> = sqlx::query_as(
        "with noted as (
             insert into import_lines (import_id, sku, line)
             select $1, sku, line from unnest($2::text[], $3::int[]) as lines (sku, line)
             on conflict do nothing
         )
         select sku, line from import_lines where import_id = $1 and sku = any ($2)",
    )
    .bind(import)
    .bind(rows.iter().map(|row| row.sku.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.line).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(earlier.into_iter().collect())
}

pub async fn forget_lines(access: &Access, import: Uuid) -> Result<(), sqlx::Error> {
    let deleted = sqlx::query("delete from import_lines where import_id = $1");
    deleted.bind(import).execute(access).await.map(drop)
}

/// Forgets lines of imports that are longer ago than a stream may take, unless others may go on with them.
pub async fn forget_old_lines(access: &Access, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from import_lines where ctid in (
             select ctid from import_lines where created_at < now() - interval '1 hour'
               and import_id not in (select id from imports where state = 'open' and ordered)
             limit $1
         )",
    );
    Ok(deleted.bind(limit).execute(access).await?.rows_affected())
}

/// Finds and locks the products of a batch that exist, in the order of their ids. Their stock goes on.
pub async fn lock(
    connection: &mut PgConnection,
    rows: &[&Row],
) -> Result<Vec<Existing>, sqlx::Error> {
    let existing: Vec<Found> = sqlx::query_as(
        "select id, sku, reserved, currency, type, attributes
         from products join stock on product_id = id
         where sku = any ($1) and deleted_at is null order by id for update of products",
    )
    .bind(rows.iter().map(|row| row.sku.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let product = |(id, sku, reserved, currency, name, Json(attributes)): Found| Existing {
        id: ProductId::from_uuid(id),
        sku,
        reserved,
        currency,
        product_type: name.and_then(TypeName::parse),
        attributes,
    };
    Ok(existing.into_iter().map(product).collect())
}

/// A row of them.
type Found = (Uuid, String, i32, String, Option<String>, Json<Attributes>);

pub async fn update(
    connection: &mut PgConnection,
    writes: &[&Write<'_>],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update products set
             name = new.name,
             description = coalesce(new.description, products.description),
             price_minor = new.price_minor,
             currency = new.currency,
             type = new.type,
             attributes = new.attributes,
             version = version + 1,
             updated_at = now()
         from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                     $7::jsonb[])
             as new (id, name, description, price_minor, currency, type, attributes)
         where products.id = new.id",
    )
    .bind(ids(writes))
    .bind(writes.iter().map(|write| write.row.name.as_str()).collect::<Vec<_>>())
    .bind(descriptions(writes))
    .bind(prices(writes))
    .bind(currencies(writes))
    .bind(types(writes))
    .bind(attributes(writes))
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn insert(connection: &mut PgConnection, writes: &[&Write<'_>]) -> Result<(), Error> {
    let inserted = sqlx::query(
        "with inserted as (
             insert into products
                 (id, sku, name, description, price_minor, currency, type, attributes, created_at,
                  updated_at)
             select id, sku, name, coalesce(description, ''), price_minor, currency, type,
                 attributes, created_at, created_at
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[],
                         $7::text[], $8::jsonb[], $9::timestamptz[])
                 as new (id, sku, name, description, price_minor, currency, type, attributes,
                         created_at)
             returning id
         )
         insert into stock (product_id) select id from inserted",
    )
    .bind(ids(writes))
    .bind(writes.iter().map(|write| write.row.sku.as_str()).collect::<Vec<_>>())
    .bind(writes.iter().map(|write| write.row.name.as_str()).collect::<Vec<_>>())
    .bind(descriptions(writes))
    .bind(prices(writes))
    .bind(currencies(writes))
    .bind(types(writes))
    .bind(attributes(writes))
    .bind(writes.iter().map(|write| time_of(write.id)).collect::<Vec<_>>())
    .execute(connection)
    .await;
    match inserted {
        Err(error) if souk_db::constraint(&error) == Some("products_sku_unique") => {
            Err(Error::SkuTaken)
        }
        Err(error) => Err(Error::Database(error)),
        Ok(_) => Ok(()),
    }
}

/// Keeps those of the categories that exist from being deleted until the end of the transaction.
pub async fn keep_categories(
    connection: &mut PgConnection,
    slugs: &BTreeSet<&str>,
) -> Result<(), sqlx::Error> {
    let kept =
        sqlx::query("select from categories where slug = any ($1) order by id for key share");
    kept.bind(slugs.iter().collect::<Vec<_>>()).execute(connection).await.map(drop)
}

/// Creates the categories that do not exist; the ids of all, by slug, but of those that somebody has to themselves,
/// who may be waiting for the products of the batch: it has to begin anew, and to wait for these first.
pub async fn ensure_categories(
    connection: &mut PgConnection,
    names: &BTreeMap<&str, String>,
) -> Result<HashMap<String, Uuid>, sqlx::Error> {
    let slugs: Vec<&str> = names.keys().copied().collect();
    sqlx::query(
        "insert into categories (id, slug, name)
         select * from unnest($1::uuid[], $2::text[], $3::text[])
         on conflict do nothing",
    )
    .bind(slugs.iter().map(|_| id::new::<_>()).map(|id: CategoryId| id.uuid()).collect::<Vec<_>>())
    .bind(&slugs)
    .bind(names.values().map(String::as_str).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let kept = sqlx::query_as(
        "select slug, id from categories where slug = any ($1) for key share skip locked",
    );
    let rows: Vec<(String, Uuid)> = kept.bind(&slugs).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Puts products into these categories and no others: pairs of product and category.
pub async fn set_categories(
    connection: &mut PgConnection,
    links: &BTreeSet<(Uuid, Uuid)>,
) -> Result<(), sqlx::Error> {
    let (products, categories): (Vec<Uuid>, Vec<Uuid>) = links.iter().copied().unzip();
    sqlx::query(
        "with links as (
             select * from unnest($1::uuid[], $2::uuid[]) as links (product_id, category_id)
         ), gone as (
             delete from product_categories old
             where product_id = any ($1) and not exists (
                 select from links
                 where links.product_id = old.product_id and links.category_id = old.category_id)
         )
         insert into product_categories (product_id, category_id)
         select product_id, category_id from links
         on conflict do nothing",
    )
    .bind(products)
    .bind(categories)
    .execute(connection)
    .await?;
    Ok(())
}

fn ids(writes: &[&Write<'_>]) -> Vec<Uuid> {
    writes.iter().map(|write| write.id.uuid()).collect()
}

fn descriptions<'a>(writes: &[&'a Write<'_>]) -> Vec<Option<&'a str>> {
    writes.iter().map(|write| write.row.description.as_deref()).collect()
}

fn prices(writes: &[&Write<'_>]) -> Vec<i64> {
    writes.iter().map(|write| write.row.price.money().minor()).collect()
}

fn types<'a>(writes: &[&'a Write<'_>]) -> Vec<Option<&'a str>> {
    writes.iter().map(|write| write.product_type.as_ref().map(TypeName::as_str)).collect()
}

fn attributes<'a>(writes: &[&'a Write<'_>]) -> Vec<Json<&'a Attributes>> {
    writes.iter().map(|write| Json(&write.attributes)).collect()
}

fn currencies(writes: &[&Write<'_>]) -> Vec<&'static str> {
    writes.iter().map(|write| write.row.price.money().currency().code()).collect()
}
