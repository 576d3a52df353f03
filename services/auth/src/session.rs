//! Sessions: a sign-in and the refresh tokens that keep it going.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use souk_kit::id::{SessionId, UserId};
use souk_kit::secret::{self, Key};

use crate::role::Role;

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

    /// The first of a session.
    pub fn random() -> Result<Self, getrandom::Error> {
        secret::random_token().map(Self)
    }

    /// What the client gets.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database knows of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose()).into()
    }

    /// The token that this one is exchanged for.
    pub fn successor(&self, key: &Key) -> Self {
        Self::new(URL_SAFE_NO_PAD.encode(key.mac(&[self.expose().as_bytes()])))
    }
}

/// Who a session belongs to.
pub struct Holder {
    pub session: SessionId,
    pub account: UserId,
    /// What the account may do.
    pub roles: Vec<Role>,
}

/// What is known of a refresh token that was exchanged before, of a session that has not ended.
pub struct Past {
    pub holder: Holder,
    /// Whether its client may just not have got the answer.
    pub is_retry: bool,
}

/// Why a session ends before its tokens do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its holder signs out.
    Revoked,
    /// A refresh token came back that was exchanged before: it was copied.
    Reused,
}

impl End {
    /// The name in the audit log.
    pub fn action(self) -> &'static str {
        match self {
            Self::Revoked => "session.revoke",
            Self::Reused => "session.revoke_on_reuse",
        }
    }
}
