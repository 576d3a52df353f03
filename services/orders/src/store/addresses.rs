use souk_db::Access;
use souk_kit::id::{AddressId, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row as _};

use crate::address::{Address, MAX_ADDRESSES, PostalAddress};

impl FromRow<'_, PgRow> for Address {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let Json(postal) = row.try_get("postal")?;
        Ok(Self {
            id: AddressId::from_uuid(row.try_get("id")?),
            postal,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Adds an address to a customer's book; `None` when it is full.
pub async fn insert(
    transaction: &mut PgConnection,
    id: AddressId,
    customer: UserId,
    postal: &PostalAddress,
) -> Result<Option<Address>, sqlx::Error> {
    // those who add to one book do it one after the other, so that it does not become too full
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('addresses ' || $1::text, 0))")
        .bind(customer.uuid())
        .execute(&mut *transaction)
        .await?;
    sqlx::query_as(
        "insert into addresses (id, customer_id, postal)
         select $1, $2, $3 where (select count(*) from addresses where customer_id = $2) < $4
         returning *",
    )
    .bind(id.uuid())
    .bind(customer.uuid())
    .bind(Json(postal))
    .bind(MAX_ADDRESSES)
    .fetch_optional(transaction)
    .await
}

pub async fn get(
    access: &Access,
    id: AddressId,
    customer: UserId,
) -> Result<Option<Address>, sqlx::Error> {
    sqlx::query_as("select * from addresses where id = $1 and customer_id = $2")
        .bind(id.uuid())
        .bind(customer.uuid())
        .fetch_optional(access)
        .await
}

/// All addresses of a customer, newest first.
pub async fn list(access: &Access, customer: UserId) -> Result<Vec<Address>, sqlx::Error> {
    sqlx::query_as("select * from addresses where customer_id = $1 order by id desc limit $2")
        .bind(customer.uuid())
        .bind(MAX_ADDRESSES)
        .fetch_all(access)
        .await
}

pub async fn replace(
    access: &Access,
    id: AddressId,
    customer: UserId,
    postal: &PostalAddress,
) -> Result<Option<Address>, sqlx::Error> {
    sqlx::query_as(
        "update addresses set postal = $3, updated_at = now()
         where id = $1 and customer_id = $2 returning *",
    )
    .bind(id.uuid())
    .bind(customer.uuid())
    .bind(Json(postal))
    .fetch_optional(access)
    .await
}

/// Whether there was such an address.
pub async fn delete(access: &Access, id: AddressId, customer: UserId) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query("delete from addresses where id = $1 and customer_id = $2")
        .bind(id.uuid())
        .bind(customer.uuid())
        .execute(access)
        .await?;
    Ok(deleted.rows_affected() == 1)
}
