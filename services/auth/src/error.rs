//! What can go wrong, and what a caller may know of it.

use souk_kit::Failure;
use souk_kit::id::UserId;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::password::Weakness;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the shape of an e-mail address.
    #[error("this is not an e-mail address")]
    Email,
    /// Not usable as a name.
    #[error("this is not a name")]
    Name,
    /// The password is too easy to guess.
    #[error("the password {0}")]
    Weak(Weakness),
    /// Another account has the e-mail address.
    #[error("there is an account with this e-mail address")]
    EmailTaken,
    /// A password, token or client secret is wrong; which of them is never said.
    #[error("the credentials are not right")]
    InvalidCredentials,
    /// The service may not talk to the one that it wants a token for.
    #[error("the client may not call this service")]
    Audience,
    /// The caller is a service where only a person has something to get.
    #[error("a service has no account")]
    NoAccount,
    /// The caller's account is gone.
    #[error("there is no such account")]
    AccountGone(UserId),
    /// Too many passwords wait to be hashed.
    #[error("too many sign-ins at once")]
    Busy,
    /// The private key in the database cannot be decrypted.
    #[error(
        "cannot decrypt the signing key {kid}: the secret of this process is not the one that \
         encrypted the keys in this database; start with that secret"
    )]
    WrongSecret {
        /// The key.
        kid: String,
    },
    /// The contract asks for idempotency keys, and this service keeps none.
    #[error("the contract asks for what the service does not do")]
    Contract(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database's.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A password cannot be hashed, or a stored hash cannot be read.
    #[error("cannot hash a password")]
    Hash(#[from] argon2::password_hash::Error),
    /// There is no thread to hash a password on.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A hash did not come to its end.
    #[error("a password hash was cut short")]
    Cut,
    /// The operating system has no randomness to give.
    #[error("there is no randomness")]
    Random(#[from] getrandom::Error),
    /// A token cannot be signed.
    #[error("cannot sign an access token")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// A private key cannot be encrypted.
    #[error("cannot encrypt a signing key")]
    Seal(#[from] souk_kit::sealing::Unsealable),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Email => Self::invalid("email", "must be an e-mail address"),
            Error::Name => Self::invalid("name", "must be text without control characters"),
            Error::Weak(weakness) => Self::invalid("password", weakness.to_string()),
            Error::Audience => {
                Self::invalid("audience", "must be a service that the client may call")
            }
            Error::EmailTaken => Self::new(Reason::AlreadyExists, error.to_string()),
            Error::InvalidCredentials => Self::new(Reason::InvalidCredentials, error.to_string()),
            Error::NoAccount => Self::new(Reason::PermissionDenied, error.to_string()),
            Error::AccountGone(id) => Self::not_found("account", id),
            Error::Busy => Self::overloaded(error.to_string()),
            Error::Database(cause) => souk_db::failure(cause),
            Error::WrongSecret { .. }
            | Error::Contract(_)
            | Error::Hash(_)
            | Error::Thread(_)
            | Error::Cut
            | Error::Random(_)
            | Error::Sign(_)
            | Error::Seal(_) => Self::internal(&error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
