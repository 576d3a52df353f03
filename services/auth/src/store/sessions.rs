use souk_db::Access;
use souk_kit::id::{SessionId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::account::Rehash;
use crate::role;
use crate::session::{End, Holder, Past, REFRESH_LIFETIME, RETRY_WINDOW, RefreshToken};

#[derive(FromRow)]
struct HolderRow {
    session: Uuid,
    account: Uuid,
    roles: Vec<String>,
}

impl From<HolderRow> for Holder {
    fn from(HolderRow { session, account, roles }: HolderRow) -> Self {
        Self {
            session: SessionId::from_uuid(session),
            account: UserId::from_uuid(account),
            roles: role::parse(&roles),
        }
    }
}

/// Begins a session with its first refresh token, and stores a new hash of the same password, if
/// there is one and the password is still the one that was checked.
pub async fn begin(
    access: &Access,
    holder: &Holder,
    token: &RefreshToken,
    rehash: Option<&Rehash>,
    request_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with rehashed as (
             update accounts set password_hash = $6 where id = $2 and password_hash = $5
         ), begun as (
             insert into sessions (id, account_id) values ($1, $2)
         ), issued as (
             insert into refresh_tokens (hash, session_id, expires_at) values ($3, $1, now() + $4)
         )
         insert into audit_log (actor, action, subject, request_id)
         values ($7, 'session.create', $8, $9)",
    )
    .bind(holder.session.uuid())
    .bind(holder.account.uuid())
    .bind(token.hash())
    .bind(REFRESH_LIFETIME)
    .bind(rehash.map(|rehash| &rehash.old))
    .bind(rehash.map(|rehash| &rehash.new))
    .bind(holder.account.to_string())
    .bind(holder.session.to_string())
    .bind(request_id)
    .execute(access)
    .await?;
    Ok(())
}

/// Uses a refresh token up and stores its successor; `None` if it cannot be exchanged. Of many who try
/// at once, one gets the row.
pub async fn rotate(
    access: &Access,
    token: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Option<Holder>, sqlx::Error> {
    let row: Option<HolderRow> = sqlx::query_as(
        "with rotated as (
             update refresh_tokens token set rotated_at = now()
             from sessions session join accounts account on account.id = session.account_id
             where token.hash = $1 and token.rotated_at is null and token.expires_at > now()
               and session.id = token.session_id and session.revoked_at is null
             returning session.id as session, account.id as account, account.roles
         ), issued as (
             insert into refresh_tokens (hash, session_id, expires_at)
             select $2, session, now() + $3 from rotated
         )
         select session, account, roles from rotated",
    )
    .bind(token.hash())
    .bind(successor.hash())
    .bind(REFRESH_LIFETIME)
    .fetch_optional(access)
    .await?;
    Ok(row.map(Holder::from))
}

/// What became of a refresh token that was exchanged before; `None` if it was not, or if its session
/// has ended.
pub async fn past(
    access: &Access,
    token: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Option<Past>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        #[sqlx(flatten)]
        holder: HolderRow,
        is_retry: bool,
    }
    let row: Option<Row> = sqlx::query_as(
        "select session.id as session, account.id as account, account.roles,
                token.rotated_at > now() - $3 and successor.hash is not null
                    and successor.rotated_at is null as is_retry
         from refresh_tokens token
         join sessions session on session.id = token.session_id
         join accounts account on account.id = session.account_id
         left join refresh_tokens successor on successor.hash = $2
         where token.hash = $1 and token.rotated_at is not null and session.revoked_at is null",
    )
    .bind(token.hash())
    .bind(successor.hash())
    .bind(RETRY_WINDOW)
    .fetch_optional(access)
    .await?;
    Ok(row.map(|Row { holder, is_retry }| Past { holder: holder.into(), is_retry }))
}

/// Whose refresh token this is, if its session has not ended.
pub async fn holder(access: &Access, token: &RefreshToken) -> Result<Option<Holder>, sqlx::Error> {
    let row: Option<HolderRow> = sqlx::query_as(
        "select session.id as session, account.id as account, account.roles
         from refresh_tokens token
         join sessions session on session.id = token.session_id
         join accounts account on account.id = session.account_id
         where token.hash = $1 and session.revoked_at is null",
    )
    .bind(token.hash())
    .fetch_optional(access)
    .await?;
    Ok(row.map(Holder::from))
}

/// Ends a session; `false` if it had ended before.
pub async fn end(
    access: &Access,
    session: SessionId,
    end: End,
    actor: &str,
    request_id: &str,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query(
        "with ended as (
             update sessions set revoked_at = now() where id = $1 and revoked_at is null
             returning id
         )
         insert into audit_log (actor, action, subject, request_id)
         select $2, $3, $4, $5 from ended",
    )
    .bind(session.uuid())
    .bind(actor)
    .bind(end.action())
    .bind(session.to_string())
    .bind(request_id)
    .execute(access)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// A batch at a time, so that no statement holds many locks; processes that tidy up at once do not
/// wait for each other.
pub async fn delete_expired_tokens(access: &Access) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from refresh_tokens where hash in (
             select hash from refresh_tokens where expires_at < now()
             limit 1000 for update skip locked)",
    );
    Ok(deleted.execute(access).await?.rows_affected())
}

/// A session gets its first token in the statement that makes it, so none is empty too early.
pub async fn delete_empty(access: &Access) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from sessions where id in (
             select id from sessions session
             where not exists (select from refresh_tokens where session_id = session.id)
             limit 1000 for update skip locked)",
    );
    Ok(deleted.execute(access).await?.rows_affected())
}
