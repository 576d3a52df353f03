use std::time::Duration;

use souk_db::Access;

use crate::key::{PublicKey, SealedKey};

/// The key that signs.
pub async fn active(access: &Access) -> Result<Option<SealedKey>, sqlx::Error> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("select kid, sealed_key from signing_keys where state = 'active'")
            .fetch_optional(access)
            .await?;
    Ok(row.map(|(kid, sealed)| SealedKey { kid, sealed }))
}

/// Whether it became the active one: there may be one already.
pub async fn insert_active(
    access: &Access,
    key: &SealedKey,
    public: &[u8; 32],
    request_id: &str,
) -> Result<bool, sqlx::Error> {
    let created = sqlx::query(
        "with created as (
             insert into signing_keys (kid, state, public_key, sealed_key)
             values ($1, 'active', $2, $3)
             on conflict (state) where state = 'active' do nothing
             returning kid
         )
         insert into audit_log (actor, action, subject, request_id)
         select 'auth', 'signing_key.create', kid, $4 from created",
    )
    .bind(&key.kid)
    .bind(public)
    .bind(&key.sealed)
    .bind(request_id)
    .execute(access)
    .await?;
    Ok(created.rows_affected() == 1)
}

/// All but those that were retired longer ago than this.
pub async fn public(
    access: &Access,
    retired_within: Duration,
) -> Result<Vec<PublicKey>, sqlx::Error> {
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select kid, public_key from signing_keys
         where state <> 'retired' or retired_at > now() - $1
         order by created_at desc, kid",
    )
    .bind(retired_within)
    .fetch_all(access)
    .await?;
    Ok(rows.into_iter().map(|(kid, bytes)| PublicKey { kid, bytes }).collect())
}
