//! Accounts: who has one, and how they get in.

use std::time::Duration;

use secrecy::SecretString;
use souk_db::Database;
use souk_db::audit::{self, Entry};
use souk_kit::id::{self, UserId};
use souk_kit::request::Context;
use time::OffsetDateTime;

use crate::passwords::{self, Hasher, Verdict};
use crate::roles::Role;
use crate::{Error, store};

/// How long the work of a starting process may take.
const START_LIMIT: Duration = Duration::from_secs(10);

/// An e-mail address, as its owner writes it. Never logged.
#[derive(Clone)]
pub struct Email(String);

impl Email {
    /// Takes text of the shape of an address. The contract has the strict rule; this one keeps out
    /// what no database column should get.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let halves = text
            .rsplit_once('@')
            .filter(|(local, domain)| !local.is_empty() && !domain.is_empty() && text.len() <= 254);
        match halves {
            Some(_) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Error::Email),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a person.
#[derive(Clone)]
pub struct Name(String);

impl Name {
    /// Takes any text but blanks and control characters (PostgreSQL has no place for a NUL).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=200).contains(&text.chars().count())
            && !text.trim().is_empty()
            && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::Name) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account.
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// The address it signs in with.
    pub email: String,
    /// The name of the person.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Since when there is one.
    pub created_at: OffsetDateTime,
}

/// What it takes to have an account.
pub struct Registration {
    /// The address to sign in with.
    pub email: Email,
    /// The password, not yet checked.
    pub password: SecretString,
    /// The name of the person.
    pub name: Name,
}

/// An account whose password was right.
pub struct Authenticated {
    /// The account.
    pub id: UserId,
    /// What it may do.
    pub roles: Vec<Role>,
    /// A hash to store, when the old one was made with other parameters.
    pub rehash: Option<Rehash>,
}

/// A new hash of the same password.
pub struct Rehash {
    /// The one that it replaces.
    pub old: String,
    /// The one to store.
    pub new: String,
}

/// The accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    database: Database,
    hasher: Hasher,
}

impl Accounts {
    /// The accounts in a database.
    pub fn new(database: Database, hasher: Hasher) -> Self {
        Self { database, hasher }
    }

    /// Creates an account.
    pub async fn register(
        &self,
        context: &Context,
        registration: &Registration,
    ) -> Result<Account, Error> {
        self.create(context, registration, &[Role::User]).await
    }

    /// The account of this id.
    pub async fn get(&self, id: UserId) -> Result<Account, Error> {
        store::account(self.database.pool(), id).await?.ok_or(Error::AccountGone(id))
    }

    /// Makes sure that this address has an account that is an admin. True if there was no account.
    /// One that is no admin becomes one only by its own password: whoever registered somebody
    /// else's address does not get in this way.
    pub async fn ensure_admin(&self, email: &str, password: &SecretString) -> Result<bool, Error> {
        let context = Context::background(START_LIMIT);
        let email = Email::parse(email)?;
        let name = Name::parse("Administrator")?;
        let registration = Registration { email, password: password.clone(), name };
        if store::credentials(self.database.pool(), &registration.email).await?.is_none() {
            match self.create(&context, &registration, &[Role::User, Role::Admin]).await {
                Ok(_) => return Ok(true),
                // another process was faster
                Err(Error::EmailTaken) => {}
                Err(error) => return Err(error),
            }
        }
        let email = &registration.email;
        let known = store::credentials(self.database.pool(), email).await?;
        if !known.is_some_and(|known| known.roles.contains(&Role::Admin)) {
            self.authenticate(email.as_str(), password).await?;
            self.grant(&context, email, Role::Admin).await?;
        }
        Ok(false)
    }

    /// Checks an e-mail address and password. It takes as long for an address that nobody has.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<Authenticated, Error> {
        let stored = match Email::parse(username) {
            Ok(email) => store::credentials(self.database.pool(), &email).await?,
            Err(_) => None,
        };
        let hash = stored.as_ref().map(|stored| stored.password_hash.as_str());
        let verdict = self.hasher.verify(password, hash).await?;
        match (stored, verdict) {
            (None, _) | (_, Verdict::Wrong) => Err(Error::InvalidCredentials),
            (Some(stored), Verdict::Right) => {
                Ok(Authenticated { id: stored.id, roles: stored.roles, rehash: None })
            }
            (Some(stored), Verdict::Outdated) => {
                // a full queue does not refuse a right password: it is rehashed another time
                let new = self.hasher.hash(password).await.ok();
                let rehash = new.map(|new| Rehash { old: stored.password_hash, new });
                Ok(Authenticated { id: stored.id, roles: stored.roles, rehash })
            }
        }
    }

    async fn create(
        &self,
        context: &Context,
        Registration { email, password, name }: &Registration,
        roles: &[Role],
    ) -> Result<Account, Error> {
        passwords::check(password, email, name).map_err(Error::Weak)?;
        let hash = self.hasher.hash(password).await?;
        let id: UserId = id::new();
        let mut transaction = self.database.begin(context.remaining()).await?;
        let new = store::NewAccount { id, email, name, password_hash: &hash, roles };
        // the unique index decides who was first, not a look beforehand
        let account = store::insert_account(&mut transaction, &new).await?;
        let account = account.ok_or(Error::EmailTaken)?;
        append(&mut transaction, context, "account.create", id).await?;
        transaction.commit().await?;
        Ok(account)
    }

    /// Gives the account of this address a role, unless it has it.
    async fn grant(&self, context: &Context, email: &Email, role: Role) -> Result<(), Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        let granted = store::grant_role(&mut transaction, email, role).await?;
        if let Some(id) = granted {
            append(&mut transaction, context, "account.grant_role", id).await?;
        }
        transaction.commit().await?;
        if let Some(id) = granted {
            // whoever runs the shop should know that this account was there before
            tracing::warn!(account = %id, role = role.name(), "an existing account was given a role");
        }
        Ok(())
    }
}

async fn append(
    transaction: &mut sqlx::PgConnection,
    context: &Context,
    action: &str,
    account: UserId,
) -> Result<(), sqlx::Error> {
    let account = account.to_string();
    // before anybody has signed in the account acts for itself, as far as anyone knows
    let entry =
        Entry { actor: &account, action, subject: &account, request_id: &context.request_id };
    audit::append(transaction, &entry).await
}
