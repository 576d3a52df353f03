use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::CategoryId;
use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::category::{Category, CategoryChange, NewCategory};

impl FromRow<'_, PgRow> for Category {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: CategoryId::from_uuid(row.try_get("id")?),
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

pub async fn insert(access: &Access, id: CategoryId, new: &NewCategory) -> Result<Category, Error> {
    sqlx::query_as(
        "insert into categories (id, slug, name, description) values ($1, $2, $3, $4) returning *",
    )
    .bind(id.uuid())
    .bind(&new.slug)
    .bind(&new.name)
    .bind(&new.description)
    .fetch_one(access)
    .await
    .map_err(write_error)
}

/// Changes what has a value; `None` when there is no such category, or of no version that is meant.
pub async fn update(
    access: &Access,
    id: CategoryId,
    if_match: &IfMatch,
    change: &CategoryChange,
) -> Result<Option<Category>, Error> {
    sqlx::query_as(
        "update categories set
             slug = coalesce($2, slug),
             name = coalesce($3, name),
             description = coalesce($4, description),
             version = version + 1,
             updated_at = now()
         where id = $1 and ($5::bigint[] is null or version = any ($5))
         returning *",
    )
    .bind(id.uuid())
    .bind(&change.slug)
    .bind(&change.name)
    .bind(&change.description)
    .bind(if_match.versions())
    .fetch_optional(access)
    .await
    .map_err(write_error)
}

pub async fn get(access: &Access, id: CategoryId) -> Result<Option<Category>, sqlx::Error> {
    sqlx::query_as("select * from categories where id = $1")
        .bind(id.uuid())
        .fetch_optional(access)
        .await
}

pub async fn list(access: &Access, window: Window) -> Result<Vec<Entry<Category>>, sqlx::Error> {
    let rows = sqlx::query("select * from categories where id > $1 order by id limit $2 offset $3")
        .bind(window.after.unwrap_or(Uuid::nil()))
        .bind(window.limit)
        .bind(window.offset)
        .fetch_all(access)
        .await?;
    souk_db::entries(&rows)
}

/// Keeps categories from being deleted until the end of the transaction.
pub async fn keep(connection: &mut PgConnection, ids: &[CategoryId]) -> Result<(), sqlx::Error> {
    let kept = sqlx::query("select from categories where id = any ($1) order by id for key share");
    let ids: Vec<Uuid> = ids.iter().map(CategoryId::uuid).collect();
    kept.bind(ids).execute(connection).await.map(drop)
}

/// Has a category, and the products that are in it, to itself: nobody else puts products into it.
pub async fn lock(connection: &mut PgConnection, id: CategoryId) -> Result<(), sqlx::Error> {
    let category = sqlx::query("select from categories where id = $1 for update");
    category.bind(id.uuid()).execute(&mut *connection).await?;
    let products = sqlx::query(
        "select from products
         where id in (select product_id from product_categories where category_id = $1)
         order by id for update",
    );
    products.bind(id.uuid()).execute(connection).await.map(drop)
}

/// Deletes a category and takes its products out of it, which changes what they show; `false` when
/// there is none, or of no version that is meant. Only while nobody else can change what is in it.
pub async fn delete(
    connection: &mut PgConnection,
    id: CategoryId,
    if_match: &IfMatch,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query_scalar(
        "with gone as (
             delete from categories
             where id = $1 and ($2::bigint[] is null or version = any ($2))
             returning id
         ), changed as (
             update products set version = version + 1, updated_at = now()
             from product_categories, gone
             where category_id = gone.id and products.id = product_id and deleted_at is null
         )
         select exists (select from gone)",
    );
    deleted.bind(id.uuid()).bind(if_match.versions()).fetch_one(connection).await
}

fn write_error(error: sqlx::Error) -> Error {
    match souk_db::constraint(&error) {
        Some("categories_slug_unique") => Error::SlugTaken,
        _ => Error::Database(error),
    }
}
