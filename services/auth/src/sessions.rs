//! Sessions: a sign-in and the refresh tokens that keep it going.
//!
//! Each refresh token is good for one exchange. The successor is computed from the token and a key
//! of ours, so a client whose answer got lost gets the same one again without our storing it. A
//! token that comes back later than that was copied: nobody can say by whom, so the session ends.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use souk_db::Database;
use souk_db::audit::{self, Entry};
use souk_kit::id;
use souk_kit::request::Context;
use souk_kit::secret::{self, Key};
use sqlx::PgConnection;

use crate::accounts::Accounts;
use crate::tokens::{Holder, Issuer, Token};
use crate::{Error, store};

/// How long a refresh token waits to be used.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a client may repeat an exchange whose answer it did not get.
pub const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// An opaque token of 256 bits.
#[derive(Clone)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// What a client has sent.
    pub fn new(text: impl Into<SecretString>) -> Self {
        Self(text.into())
    }

    /// What the client gets.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database knows of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose()).into()
    }

    fn successor(&self, key: &Key) -> Self {
        Self::new(URL_SAFE_NO_PAD.encode(key.mac(&[self.expose().as_bytes()])))
    }
}

/// The sessions.
#[derive(Debug, Clone)]
pub struct Sessions {
    database: Database,
    accounts: Accounts,
    issuer: Issuer,
    successor_key: Key,
}

impl Sessions {
    /// The sessions in a database.
    pub fn new(database: Database, accounts: Accounts, issuer: Issuer, successor_key: Key) -> Self {
        Self { database, accounts, issuer, successor_key }
    }

    /// Begins a session with an e-mail address and password.
    pub async fn sign_in(
        &self,
        context: &Context,
        username: &str,
        password: &SecretString,
    ) -> Result<Token, Error> {
        let account = self.accounts.authenticate(username, password).await?;
        let holder = Holder { session: id::new(), account: account.id, roles: account.roles };
        let refresh = RefreshToken(secret::random_token()?);
        let mut transaction = self.database.begin(context.remaining()).await?;
        if let Some(rehash) = &account.rehash {
            store::replace_password_hash(&mut transaction, account.id, rehash).await?;
        }
        store::insert_session(&mut transaction, &holder).await?;
        store::insert_refresh_token(&mut transaction, &holder, &refresh).await?;
        append(&mut transaction, context, &holder.account.to_string(), "session.create", &holder)
            .await?;
        transaction.commit().await?;
        self.issuer.person(&holder, refresh)
    }

    /// Exchanges a refresh token for its successor and an access token.
    pub async fn refresh(&self, context: &Context, token: &RefreshToken) -> Result<Token, Error> {
        let successor = token.successor(&self.successor_key);
        let mut transaction = self.database.begin(context.remaining()).await?;
        let holder = match store::rotate(&mut transaction, token).await? {
            Some(holder) => {
                store::insert_refresh_token(&mut transaction, &holder, &successor).await?;
                Some(holder)
            }
            None => repeat(&mut transaction, context, token, &successor).await?,
        };
        // also when the answer is no: it may have ended the session
        transaction.commit().await?;
        self.issuer.person(&holder.ok_or(Error::InvalidCredentials)?, successor)
    }

    /// Ends the session of a refresh token, if it is one.
    pub async fn revoke(&self, context: &Context, token: &RefreshToken) -> Result<(), Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        if let Some(holder) = store::revoke_session_of(&mut transaction, token).await? {
            let actor = holder.account.to_string();
            append(&mut transaction, context, &actor, "session.revoke", &holder).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes the tokens that have expired, and the sessions that have none left.
    pub async fn forget_expired(&self) -> Result<(), Error> {
        while store::delete_expired_tokens(self.database.pool()).await? > 0 {}
        while store::delete_empty_sessions(self.database.pool()).await? > 0 {}
        Ok(())
    }
}

/// A token that cannot be exchanged: is it one that was a moment ago, whose successor nobody has
/// used? Then its client asks again. Otherwise, if it ever was exchanged, its session ends.
async fn repeat(
    transaction: &mut PgConnection,
    context: &Context,
    token: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Option<Holder>, Error> {
    let Some(past) = store::rotated(transaction, token, successor).await? else {
        return Ok(None);
    };
    if past.is_retry {
        return Ok(Some(past.holder));
    }
    if store::revoke_session(transaction, &past.holder).await? {
        append(transaction, context, "auth", "session.revoke_on_reuse", &past.holder).await?;
        tracing::warn!(session = %past.holder.session, "a refresh token was used again");
    }
    Ok(None)
}

async fn append(
    transaction: &mut PgConnection,
    context: &Context,
    actor: &str,
    action: &str,
    holder: &Holder,
) -> Result<(), sqlx::Error> {
    let subject = holder.session.to_string();
    let entry = Entry { actor, action, subject: &subject, request_id: &context.request_id };
    audit::append(transaction, &entry).await
}
