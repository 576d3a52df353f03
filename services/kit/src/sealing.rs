//! Encryption of what is stored and must not be read from a database alone: private keys, secrets of webhooks.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;

use crate::secret::MasterSecret;

const NONCE_LEN: usize = 24;

/// Encrypts for one use: XChaCha20-Poly1305, whose nonces are long enough to be random. What a text belongs to
/// is authenticated along, so that no row can stand in for another.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

/// Nothing can be sealed: the operating system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("cannot seal")]
pub struct Unsealable;

impl Sealer {
    /// The sealer for one use under a process's secret.
    ///
    /// # Errors
    ///
    /// None that has ever been: the key has its length by construction.
    pub fn new(secret: &MasterSecret, purpose: &str) -> Result<Self, Unsealable> {
        let key = secret.derive(purpose);
        Ok(Self(XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_| Unsealable)?))
    }

    /// Nonce and ciphertext of a text that belongs to `owner`.
    ///
    /// # Errors
    ///
    /// [`Unsealable`].
    pub fn seal(&self, owner: &[u8], text: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut sealed = vec![0; NONCE_LEN];
        getrandom::fill(&mut sealed).map_err(|_| Unsealable)?;
        let nonce = XNonce::try_from(sealed.as_slice()).map_err(|_| Unsealable)?;
        let payload = Payload { msg: text, aad: owner };
        sealed.extend(self.0.encrypt(&nonce, payload).map_err(|_| Unsealable)?);
        Ok(sealed)
    }

    /// The text that was sealed; `None` where it was under another secret, or for another owner.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let payload = Payload { msg: ciphertext, aad: owner };
        self.0.decrypt(&XNonce::try_from(nonce).ok()?, payload).ok().map(Zeroizing::new)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str, purpose: &str) -> Sealer {
        Sealer::new(&MasterSecret::new(secret.repeat(32).into()).unwrap(), purpose).unwrap()
    }

    #[test]
    fn a_text_opens_with_the_secret_and_for_the_use_and_the_owner_that_it_was_sealed_for() {
        let sealed = sealer("a", "use").seal(b"me", b"a text").unwrap();
        assert_eq!(sealer("a", "use").open(b"me", &sealed).unwrap().as_slice(), b"a text");
        assert!(sealer("b", "use").open(b"me", &sealed).is_none());
        assert!(sealer("a", "another use").open(b"me", &sealed).is_none());
        assert!(sealer("a", "use").open(b"you", &sealed).is_none());
        assert!(sealer("a", "use").open(b"me", &sealed[..20]).is_none());
        assert_ne!(sealed, sealer("a", "use").seal(b"me", b"a text").unwrap());
    }
}
