use souk_db::Access;
use souk_kit::id::OrderId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use crate::history::{Actor, Entry};

/// Of more changes than this the newest are told.
const MOST: i64 = 1000;

impl FromRow<'_, PgRow> for Entry {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            action: row.try_get("action")?,
            state: row.try_get("state")?,
            actor: Actor::from_word(row.try_get("actor")?),
            reason: row.try_get("reason")?,
            request_id: row.try_get("request_id")?,
            at: row.try_get("at")?,
        })
    }
}

/// What was done to an order, oldest first.
pub async fn of_order(access: &Access, order: OrderId) -> Result<Vec<Entry>, sqlx::Error> {
    let rows = sqlx::query_as(
        "select * from (
             select * from audit_log where subject = $1 order by id desc limit $2
         ) as newest order by id",
    );
    rows.bind(order.to_string()).bind(MOST).fetch_all(access).await
}
