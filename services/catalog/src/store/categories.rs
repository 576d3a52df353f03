use std::collections::HashMap;

use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::CategoryId;
use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::category::{Category, CategoryChange, Heirs, Level, NewCategory};
use crate::listing::CategoryName;

impl FromRow<'_, PgRow> for Category {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: CategoryId::from_uuid(row.try_get("id")?),
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            parent: row.try_get::<Option<_>, _>("parent_id")?.map(CategoryId::from_uuid),
            products: row.try_get("products")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

pub async fn insert(access: &Access, id: CategoryId, new: &NewCategory) -> Result<Category, Error> {
    sqlx::query_as(
        "insert into categories (id, slug, name, description, parent_id)
         values ($1, $2, $3, $4, $5) returning *, 0 as products",
    )
    .bind(id.uuid())
    .bind(&new.slug)
    .bind(&new.name)
    .bind(&new.description)
    .bind(new.parent.map(|parent| parent.uuid()))
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
        "with changed as (
             update categories set
                 slug = coalesce($2, slug),
                 name = coalesce($3, name),
                 description = coalesce($4, description),
                 parent_id = case when $6 then $7 else parent_id end,
                 version = version + 1,
                 updated_at = now()
             where id = $1 and ($5::bigint[] is null or version = any ($5))
             returning *
         )
         select changed.*, products from changed join counted_categories using (id)",
    )
    .bind(id.uuid())
    .bind(&change.slug)
    .bind(&change.name)
    .bind(&change.description)
    .bind(if_match.versions())
    .bind(change.parent.is_some())
    .bind(change.parent.flatten().map(|parent| parent.uuid()))
    .fetch_optional(access)
    .await
    .map_err(write_error)
}

pub async fn get(access: &Access, id: CategoryId) -> Result<Option<Category>, sqlx::Error> {
    sqlx::query_as("select * from counted_categories where id = $1")
        .bind(id.uuid())
        .fetch_optional(access)
        .await
}

pub async fn list(
    access: &Access,
    window: Window,
    level: Level,
) -> Result<Vec<Entry<Category>>, sqlx::Error> {
    let and_level = match level {
        Level::All => "",
        Level::Below(None) => "and parent_id is null",
        Level::Below(Some(_)) => "and parent_id = $4",
    };
    let statement = format!(
        "select * from counted_categories where id > $1 {and_level} order by id limit $2 offset $3"
    );
    let mut query = sqlx::query(AssertSqlSafe(statement))
        .bind(window.after.unwrap_or(Uuid::nil()))
        .bind(window.limit)
        .bind(window.offset);
    if let Level::Below(Some(parent)) = level {
        query = query.bind(parent.uuid());
    }
    souk_db::entries(&query.fetch_all(access).await?)
}

/// How many categories are right below one, or at the top.
pub async fn count(access: &Access, parent: Option<CategoryId>) -> Result<i32, sqlx::Error> {
    let count = match parent {
        None => "select count(*)::int from categories where parent_id is null",
        Some(_) => "select count(*)::int from categories where parent_id = $1",
    };
    let mut count = sqlx::query_scalar(count);
    if let Some(parent) = parent {
        count = count.bind(parent.uuid());
    }
    count.fetch_one(access).await
}

/// The ids of categories of these names. What has no name of a category has the id of none.
pub async fn ids(access: &Access, names: &[CategoryName]) -> Result<Vec<CategoryId>, sqlx::Error> {
    let slugs: Vec<&str> = names.iter().filter_map(CategoryName::slug).collect();
    let found: HashMap<String, Uuid> = if slugs.is_empty() {
        HashMap::new()
    } else {
        let found = sqlx::query_as("select slug, id from categories where slug = any ($1)");
        let found: Vec<(String, Uuid)> = found.bind(slugs).fetch_all(access).await?;
        found.into_iter().collect()
    };
    let id = |name: &CategoryName| match name {
        CategoryName::Id(id) => *id,
        CategoryName::Slug(slug) => {
            CategoryId::from_uuid(found.get(slug).copied().unwrap_or(Uuid::nil()))
        }
    };
    Ok(names.iter().map(id).collect())
}

/// Keeps categories from being deleted until the end of the transaction.
pub async fn keep(connection: &mut PgConnection, ids: &[CategoryId]) -> Result<(), sqlx::Error> {
    let kept = sqlx::query("select from categories where id = any ($1) order by id for key share");
    let ids: Vec<Uuid> = ids.iter().map(CategoryId::uuid).collect();
    kept.bind(ids).execute(connection).await.map(drop)
}

/// Has a category, the products that are in it and the categories that these may come into to itself:
/// nobody else puts products into it, or categories below it. How many of both there are; `None` when it
/// does not exist.
pub async fn lock(
    connection: &mut PgConnection,
    id: CategoryId,
    heirs: Heirs,
) -> Result<Option<Contents>, sqlx::Error> {
    let categories = sqlx::query_scalar::<_, Uuid>(
        "select id from categories where id = any ($1) order by id for update",
    );
    let involved: Vec<Uuid> =
        heirs.categories().chain([id]).map(|category| category.uuid()).collect();
    let there = categories.bind(involved).fetch_all(&mut *connection).await?;
    if !there.contains(&id.uuid()) {
        return Ok(None);
    }
    let products = sqlx::query(
        "select from products
         where id in (select product_id from product_categories where category_id = $1)
         order by id for update",
    );
    let products = products.bind(id.uuid()).execute(&mut *connection).await?.rows_affected();
    let children = sqlx::query_scalar("select count(*) from categories where parent_id = $1");
    let children = children.bind(id.uuid()).fetch_one(connection).await?;
    Ok(Some(Contents { products, children }))
}

/// How many products and categories a category has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    pub products: u64,
    pub children: i64,
}

/// Puts what is right below a category that is locked below another, or at the top.
pub async fn move_children(
    connection: &mut PgConnection,
    from: CategoryId,
    to: Option<CategoryId>,
) -> Result<(), Error> {
    let moved = sqlx::query(
        "update categories set parent_id = $2, version = version + 1, updated_at = now()
         where parent_id = $1",
    );
    let moved = moved.bind(from.uuid()).bind(to.map(|category| category.uuid()));
    moved.execute(connection).await.map(drop).map_err(write_error)
}

/// Puts the products of a category that is locked into another as well.
pub async fn copy_products(
    connection: &mut PgConnection,
    from: CategoryId,
    to: CategoryId,
) -> Result<(), Error> {
    let copied = sqlx::query(
        "insert into product_categories (product_id, category_id)
         select product_id, $2 from product_categories where category_id = $1
         on conflict do nothing",
    );
    let copied = copied.bind(from.uuid()).bind(to.uuid()).execute(connection).await;
    copied.map(drop).map_err(write_error)
}

/// Deletes a category that is locked and takes its products out of it, which changes what they show;
/// `false` when it is of no version that is meant.
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
        Some("categories_parent_exists") => {
            Error::invalid("parent_id", "must be the id of a category that exists")
        }
        Some("categories_no_cycle") => {
            Error::invalid("parent_id", "must not be the category itself or one below it")
        }
        Some("product_categories_category_exists") => {
            Error::invalid("products_to", "must be none or the id of a category that exists")
        }
        _ => Error::Database(error),
    }
}
