//! Access tokens, verified offline and remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::http::HeaderValue;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use serde::Deserialize;
use souk_proto::souk::auth::v1::GetJwksRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;

use crate::support::suite::connect;

/// How many are remembered.
const REMEMBERED: usize = 8_192;

pub struct Tokens {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    known: Cache<String, Known>,
}

/// Who a token speaks for, and until when: seconds since 1970.
#[derive(Clone)]
struct Known {
    caller: Arc<str>,
    expires_at: u64,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

impl Tokens {
    /// Fetches the keys of the auth service at a URL.
    pub async fn fetch(auth: &str) -> Result<Self> {
        // the same cryptography as Souk's
        souk_kit::auth::install_ed25519();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.set_issuer(&["souk"]);
        validation.set_audience(&["souk"]);
        let jwks = AuthServiceClient::new(connect(auth).await?).get_jwks(GetJwksRequest {}).await?;
        let keys = jwks.into_inner().keys.into_iter();
        let keys = keys.map(|key| Ok((key.kid, DecodingKey::from_ed_components(&key.x)?)));
        Ok(Self { keys: keys.collect::<Result<_>>()?, validation, known: Cache::new(REMEMBERED) })
    }

    /// Who the value of an `Authorization` header speaks for.
    pub fn verify(&self, authorization: &HeaderValue) -> Option<Arc<str>> {
        let token = authorization.to_str().ok()?.strip_prefix("Bearer ")?;
        let known = self.known.get(token).or_else(|| {
            let known = self.decode(token)?;
            self.known.insert(token.to_owned(), known.clone());
            Some(known)
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        (known.expires_at >= now).then_some(known.caller)
    }

    fn decode(&self, token: &str) -> Option<Known> {
        let key = self.keys.get(&jsonwebtoken::decode_header(token).ok()?.kid?)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok()?.claims;
        Some(Known { caller: claims.sub.into(), expires_at: claims.exp })
    }
}
