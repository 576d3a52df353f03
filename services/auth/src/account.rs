//! Accounts: who has one, and what it takes to get in.

use secrecy::SecretString;
use souk_kit::id::UserId;
use time::OffsetDateTime;

use crate::role::Role;

/// An e-mail address, as its owner writes it. Never logged.
#[derive(Clone)]
pub struct Email(String);

impl Email {
    /// Takes text of the shape of an address. The contract has the strict rule; this one keeps out
    /// what no database column should get.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let fits = !local.is_empty()
            && !domain.is_empty()
            && text.len() <= 254
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
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
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=200).contains(&text.chars().count())
            && !text.trim().is_empty()
            && !text.contains(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account.
pub struct Account {
    pub id: UserId,
    /// The address it signs in with.
    pub email: String,
    /// The name of the person.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
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

/// An account to create.
pub struct NewAccount<'a> {
    pub id: UserId,
    pub email: &'a Email,
    pub name: &'a Name,
    pub password_hash: &'a str,
    pub roles: &'a [Role],
}

/// What a sign-in is checked against.
pub struct Credentials {
    pub id: UserId,
    pub password_hash: String,
    pub roles: Vec<Role>,
}

/// A new hash of the same password.
pub struct Rehash {
    /// The one that it replaces.
    pub old: String,
    /// The one to store.
    pub new: String,
}
