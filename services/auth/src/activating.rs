//! Activating the key that signs access tokens, when a process starts.

use std::time::Duration;

use souk_db::Database;
use souk_kit::auth::SigningKey;
use souk_kit::request::Context;
use souk_kit::secret::MasterSecret;

use crate::key::Sealer;
use crate::{Error, store};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The key that signs now. The first process makes it; those that start at the same time find it.
pub async fn active_key(database: &Database, secret: &MasterSecret) -> Result<SigningKey, Error> {
    let context = Context::background(LIMIT);
    let access = database.until(context.deadline);
    let sealer = Sealer::new(secret)?;
    if let Some(key) = store::keys::active(&access).await? {
        return sealer.open(&key);
    }
    let (key, public) = sealer.generate()?;
    if store::keys::insert_active(&access, &key, &public, &context.request_id).await? {
        tracing::info!(kid = key.kid, "made a signing key");
    }
    // not the one just made: another process may have been faster
    let key = store::keys::active(&access).await?.ok_or(sqlx::Error::RowNotFound)?;
    sealer.open(&key)
}
