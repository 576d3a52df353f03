//! Signing in: an e-mail address and password begin a session.

use secrecy::SecretString;
use souk_db::Database;
use souk_kit::id;
use souk_kit::request::Context;

use crate::authenticating::authenticate;
use crate::hashing::Hasher;
use crate::session::{Holder, RefreshToken};
use crate::token::{Issuer, Token};
use crate::{Error, store};

/// Begins sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SigningIn {
    database: Database,
    hasher: Hasher,
    issuer: Issuer,
}

impl SigningIn {
    pub fn new(database: Database, hasher: Hasher, issuer: Issuer) -> Self {
        Self { database, hasher, issuer }
    }

    /// Begins a session with an e-mail address and password.
    pub async fn sign_in(
        &self,
        context: &Context,
        username: &str,
        password: &SecretString,
    ) -> Result<Token, Error> {
        let access = self.database.until(context.deadline);
        let account = authenticate(&access, &self.hasher, username, password).await?;
        let holder = Holder { session: id::new(), account: account.id, roles: account.roles };
        let refresh = RefreshToken::random()?;
        let (rehash, request_id) = (account.rehash.as_ref(), &context.request_id);
        store::sessions::begin(&access, &holder, &refresh, rehash, request_id).await?;
        self.issuer.person(&holder, refresh)
    }
}
