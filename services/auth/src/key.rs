//! The keys that sign access tokens, and how they are encrypted where they are stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};
use souk_kit::auth::SigningKey;
use souk_kit::sealing;
use souk_kit::secret::MasterSecret;

use crate::Error;

/// The public half of a key, as the database has it.
pub struct PublicKey {
    /// Its id.
    pub kid: String,
    /// The point, 32 bytes.
    pub bytes: Vec<u8>,
}

/// A private key at rest.
pub struct SealedKey {
    /// Its id.
    pub kid: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// Encrypts private keys, each under its id.
pub struct Sealer(sealing::Sealer);

impl Sealer {
    /// A sealer under a process's secret.
    pub fn new(secret: &MasterSecret) -> Result<Self, Error> {
        Ok(Self(sealing::Sealer::new(secret, "signing-key-encryption")?))
    }

    /// A new key: sealed, and its public half.
    pub fn generate(&self) -> Result<(SealedKey, [u8; 32]), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice())?;
        let public = SigningKey::new("", &secret).public();
        let kid = thumbprint(&public);
        let sealed = self.0.seal(kid.as_bytes(), secret.as_slice())?;
        Ok((SealedKey { kid, sealed }, public))
    }

    /// The key that was sealed.
    pub fn open(&self, key: &SealedKey) -> Result<SigningKey, Error> {
        let secret =
            self.decrypt(key).ok_or_else(|| Error::WrongSecret { kid: key.kid.clone() })?;
        Ok(SigningKey::new(&key.kid, &secret))
    }

    fn decrypt(&self, key: &SealedKey) -> Option<Zeroizing<[u8; 32]>> {
        let secret = self.0.open(key.kid.as_bytes(), &key.sealed)?;
        Some(Zeroizing::new(secret.as_slice().try_into().ok()?))
    }
}

/// The id of a key (RFC 7638): two processes can never give one id to two keys.
fn thumbprint(public: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&MasterSecret::new(secret.repeat(32).into()).unwrap()).unwrap()
    }

    #[test]
    fn a_key_opens_with_the_secret_that_sealed_it_and_under_its_own_id_only() {
        let (mut key, _) = sealer("a").generate().unwrap();
        assert_eq!(sealer("a").open(&key).unwrap().kid(), key.kid);
        assert!(matches!(sealer("b").open(&key), Err(Error::WrongSecret { .. })));
        key.kid.push('x');
        assert!(matches!(sealer("a").open(&key), Err(Error::WrongSecret { .. })));
    }

    #[test]
    fn the_id_of_a_key_is_the_thumbprint_of_rfc_8037() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let public = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
