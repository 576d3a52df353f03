//! Idempotency: who repeats a call with the same key gets the first answer, and nothing happens twice.
//! The record of a call commits in the transaction of the work that it stands for, and its answer
//! with the result of that work.
//!
//! Every service that keeps keys has the same table `idempotency_keys`.

mod answer;

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message;
use sha2::{Digest as _, Sha256};
use souk_kit::Failure;
use souk_kit::idempotency::{Key, Operation};
use souk_kit::request::Context;
use souk_proto::souk::types::v1::Reason;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::access::Access;

pub use answer::Answer;

/// How long a record is kept. What must never be doubled needs a unique key of its own besides.
pub const LIFETIME: Duration = Duration::from_secs(72 * 3600);
/// How many records are forgotten in one statement.
const FORGET_BATCH: i64 = 1000;
/// When a caller whose first call is still running should ask again.
const IN_FLIGHT_DELAY: Duration = Duration::from_secs(1);

/// SHA-256 of the canonical request: tells a repeat from another request with the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request. Its fields are encoded in the order of their numbers, so that the
    /// same request has the same fingerprint however it was sent.
    pub fn of(request: &impl Message) -> Self {
        Self(Sha256::digest(request.encode_to_vec()).into())
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
    pub operation: String,
    /// The client's key.
    pub key: Key,
    /// The request.
    pub fingerprint: Fingerprint,
}

impl Call {
    /// A call with its request, as it has come through the stack of a service.
    ///
    /// # Errors
    ///
    /// The policy of the RPC asks for no key or for no principal; a fault of ours.
    pub fn of(
        context: &Context,
        operation: Operation,
        request: &impl Message,
    ) -> Result<Self, Failure> {
        Ok(Self {
            principal: context.principal()?.id(),
            operation: operation.name(),
            key: context.idempotency_key()?.clone(),
            fingerprint: Fingerprint::of(request),
        })
    }

    /// The same where the policy leaves it to the caller whether there is a key; `None` without one.
    ///
    /// # Errors
    ///
    /// The policy of the RPC asks for no principal; a fault of ours.
    pub fn where_keyed(
        context: &Context,
        operation: Operation,
        request: &impl Message,
    ) -> Result<Option<Self>, Failure> {
        let has_key = context.idempotency_key.is_some();
        has_key.then(|| Self::of(context, operation, request)).transpose()
    }
}

/// What is known of an earlier call with the same key.
#[derive(Debug, Clone)]
pub struct Record {
    /// What that call asked for.
    fingerprint: Vec<u8>,
    /// What that call made, if it made something that has an id.
    pub resource: Option<Uuid>,
    /// What that call was answered, once it was.
    pub answer: Option<Answer>,
}

impl Record {
    /// A record of which only this is left.
    pub fn of_resource(resource: Uuid, fingerprint: Vec<u8>) -> Self {
        Self { fingerprint, resource: Some(resource), answer: None }
    }

    /// What the record says to a repeat: the first answer, if it has one.
    ///
    /// # Errors
    ///
    /// The call is not a repeat, but another request with the same key.
    pub fn for_repeat(self, call: &Call) -> Result<Option<Answer>, Refusal> {
        if self.fingerprint == call.fingerprint.as_bytes() {
            Ok(self.answer)
        } else {
            Err(Refusal::Reused)
        }
    }
}

impl FromRow<'_, PgRow> for Record {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let status: Option<i32> = row.try_get("status")?;
        let answer = match status {
            None => None,
            Some(status) => {
                let Json(metadata) = row.try_get("metadata")?;
                Some(Answer { status, metadata, body: row.try_get("response")? })
            }
        };
        Ok(Self {
            fingerprint: row.try_get("fingerprint")?,
            resource: row.try_get("resource")?,
            answer,
        })
    }
}

/// Why a call with a key is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key was used before, with another request.
    #[error("the idempotency key was used before with another request")]
    Reused,
    /// The first call with the key is still running.
    #[error("the first call with this idempotency key is still running")]
    InFlight,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Reused => Self::new(Reason::IdempotencyKeyReused, refusal.to_string()),
            Refusal::InFlight => {
                Self::new(Reason::InFlight, refusal.to_string()).retry_after(IN_FLIGHT_DELAY)
            }
        }
    }
}

/// The answer to a call, and whether it is that of an earlier one.
#[derive(Debug)]
pub struct Kept {
    /// The answer.
    pub answer: Answer,
    /// Whether an earlier call with the same key was given it first.
    pub replayed: bool,
}

/// Does the work of a call once: its record, the work and its answer commit together. A repeat that
/// comes while the first is under way waits for it. Work that fails leaves no record: nothing has
/// happened, and the key is free.
///
/// # Errors
///
/// The error of `work`, the database's, or a [`Refusal`].
pub async fn once<E>(
    access: &Access,
    call: Call,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<Answer, E>> + Send + 'static,
) -> Result<Kept, E>
where
    E: std::error::Error + From<sqlx::Error> + From<Refusal> + Send + 'static,
{
    access
        .transaction(|transaction| {
            async move {
                if !claim(transaction, &call).await? {
                    let earlier = find(transaction, &call).await?;
                    let answer = match earlier {
                        Some(record) => record.for_repeat(&call)?,
                        // forgotten between the two statements
                        None => None,
                    };
                    let answer = answer.ok_or(Refusal::InFlight)?;
                    return Ok(Kept { answer, replayed: true });
                }
                let answer = work(transaction).await?;
                complete(transaction, &call, &answer).await?;
                Ok(Kept { answer, replayed: false })
            }
            .boxed()
        })
        .await
}

/// Notes a call. `false` means that the key was used before; a call with the same key that commits at
/// this moment is waited for.
async fn claim(transaction: &mut PgConnection, call: &Call) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into idempotency_keys (principal, operation, key, fingerprint, expires_at)
         values ($1, $2, $3, $4, now() + $5 * interval '1 second')
         on conflict do nothing",
    )
    .bind(call.principal)
    .bind(&call.operation)
    .bind(call.key.as_str())
    .bind(call.fingerprint.as_bytes())
    .bind(LIFETIME.as_secs_f64())
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn find(transaction: &mut PgConnection, call: &Call) -> Result<Option<Record>, sqlx::Error> {
    sqlx::query_as(
        "select fingerprint, resource, status, metadata, response from idempotency_keys
         where principal = $1 and operation = $2 and key = $3",
    )
    .bind(call.principal)
    .bind(&call.operation)
    .bind(call.key.as_str())
    .fetch_optional(transaction)
    .await
}

async fn complete(
    transaction: &mut PgConnection,
    call: &Call,
    answer: &Answer,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update idempotency_keys set status = $4, metadata = $5, response = $6
         where principal = $1 and operation = $2 and key = $3",
    )
    .bind(call.principal)
    .bind(&call.operation)
    .bind(call.key.as_str())
    .bind(answer.status)
    .bind(Json(&answer.metadata))
    .bind(&answer.body)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Forgets records whose time is over, some at once: how many.
///
/// # Errors
///
/// The database's.
pub async fn forget_expired(access: &Access) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from idempotency_keys where (principal, operation, key) in (
             select principal, operation, key from idempotency_keys
             where expires_at < now() limit $1 for update skip locked)",
    );
    Ok(deleted.bind(FORGET_BATCH).execute(access).await?.rows_affected())
}
