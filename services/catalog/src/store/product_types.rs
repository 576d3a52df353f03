use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::attributes::Attributes;
use crate::product_type::{Definition, ProductType, TypeName};

impl FromRow<'_, PgRow> for ProductType {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let name = TypeName::parse(row.try_get("name")?);
        let Json(schema) = row.try_get("schema")?;
        let (searchable, filterable) = (row.try_get("searchable")?, row.try_get("filterable")?);
        Ok(Self {
            id: row.try_get("id")?,
            name: name.ok_or_else(|| sqlx::Error::Decode("a type has no name".into()))?,
            definition: Definition { schema, searchable, filterable },
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

pub async fn insert(
    access: &Access,
    name: &TypeName,
    definition: &Definition,
) -> Result<ProductType, Error> {
    sqlx::query_as(
        "insert into product_types (id, name, schema, searchable, filterable)
         values ($1, $2, $3, $4, $5) returning *",
    )
    .bind(Uuid::now_v7())
    .bind(name.as_str())
    .bind(Json(&definition.schema))
    .bind(&definition.searchable)
    .bind(&definition.filterable)
    .fetch_one(access)
    .await
    .map_err(|error| match souk_db::constraint(&error) {
        Some("product_types_name_unique") => Error::TypeNameTaken,
        _ => Error::Database(error),
    })
}

pub async fn get(access: &Access, name: &TypeName) -> Result<Option<ProductType>, sqlx::Error> {
    let found = sqlx::query_as("select * from product_types where name = $1");
    found.bind(name.as_str()).fetch_optional(access).await
}

pub async fn list(access: &Access, window: Window) -> Result<Vec<Entry<ProductType>>, sqlx::Error> {
    let rows =
        sqlx::query("select * from product_types where id > $1 order by id limit $2 offset $3")
            .bind(window.after.unwrap_or(Uuid::nil()))
            .bind(window.limit)
            .bind(window.offset)
            .fetch_all(access)
            .await?;
    souk_db::entries(&rows)
}

/// The types of these names that exist, which stay as they are until the end of the transaction.
pub async fn keep(
    connection: &mut PgConnection,
    names: &[&TypeName],
) -> Result<Vec<ProductType>, sqlx::Error> {
    let kept =
        sqlx::query_as("select * from product_types where name = any ($1) order by id for share");
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    kept.bind(names).fetch_all(connection).await
}

/// The type, which nobody uses or changes until the end of the transaction.
pub async fn lock(
    connection: &mut PgConnection,
    name: &TypeName,
) -> Result<Option<ProductType>, sqlx::Error> {
    let locked = sqlx::query_as("select * from product_types where name = $1 for update");
    locked.bind(name.as_str()).fetch_optional(connection).await
}

/// Changes a type that is locked; `None` when it is of no version that is meant.
pub async fn update(
    connection: &mut PgConnection,
    name: &TypeName,
    if_match: &IfMatch,
    definition: &Definition,
) -> Result<Option<ProductType>, sqlx::Error> {
    sqlx::query_as(
        "update product_types set schema = $2, searchable = $3, filterable = $4,
             version = version + 1, updated_at = now(),
             reindex_after = case when searchable = $3 then reindex_after
                 else '00000000-0000-0000-0000-000000000000' end
         where name = $1 and ($5::bigint[] is null or version = any ($5))
         returning *",
    )
    .bind(name.as_str())
    .bind(Json(&definition.schema))
    .bind(&definition.searchable)
    .bind(&definition.filterable)
    .bind(if_match.versions())
    .fetch_optional(connection)
    .await
}

/// Deletes a type that is locked, and of which there is no live product; `false` when it is of no version
/// that is meant.
pub async fn delete(
    connection: &mut PgConnection,
    name: &TypeName,
    if_match: &IfMatch,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query_scalar(
        "with gone as (
             delete from product_types
             where name = $1 and ($2::bigint[] is null or version = any ($2))
             returning name
         ), forgotten as (
             -- the ledger and orders keep these, and need no attributes
             update products set type = null, attributes = '{}' from gone
             where type = gone.name and deleted_at is not null
         )
         select exists (select from gone)",
    );
    deleted.bind(name.as_str()).bind(if_match.versions()).fetch_one(connection).await
}

/// The attributes of live products of a type, after this one and in the order of their ids.
pub async fn attributes_after(
    connection: &mut PgConnection,
    name: &TypeName,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, Attributes)>, sqlx::Error> {
    let rows: Vec<(Uuid, Json<Attributes>)> = sqlx::query_as(
        "select id, attributes from products
         where type = $1 and id > $2 and deleted_at is null order by id limit $3",
    )
    .bind(name.as_str())
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, Json(attributes))| (id, attributes)).collect())
}

/// The products are not joined with the type that is due: where none is, all of them would be read in their order
/// to find no type for them.
pub const REINDEX: &str = "
    with alone as materialized (
        select pg_try_advisory_xact_lock(hashtext('product_types_reindex')) as is_alone
    ), due as (
        select id, name, version, reindex_after from product_types
        where reindex_after is not null and (select is_alone from alone)
        order by id limit 1
    ), batch as materialized (
        -- in the order of their ids, as everywhere
        select id from products
        where type = (select name from due) and id > (select reindex_after from due)
        order by id limit $1 for no key update
    ), indexed as (
        -- its trigger does the work; nothing that is shown changes, and so no version
        update products set type = type where id in (select id from batch) returning id
    )
    -- products before their type, as everywhere, and not where the type has changed meanwhile
    update product_types
    set reindex_after = (select id from batch order by id desc limit 1)
    from due
    where product_types.id = due.id and product_types.version = due.version
      and product_types.reindex_after = due.reindex_after
      and (select count(*) from indexed) >= 0
    returning true";

/// Indexes some products anew whose type has changed what is searchable of them: whether there may be more.
pub async fn reindex(access: &Access, limit: i64) -> Result<bool, sqlx::Error> {
    let next = sqlx::query_scalar::<_, bool>(REINDEX).bind(limit);
    Ok(next.fetch_optional(access).await?.is_some())
}

/// How many live products a type has.
pub async fn products(connection: &mut PgConnection, name: &TypeName) -> Result<i64, sqlx::Error> {
    let count =
        sqlx::query_scalar("select count(*) from products where type = $1 and deleted_at is null");
    count.bind(name.as_str()).fetch_one(connection).await
}
