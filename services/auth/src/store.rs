//! The SQL, nothing else.

use std::time::Duration;

use souk_kit::id::{Id, UserId};
use sqlx::{FromRow, PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{Account, Email, Name, Rehash};
use crate::keys::{PublicKey, SealedKey};
use crate::roles::{self, Role};
use crate::sessions::{REFRESH_LIFETIME, RETRY_WINDOW, RefreshToken};
use crate::tokens::Holder;

type Result<T> = std::result::Result<T, sqlx::Error>;

// --- accounts ----------------------------------------------------------------------------------

pub struct NewAccount<'a> {
    pub id: UserId,
    pub email: &'a Email,
    pub name: &'a Name,
    pub password_hash: &'a str,
    pub roles: &'a [Role],
}

/// What a sign-in is checked against.
pub struct Credentials {
    pub id: UserId,
    pub password_hash: String,
    pub roles: Vec<Role>,
}

#[derive(FromRow)]
struct AccountRow {
    id: Uuid,
    email: String,
    name: String,
    roles: Vec<String>,
    created_at: OffsetDateTime,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let AccountRow { id, email, name, roles, created_at } = row;
        Self { id: Id::from_uuid(id), email, name, roles: roles::parse(&roles), created_at }
    }
}

/// None if the address is taken. Not by way of an error: PostgreSQL would write the address to its
/// log.
pub async fn insert_account(
    transaction: &mut PgConnection,
    new: &NewAccount<'_>,
) -> Result<Option<Account>> {
    let roles: Vec<_> = new.roles.iter().map(|role| role.name()).collect();
    let row: Option<AccountRow> = sqlx::query_as(
        "insert into accounts (id, email, name, password_hash, roles) values ($1, $2, $3, $4, $5)
         on conflict (lower(email)) do nothing
         returning id, email, name, roles, created_at",
    )
    .bind(new.id.uuid())
    .bind(new.email.as_str())
    .bind(new.name.as_str())
    .bind(new.password_hash)
    .bind(roles)
    .fetch_optional(transaction)
    .await?;
    Ok(row.map(Account::from))
}

pub async fn account(pool: &PgPool, id: UserId) -> Result<Option<Account>> {
    let row: Option<AccountRow> =
        sqlx::query_as("select id, email, name, roles, created_at from accounts where id = $1")
            .bind(id.uuid())
            .fetch_optional(pool)
            .await?;
    Ok(row.map(Account::from))
}

pub async fn credentials(pool: &PgPool, email: &Email) -> Result<Option<Credentials>> {
    let row: Option<(Uuid, String, Vec<String>)> = sqlx::query_as(
        "select id, password_hash, roles from accounts where lower(email) = lower($1)",
    )
    .bind(email.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|(id, password_hash, roles)| Credentials {
        id: Id::from_uuid(id),
        password_hash,
        roles: roles::parse(&roles),
    }))
}

/// Only if the password is still the one that was checked.
pub async fn replace_password_hash(
    transaction: &mut PgConnection,
    account: UserId,
    rehash: &Rehash,
) -> Result<()> {
    sqlx::query("update accounts set password_hash = $3 where id = $1 and password_hash = $2")
        .bind(account.uuid())
        .bind(&rehash.old)
        .bind(&rehash.new)
        .execute(transaction)
        .await?;
    Ok(())
}

/// The account that did not have the role before.
pub async fn grant_role(
    transaction: &mut PgConnection,
    email: &Email,
    role: Role,
) -> Result<Option<UserId>> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "update accounts set roles = array_append(roles, $2)
         where lower(email) = lower($1) and $2 <> all (roles)
         returning id",
    )
    .bind(email.as_str())
    .bind(role.name())
    .fetch_optional(transaction)
    .await?;
    Ok(id.map(Id::from_uuid))
}

// --- sessions ----------------------------------------------------------------------------------

/// A refresh token that was exchanged before, of a session that has not ended.
pub struct Past {
    pub holder: Holder,
    /// Whether its client may just not have got the answer.
    pub is_retry: bool,
}

#[derive(FromRow)]
struct HolderRow {
    session: Uuid,
    account: Uuid,
    roles: Vec<String>,
}

impl From<HolderRow> for Holder {
    fn from(row: HolderRow) -> Self {
        Self {
            session: Id::from_uuid(row.session),
            account: Id::from_uuid(row.account),
            roles: roles::parse(&row.roles),
        }
    }
}

