//! The outbox: events that commit with the change they tell of, and leave afterwards.

use sqlx::PgConnection;
use uuid::Uuid;

/// Something that happened to one thing.
#[derive(Debug)]
pub struct Event<'a> {
    /// What it happened to.
    pub subject: Uuid,
    /// Its place among the events of the subject, from 1 without gaps.
    pub sequence: i32,
    /// What happened: `order.reserved`.
    pub kind: &'a str,
    /// The subject as it is now.
    pub payload: &'a serde_json::Value,
}

/// Adds an event to the transaction.
///
/// # Errors
///
/// The database's; a sequence number that exists already breaks a constraint.
pub async fn append(transaction: &mut PgConnection, event: &Event<'_>) -> Result<(), sqlx::Error> {
    sqlx::query("insert into outbox (subject, sequence, kind, payload) values ($1, $2, $3, $4)")
        .bind(event.subject)
        .bind(event.sequence)
        .bind(event.kind)
        .bind(event.payload)
        .execute(transaction)
        .await?;
    Ok(())
}
