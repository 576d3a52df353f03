//! The audit log: who did what to what, in the transaction that does it.

use sqlx::PgConnection;

/// A line of the log.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who did it: an id, or the name of a service.
    pub actor: &'a str,
    /// What was done: `order.create`.
    pub action: &'a str,
    /// To what: an id.
    pub subject: &'a str,
    /// The request that asked for it.
    pub request_id: &'a str,
}

/// Adds a line to the transaction.
///
/// # Errors
///
/// The database's.
pub async fn append(transaction: &mut PgConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into audit_log (actor, action, subject, request_id) values ($1, $2, $3, $4)",
    )
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.subject)
    .bind(entry.request_id)
    .execute(transaction)
    .await?;
    Ok(())
}
