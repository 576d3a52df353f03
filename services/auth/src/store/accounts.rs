use souk_db::Access;
use souk_kit::id::UserId;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::account::{Account, Credentials, Email, NewAccount};
use crate::role::{self, Role};

#[derive(FromRow)]
struct Row {
    id: Uuid,
    email: String,
    name: String,
    roles: Vec<String>,
    created_at: OffsetDateTime,
}

impl From<Row> for Account {
    fn from(Row { id, email, name, roles, created_at }: Row) -> Self {
        Self { id: UserId::from_uuid(id), email, name, roles: role::parse(&roles), created_at }
    }
}

/// Creates an account; `None` if the address is taken. Not by way of an error: PostgreSQL would write
/// the address to its log.
pub async fn insert(
    access: &Access,
    new: &NewAccount<'_>,
    request_id: &str,
) -> Result<Option<Account>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "with created as (
             insert into accounts (id, email, name, password_hash, roles)
             values ($1, $2, $3, $4, $5)
             on conflict (lower(email)) do nothing
             returning id, email, name, roles, created_at
         ), audited as (
             -- before anybody has signed in the account acts for itself, as far as anyone knows
             insert into audit_log (actor, action, subject, request_id)
             select $6, 'account.create', $6, $7 from created
         )
         select * from created",
    )
    .bind(new.id.uuid())
    .bind(new.email.as_str())
    .bind(new.name.as_str())
    .bind(new.password_hash)
    .bind(new.roles.iter().map(|role| role.name()).collect::<Vec<_>>())
    .bind(new.id.to_string())
    .bind(request_id)
    .fetch_optional(access)
    .await?;
    Ok(row.map(Account::from))
}

pub async fn get(access: &Access, id: UserId) -> Result<Option<Account>, sqlx::Error> {
    let row: Option<Row> =
        sqlx::query_as("select id, email, name, roles, created_at from accounts where id = $1")
            .bind(id.uuid())
            .fetch_optional(access)
            .await?;
    Ok(row.map(Account::from))
}

pub async fn credentials(
    access: &Access,
    email: &Email,
) -> Result<Option<Credentials>, sqlx::Error> {
    let row: Option<(Uuid, String, Vec<String>)> = sqlx::query_as(
        "select id, password_hash, roles from accounts where lower(email) = lower($1)",
    )
    .bind(email.as_str())
    .fetch_optional(access)
    .await?;
    Ok(row.map(|(id, password_hash, roles)| Credentials {
        id: UserId::from_uuid(id),
        password_hash,
        roles: role::parse(&roles),
    }))
}

/// Gives an account a role; `false` if it has the role already.
pub async fn grant_role(
    access: &Access,
    account: UserId,
    role: Role,
    request_id: &str,
) -> Result<bool, sqlx::Error> {
    let granted = sqlx::query(
        "with granted as (
             update accounts set roles = array_append(roles, $2)
             where id = $1 and $2 <> all (roles)
             returning id
         )
         insert into audit_log (actor, action, subject, request_id)
         select $3, 'account.grant_role', $3, $4 from granted",
    )
    .bind(account.uuid())
    .bind(role.name())
    .bind(account.to_string())
    .bind(request_id)
    .execute(access)
    .await?;
    Ok(granted.rows_affected() == 1)
}
