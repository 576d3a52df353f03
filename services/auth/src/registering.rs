//! Registering: a new account.

use souk_db::Database;
use souk_kit::id;
use souk_kit::request::Context;

use crate::account::{Account, NewAccount, Registration};
use crate::hashing::Hasher;
use crate::role::Role;
use crate::{Error, password, store};

/// Creates accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registering {
    database: Database,
    hasher: Hasher,
}

impl Registering {
    pub fn new(database: Database, hasher: Hasher) -> Self {
        Self { database, hasher }
    }

    /// Creates an account, unless there is one of this address.
    pub async fn register(
        &self,
        context: &Context,
        Registration { email, password, name }: &Registration,
        roles: &[Role],
    ) -> Result<Account, Error> {
        password::check(password, email, name).map_err(Error::Weak)?;
        let password_hash = &self.hasher.hash(password).await?;
        let new = NewAccount { id: id::new(), email, name, password_hash, roles };
        let access = self.database.until(context.deadline);
        let account = store::accounts::insert(&access, &new, &context.request_id).await?;
        account.ok_or(Error::EmailTaken)
    }
}
