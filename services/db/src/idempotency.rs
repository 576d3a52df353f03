//! Idempotency keys: who repeats a call with the same key gets the first answer, and nothing
//! happens twice. A record commits in the transaction of the work that it stands for.

use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// How long a record is kept. What must never be doubled needs a unique key of its own besides.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The key that a client chose: 1–255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Reads a key; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        ((1..=255).contains(&text.len()) && visible).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of the canonical request: tells a repeat from another request with the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request in its canonical form.
    pub fn of(request: &[u8]) -> Self {
        Self(Sha256::digest(request).into())
    }

    /// The bytes, for a column.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// What identifies a call: the same principal, operation and key mean the same call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub principal: Uuid,
    /// The gRPC method.
    pub operation: &'static str,
    /// The client's key.
    pub key: Key,
    /// The request.
    pub fingerprint: Fingerprint,
}

/// What is known of an earlier call with the same key.
#[derive(Debug)]
pub struct Record {
    /// Whether that call had the same request.
    pub same_request: bool,
    /// What that call made.
    pub resource: Uuid,
    /// What it was answered, once it was.
    pub response: Option<Vec<u8>>,
}

/// Notes a call, as part of the transaction that does its work. `false` means that the key was used
/// before; a call with the same key that is committing at this moment is waited for.
///
/// # Errors
///
/// The database's.
pub async fn claim(
    transaction: &mut PgConnection,
    call: &Call,
    resource: Uuid,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into idempotency_keys (principal, operation, key, fingerprint, resource, expires_at)
         values ($1, $2, $3, $4, $5, now() + $6 * interval '1 second')
         on conflict do nothing",
    )
    .bind(call.principal)
    .bind(call.operation)
    .bind(call.key.as_str())
    .bind(call.fingerprint.as_bytes())
    .bind(resource)
    .bind(LIFETIME.as_secs_f64())
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Finds the earlier call with the same key.
///
/// # Errors
///
/// The database's.
pub async fn find(pool: &PgPool, call: &Call) -> Result<Option<Record>, sqlx::Error> {
    let record: Option<(Vec<u8>, Uuid, Option<Vec<u8>>)> = sqlx::query_as(
        "select fingerprint, resource, response from idempotency_keys
         where principal = $1 and operation = $2 and key = $3",
    )
    .bind(call.principal)
    .bind(call.operation)
    .bind(call.key.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(record.map(|(fingerprint, resource, response)| Record {
        same_request: fingerprint == call.fingerprint.as_bytes(),
        resource,
        response,
    }))
}

/// Keeps what the call was answered. The first answer stays, and is returned: of two that race, both
/// answer the same.
///
/// # Errors
///
/// The database's.
pub async fn complete(
    pool: &PgPool,
    call: &Call,
    response: Vec<u8>,
) -> Result<Vec<u8>, sqlx::Error> {
    let stored: Option<(Vec<u8>,)> = sqlx::query_as(
        "update idempotency_keys set response = coalesce(response, $4)
         where principal = $1 and operation = $2 and key = $3 returning response",
    )
    .bind(call.principal)
    .bind(call.operation)
    .bind(call.key.as_str())
    .bind(&response)
    .fetch_optional(pool)
    .await?;
    Ok(stored.map_or(response, |(stored,)| stored))
}

/// Forgets records whose time is over, some at once: how many.
///
/// # Errors
///
/// The database's.
pub async fn forget_expired(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from idempotency_keys where (principal, operation, key) in (
             select principal, operation, key from idempotency_keys
             where expires_at < now() limit 1000)",
    );
    Ok(deleted.execute(pool).await?.rows_affected())
}
