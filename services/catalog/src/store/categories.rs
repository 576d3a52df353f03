use souk_kit::id::CategoryId;
use souk_kit::page::Window;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::categories::{Category, CategoryChange, NewCategory};

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

pub async fn insert(pool: &PgPool, id: CategoryId, new: &NewCategory) -> Result<Category, Error> {
    sqlx::query_as(
        "insert into categories (id, slug, name, description) values ($1, $2, $3, $4) returning *",
    )
    .bind(id.uuid())
    .bind(&new.slug)
    .bind(&new.name)
    .bind(&new.description)
    .fetch_one(pool)
    .await
    .map_err(write_error)
}

/// Changes what has a value.
pub async fn update(
    pool: &PgPool,
    id: CategoryId,
    change: &CategoryChange,
) -> Result<Option<Category>, Error> {
    sqlx::query_as(
        "update categories set
             slug = coalesce($2, slug),
             name = coalesce($3, name),
             description = coalesce($4, description),
             version = version + 1,
             updated_at = now()
         where id = $1 returning *",
    )
    .bind(id.uuid())
    .bind(&change.slug)
    .bind(&change.name)
    .bind(&change.description)
    .fetch_optional(pool)
    .await
    .map_err(write_error)
}

pub async fn get(pool: &PgPool, id: CategoryId) -> Result<Option<Category>, sqlx::Error> {
    sqlx::query_as("select * from categories where id = $1")
        .bind(id.uuid())
        .fetch_optional(pool)
        .await
}

pub async fn list(pool: &PgPool, window: Window) -> Result<Vec<Category>, sqlx::Error> {
    sqlx::query_as("select * from categories where id > $1 order by id limit $2 offset $3")
        .bind(window.after.unwrap_or(Uuid::nil()))
        .bind(window.limit)
        .bind(window.offset)
        .fetch_all(pool)
        .await
}

pub async fn count(pool: &PgPool) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select count(*)::int from categories").fetch_one(pool).await
}

/// Deletes a category and takes its products out of it; `false` when there is none.
pub async fn delete(pool: &PgPool, id: CategoryId) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query("delete from categories where id = $1").bind(id.uuid());
    Ok(deleted.execute(pool).await?.rows_affected() == 1)
}

fn write_error(error: sqlx::Error) -> Error {
    match souk_db::constraint(&error) {
        Some("categories_slug_unique") => Error::SlugTaken,
        _ => Error::Database(error),
    }
}
