//! Forgetting what nobody can use any more.

use std::time::Duration;

use souk_db::{Access, Database};

use crate::{Error, store};

/// How long a statement may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// Forgets the refresh tokens that have expired, and the sessions that have none left.
pub async fn forget_expired(database: &Database) -> Result<(), Error> {
    let access = || -> Access { database.within(STATEMENT_LIMIT) };
    while store::sessions::delete_expired_tokens(&access()).await? > 0 {}
    while store::sessions::delete_empty(&access()).await? > 0 {}
    Ok(())
}
