//! Authenticating: whose e-mail address and password these are.

use secrecy::SecretString;
use souk_db::Access;
use souk_kit::id::UserId;

use crate::account::{Email, Rehash};
use crate::hash::Verdict;
use crate::hashing::Hasher;
use crate::role::Role;
use crate::{Error, store};

/// An account whose password was right.
pub struct Authenticated {
    pub id: UserId,
    /// What it may do.
    pub roles: Vec<Role>,
    /// A hash to store, when the old one was made with other parameters.
    pub rehash: Option<Rehash>,
}

/// Checks an e-mail address and password. It takes as long for an address that nobody has.
pub async fn authenticate(
    access: &Access,
    hasher: &Hasher,
    username: &str,
    password: &SecretString,
) -> Result<Authenticated, Error> {
    let stored = match Email::parse(username) {
        Some(email) => store::accounts::credentials(access, &email).await?,
        None => None,
    };
    let hash = stored.as_ref().map(|stored| stored.password_hash.as_str());
    let verdict = hasher.verify(password, hash).await?;
    match (stored, verdict) {
        (None, _) | (_, Verdict::Wrong) => Err(Error::InvalidCredentials),
        (Some(stored), Verdict::Right) => {
            Ok(Authenticated { id: stored.id, roles: stored.roles, rehash: None })
        }
        (Some(stored), Verdict::Outdated) => {
            // a full queue does not refuse a right password: it is rehashed another time
            let new = hasher.hash(password).await.ok();
            let rehash = new.map(|new| Rehash { old: stored.password_hash, new });
            Ok(Authenticated { id: stored.id, roles: stored.roles, rehash })
        }
    }
}
