//! Tokens that auth would not give.

use std::time::{SystemTime, UNIX_EPOCH};

use souk_kit::Id;
use souk_kit::auth::{Claims, ISSUER, SigningKey};
use souk_kit::id::{self, kind};
use sqlx::PgConnection;

/// A token of somebody whom nobody knows, with these scopes: signed with a key that a suite trusts which starts later on
/// this database of auth.
pub async fn forge(
    database: &mut PgConnection,
    audience: &str,
    scope: &str,
    expires_in: i64,
) -> String {
    let key = SigningKey::new(id::new::<kind::Session>().to_string(), &[7; 32]);
    sqlx::query(
        "insert into signing_keys (kid, public_key, sealed_key, state, retired_at)
         values ($1, $2, ''::bytea, 'retired', now())
         on conflict do nothing",
    )
    .bind(key.kid())
    .bind(key.public())
    .execute(database)
    .await
    .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let subject: Id<kind::User> = id::new();
    let session: Id<kind::Session> = id::new();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: audience.to_owned(),
        sub: subject.to_string(),
        iat: now - 1000,
        exp: now + expires_in,
        jti: "1".to_owned(),
        sid: session.to_string(),
        scope: scope.to_owned(),
    };
    key.sign(&claims).unwrap()
}
