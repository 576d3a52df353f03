//! Refreshing: a refresh token is exchanged for its successor and an access token.
//!
//! Each refresh token is good for one exchange. The successor is computed from the token and a key
//! of ours, so a client whose answer got lost gets the same one again without our storing it. A
//! token that comes back later than that was copied: nobody can say by whom, so the session ends.

use souk_db::{Access, Database};
use souk_kit::request::Context;
use souk_kit::secret::Key;

use crate::session::{End, Holder, RefreshToken};
use crate::token::{Issuer, Token};
use crate::{Error, store};

/// The actor of what nobody asks for.
const ACTOR: &str = "auth";

/// Exchanges refresh tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Refreshing {
    database: Database,
    issuer: Issuer,
    successor_key: Key,
}

impl Refreshing {
    pub fn new(database: Database, issuer: Issuer, successor_key: Key) -> Self {
        Self { database, issuer, successor_key }
    }

    /// Exchanges a refresh token for its successor and an access token.
    pub async fn refresh(&self, context: &Context, token: &RefreshToken) -> Result<Token, Error> {
        let successor = token.successor(&self.successor_key);
        let access = self.database.until(context.deadline);
        let holder = match store::sessions::rotate(&access, token, &successor).await? {
            Some(holder) => Some(holder),
            None => repeat(&access, context, token, &successor).await?,
        };
        self.issuer.person(&holder.ok_or(Error::InvalidCredentials)?, successor)
    }
}

/// A token that cannot be exchanged: is it one that was a moment ago, whose successor nobody has
/// used? Then its client asks again. Otherwise, if it ever was exchanged, its session ends.
async fn repeat(
    access: &Access,
    context: &Context,
    token: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Option<Holder>, Error> {
    let Some(past) = store::sessions::past(access, token, successor).await? else {
        return Ok(None);
    };
    if past.is_retry {
        return Ok(Some(past.holder));
    }
    let session = past.holder.session;
    if store::sessions::end(access, session, End::Reused, ACTOR, &context.request_id).await? {
        tracing::warn!(%session, "a refresh token was used again");
    }
    Ok(None)
}
