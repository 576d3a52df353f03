//! Signatures of webhooks, as Standard Webhooks 1.0.0 has them: HMAC-SHA-256, `v1`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// The length of the secrets that are made here.
const LENGTH: usize = 32;

/// The secret of an endpoint: 24 to 64 bytes. Neither `Debug` nor `Display` shows it.
#[derive(Debug, Clone)]
pub struct Secret(SecretSlice<u8>);

/// Why there is no secret. None of these tells anything of its text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text does not begin as one of ours.
    #[error("a secret begins with {PREFIX}")]
    Prefix,
    /// What follows is no base64.
    #[error("a secret is {PREFIX} and base64 with padding")]
    Encoding,
    /// It is too short to be safe, or longer than the standard has it.
    #[error("a secret has 24 to 64 bytes")]
    Length,
    /// The operating system has no randomness to give.
    #[error("no randomness")]
    Randomness(#[from] getrandom::Error),
}

impl Secret {
    /// A new secret, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`Error::Randomness`].
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = vec![0; LENGTH];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Reads the text of a secret.
    ///
    /// # Errors
    ///
    /// The text is none of a secret.
    pub fn parse(text: &SecretString) -> Result<Self, Error> {
        let encoded = text.expose_secret().strip_prefix(PREFIX).ok_or(Error::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| Error::Encoding)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(Error::Length);
        }
        Ok(Self(bytes.into()))
    }

    /// The text of the secret, for who keeps it and for the owner of the endpoint.
    #[must_use]
    pub fn reveal(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    fn mac(&self, parts: &[&[u8]]) -> String {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}…")
    }
}

/// The header `webhook-signature`: one signature by each of the secrets, in their order, which is the newest
/// first while they rotate. An `id` has no full stop, or a signature would hold for other parts as well.
#[must_use]
pub fn sign(id: &str, timestamp: i64, body: &[u8], secrets: &[Secret]) -> String {
    let head = format!("{id}.{timestamp}.");
    let signature = |secret: &Secret| format!("v1,{}", secret.mac(&[head.as_bytes(), body]));
    secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use standardwebhooks::{Webhook, WebhookError};
    use time::OffsetDateTime;

    use super::*;

    const BODY: &[u8] = br#"{"type":"order.paid","data":{"id":"order_01"}}"#;

    fn headers(timestamp: i64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_01".parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    /// What a receiver makes of it who has this secret.
    fn verify(secret: &Secret, headers: &HeaderMap, body: &[u8]) -> Result<(), WebhookError> {
        Webhook::new(secret.reveal().expose_secret()).unwrap().verify(body, headers)
    }

    #[test]
    fn receivers_with_the_new_and_with_the_old_secret_verify_what_is_signed() {
        let [new, old, other] = [(); 3].map(|()| Secret::generate().unwrap());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let headers = headers(now, &sign("msg_01", now, BODY, &[new.clone(), old.clone()]));
        verify(&new, &headers, BODY).unwrap();
        verify(&old, &headers, BODY).unwrap();
        assert!(verify(&other, &headers, BODY).is_err());
    }

    #[test]
    fn receivers_refuse_what_was_altered() {
        let secret = Secret::generate().unwrap();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let signature = sign("msg_01", now, BODY, std::slice::from_ref(&secret));
        let altered = BODY.to_ascii_uppercase();
        assert!(verify(&secret, &headers(now, &signature), &altered).is_err());
        assert!(verify(&secret, &headers(now + 1, &signature), BODY).is_err());
        let mut headers = headers(now, &signature);
        headers.insert("webhook-id", "msg_02".parse().unwrap());
        assert!(verify(&secret, &headers, BODY).is_err());
    }

    #[test]
    fn there_is_one_signature_a_secret_and_the_newest_comes_first() {
        let [new, old] = [(); 2].map(|()| Secret::generate().unwrap());
        let both = sign("msg_01", 7, BODY, &[new.clone(), old.clone()]);
        let each = [sign("msg_01", 7, BODY, &[new]), sign("msg_01", 7, BODY, &[old])];
        assert_eq!(both, each.join(" "));
        assert!(each.iter().all(|one| one.starts_with("v1,") && !one.contains(' ')));
    }

    #[test]
    fn a_signature_is_that_of_the_oracle() {
        let secret = Secret::generate().unwrap();
        let oracle = Webhook::new(secret.reveal().expose_secret()).unwrap();
        assert_eq!(sign("msg_01", 7, BODY, &[secret]), oracle.sign("msg_01", 7, BODY).unwrap());
    }

    #[test]
    fn a_secret_survives_its_text() {
        for length in [24, 32, 64] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; length]));
            let secret = Secret::parse(&text.clone().into()).unwrap();
            assert_eq!(secret.reveal().expose_secret(), text);
        }
    }

    #[test]
    fn no_text_but_that_of_a_secret_is_taken() {
        let parse = |text: &str| Secret::parse(&text.to_owned().into());
        let bytes = |length| STANDARD.encode(vec![7; length]);
        assert!(matches!(parse(&bytes(32)), Err(Error::Prefix)));
        assert!(matches!(parse("whsec_no base64"), Err(Error::Encoding)));
        assert!(matches!(parse("whsec_"), Err(Error::Length)));
        for length in [23, 65] {
            assert!(matches!(parse(&format!("whsec_{}", bytes(length))), Err(Error::Length)));
        }
    }

    #[test]
    fn no_secret_is_shown_unasked_and_no_two_are_the_same() {
        let [one, other] = [(); 2].map(|()| Secret::generate().unwrap());
        assert_ne!(one.reveal().expose_secret(), other.reveal().expose_secret());
        assert_eq!(one.to_string(), "whsec_…");
        let bytes = one.0.expose_secret();
        let shown = format!("{one} {one:?} {:?}", one.reveal());
        assert!(!shown.contains(&STANDARD.encode(bytes)) && !shown.contains(&format!("{bytes:?}")));
    }
}
