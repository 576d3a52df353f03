//! Who asks: access tokens, verified offline against the published keys, and the tokens with which
//! services call each other.

mod claims;
mod ed25519;
mod service_token;
mod verifier;

pub use claims::{Claims, ISSUER};
pub use ed25519::{SigningKey, install as install_ed25519, jwk};
pub use service_token::ServiceToken;
pub use verifier::Verifier;

use std::fmt;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::id::{SessionId, UserId};
use crate::policy::Scopes;

/// The audience of tokens that every service of Souk accepts.
pub const AUDIENCE: &str = "souk";

/// Who a valid access token speaks for.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account or service.
    pub subject: Subject,
    /// The sign-in that the token comes from; services have none.
    pub session: Option<SessionId>,
    /// What the token allows.
    pub scopes: Scopes,
    /// When it ends: an answer that takes longer has to ask for another one.
    pub expires_at: SystemTime,
}

/// The subject of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person's account.
    User(UserId),
    /// A service, by its client id.
    Service(String),
}

/// As logs and histories name it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Service(name) => f.write_str(name),
        }
    }
}

impl Principal {
    /// What identifies the caller among all callers: that of an account is its own; that of a
    /// service is made of its name.
    pub fn id(&self) -> Uuid {
        match &self.subject {
            Subject::User(id) => id.uuid(),
            Subject::Service(name) => {
                let digest: [u8; 32] = Sha256::digest(name).into();
                Uuid::from_u128(
                    digest.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)),
                )
            }
        }
    }

    /// The account, where the caller is one.
    pub fn user(&self) -> Option<UserId> {
        match self.subject {
            Subject::User(id) => Some(id),
            Subject::Service(_) => None,
        }
    }
}
