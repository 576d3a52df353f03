//! Appointing an admin, when a process starts.

use std::time::Duration;

use secrecy::SecretString;
use souk_db::Database;
use souk_kit::request::Context;

use crate::account::{Email, Name, Registration};
use crate::authenticating::authenticate;
use crate::hashing::Hasher;
use crate::registering::Registering;
use crate::role::Role;
use crate::{Error, store};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Appoints admins. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Appointing {
    database: Database,
    hasher: Hasher,
    registering: Registering,
}

impl Appointing {
    pub fn new(database: Database, hasher: Hasher, registering: Registering) -> Self {
        Self { database, hasher, registering }
    }

    /// Makes sure that this address has an account that is an admin. True if there was no account.
    /// One that is no admin becomes one only by its own password: whoever registered somebody
    /// else's address does not get in this way.
    pub async fn ensure_admin(&self, email: &str, password: &SecretString) -> Result<bool, Error> {
        let context = Context::background(LIMIT);
        let email = Email::parse(email).ok_or(Error::Email)?;
        let name = Name::parse("Administrator").ok_or(Error::Name)?;
        let registration = Registration { email, password: password.clone(), name };
        let access = self.database.until(context.deadline);
        if store::accounts::credentials(&access, &registration.email).await?.is_none() {
            let roles = [Role::User, Role::Admin];
            match self.registering.register(&context, &registration, &roles).await {
                Ok(_) => return Ok(true),
                // another process was faster
                Err(Error::EmailTaken) => {}
                Err(error) => return Err(error),
            }
        }
        let email = &registration.email;
        let known = store::accounts::credentials(&access, email).await?;
        if !known.is_some_and(|known| known.roles.contains(&Role::Admin)) {
            let account = authenticate(&access, &self.hasher, email.as_str(), password).await?;
            let (id, role) = (account.id, Role::Admin);
            if store::accounts::grant_role(&access, id, role, &context.request_id).await? {
                // whoever runs the shop should know that this account was there before
                let role = role.name();
                tracing::warn!(account = %id, role, "an existing account was given a role");
            }
        }
        Ok(false)
    }
}
