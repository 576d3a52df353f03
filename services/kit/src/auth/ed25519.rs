//! The cryptography of access tokens: Ed25519 and nothing else, so that no token can choose another
//! algorithm and no other implementation is in the tree.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use signature::{Signer, Verifier};
use souk_proto::souk::auth::v1::Jwk;

use super::Claims;

/// The public half of a key as it is published (RFC 8037).
pub fn jwk(kid: &str, public: &[u8]) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: URL_SAFE_NO_PAD.encode(public),
        kid: kid.to_owned(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}

/// The private half of a key that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A key from its 32 secret bytes.
    pub fn new(kid: impl Into<String>, secret: &[u8; 32]) -> Self {
        Self { kid: kid.into(), key: ed25519_dalek::SigningKey::from_bytes(secret) }
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public half, as it is published.
    pub fn jwk(&self) -> Jwk {
        jwk(&self.kid, &self.public())
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs an access token.
    ///
    /// # Errors
    ///
    /// The claims cannot be written as JSON.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        install();
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(self.key.as_bytes()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Makes this the cryptography of the process. Safe to repeat.
pub fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(Ed25519Signer::new(key)?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(Ed25519Verifier::new(key)?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    // an error only says that it has been done before
    let _ = PROVIDER.install_default();
}

struct Ed25519Signer(ed25519_dalek::SigningKey);

impl Ed25519Signer {
    fn new(key: &EncodingKey) -> Result<Self, Error> {
        let secret = key.as_bytes().try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(secret)))
    }
}

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(ed25519_dalek::Signer::sign(&self.0, message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Ed25519Verifier {
    fn new(key: &DecodingKey) -> Result<Self, Error> {
        let public = key.try_get_as_bytes()?.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(VerifyingKey::from_bytes(public).map_err(|_| ErrorKind::InvalidEddsaKey)?))
    }
}

impl Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let signature = Signature::from_slice(signature).map_err(|_| signature::Error::new())?;
        // strict: refuses keys and signatures of small order (RFC 8032, section 5.1.7)
        self.0.verify_strict(message, &signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
