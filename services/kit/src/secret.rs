//! The secret of a process, and the keys derived from it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

/// The master secret of a process: at least 32 characters of high entropy. Every use has its own
/// key, derived from it.
#[derive(Debug, Clone)]
pub struct MasterSecret(SecretString);

/// The secret is too short to be one.
#[derive(Debug, thiserror::Error)]
#[error("a secret must have at least 32 characters; `openssl rand -base64 32` makes a good one")]
pub struct TooShort;

impl MasterSecret {
    /// Takes over a secret.
    ///
    /// # Errors
    ///
    /// [`TooShort`].
    pub fn new(secret: SecretString) -> Result<Self, TooShort> {
        if secret.expose_secret().len() < 32 { Err(TooShort) } else { Ok(Self(secret)) }
    }

    /// The key for one use (HMAC-SHA-256 of the use under the secret).
    pub fn derive(&self, purpose: &str) -> Key {
        Key(mac(self.0.expose_secret().as_bytes(), &[purpose.as_bytes()]).to_vec().into())
    }
}

/// A 256-bit key for one use.
#[derive(Debug, Clone)]
pub struct Key(SecretSlice<u8>);

impl Key {
    /// HMAC-SHA-256 of the parts. Each part is preceded by its length, so that parts cannot be
    /// shifted.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(self.0.expose_secret(), parts)
    }

    /// The bytes of the key.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// 256 random bits from the operating system, in base64url.
///
/// # Errors
///
/// The operating system has no randomness to give.
pub fn random_token() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}