pub async fn insert_session(transaction: &mut PgConnection, holder: &Holder) -> Result<()> {
    sqlx::query("insert into sessions (id, account_id) values ($1, $2)")
        .bind(holder.session.uuid())
        .bind(holder.account.uuid())
        .execute(transaction)
        .await?;
    Ok(())
}

pub async fn insert_refresh_token(
    transaction: &mut PgConnection,
    holder: &Holder,
    token: &RefreshToken,
) -> Result<()> {
    sqlx::query(
        "insert into refresh_tokens (hash, session_id, expires_at) values ($1, $2, now() + $3)",
    )
    .bind(token.hash())
    .bind(holder.session.uuid())
    .bind(REFRESH_LIFETIME)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Uses a refresh token up. Of many who try at once, one gets the row.
pub async fn rotate(
    transaction: &mut PgConnection,
    token: &RefreshToken,
) -> Result<Option<Holder>> {
    let row: Option<HolderRow> = sqlx::query_as(
        "update refresh_tokens token set rotated_at = now()
         from sessions session join accounts account on account.id = session.account_id
         where token.hash = $1 and token.rotated_at is null and token.expires_at > now()
           and session.id = token.session_id and session.revoked_at is null
         returning session.id as session, account.id as account, account.roles",
    )
    .bind(token.hash())
    .fetch_optional(transaction)
    .await?;
    Ok(row.map(Holder::from))
}

pub async fn rotated(
    transaction: &mut PgConnection,
    token: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Option<Past>> {
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
    .fetch_optional(transaction)
    .await?;
    Ok(row.map(|Row { holder, is_retry }| Past { holder: holder.into(), is_retry }))
}

/// Whether it had not ended before.
pub async fn revoke_session(transaction: &mut PgConnection, holder: &Holder) -> Result<bool> {
    let done =
        sqlx::query("update sessions set revoked_at = now() where id = $1 and revoked_at is null")
            .bind(holder.session.uuid())
            .execute(transaction)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// The session that this has ended, if any.
pub async fn revoke_session_of(
    transaction: &mut PgConnection,
    token: &RefreshToken,
) -> Result<Option<Holder>> {
    let row: Option<HolderRow> = sqlx::query_as(
        "update sessions session set revoked_at = now()
         from refresh_tokens token, accounts account
         where token.hash = $1 and session.id = token.session_id and session.revoked_at is null
           and account.id = session.account_id
         returning session.id as session, account.id as account, account.roles",
    )
    .bind(token.hash())
    .fetch_optional(transaction)
    .await?;
    Ok(row.map(Holder::from))
}

/// A batch at a time, so that no statement holds many locks; processes that tidy up at once do not
/// wait for each other.
pub async fn delete_expired_tokens(pool: &PgPool) -> Result<u64> {
    let done = sqlx::query(
        "delete from refresh_tokens where hash in (
             select hash from refresh_tokens where expires_at < now()
             limit 1000 for update skip locked)",
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// A session gets its first token in the transaction that makes it, so none is empty too early.
pub async fn delete_empty_sessions(pool: &PgPool) -> Result<u64> {
    let done = sqlx::query(
        "delete from sessions where id in (
             select id from sessions session
             where not exists (select from refresh_tokens where session_id = session.id)
             limit 1000 for update skip locked)",
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

// --- signing keys ------------------------------------------------------------------------------

pub async fn active_key(pool: &PgPool) -> Result<Option<SealedKey>> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("select kid, sealed_key from signing_keys where state = 'active'")
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|(kid, sealed)| SealedKey { kid, sealed }))
}

/// Whether it became the active one: there may be one already.
pub async fn insert_active_key(
    transaction: &mut PgConnection,
    key: &SealedKey,
    public: &[u8; 32],
) -> Result<bool> {
    let done = sqlx::query(
        "insert into signing_keys (kid, state, public_key, sealed_key)
         values ($1, 'active', $2, $3)
         on conflict (state) where state = 'active' do nothing",
    )
    .bind(&key.kid)
    .bind(public)
    .bind(&key.sealed)
    .execute(transaction)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// All but those that were retired longer ago than this.
pub async fn public_keys(pool: &PgPool, retired_within: Duration) -> Result<Vec<PublicKey>> {
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select kid, public_key from signing_keys
         where state <> 'retired' or retired_at > now() - $1
         order by created_at desc, kid",
    )
    .bind(retired_within)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(kid, bytes)| PublicKey { kid, bytes }).collect())
}
