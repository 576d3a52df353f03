//! Verifies access tokens offline, against the keys that the auth service publishes.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use souk_proto::souk::auth::v1::GetJwksRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::types::v1::Reason;
use tokio::sync::Mutex;

use super::{AUDIENCE, Claims, ISSUER, Principal, Subject};
use crate::channel::Channel;
use crate::failure::Failure;
use crate::policy::Scopes;
use crate::request::Context;

/// An unknown key makes the keys be fetched again, but no more often than this: otherwise anyone
/// could make every service ask the auth service all the time.
const REFETCH_INTERVAL: Duration = Duration::from_secs(30);
/// After a fetch that failed the next may come sooner: nobody gets in meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Keys older than this are fetched again, so that a retired key is forgotten.
const MAX_AGE: Duration = Duration::from_secs(300);
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: u64 = 5;

/// Verifies access tokens for one service.
#[derive(Debug)]
pub struct Verifier {
    auth: AuthServiceClient<Channel>,
    validation: Validation,
    keys: RwLock<HashMap<String, DecodingKey>>,
    fetched: Mutex<Option<Fetched>>,
}

#[derive(Debug, Clone, Copy)]
struct Fetched {
    at: Instant,
    succeeded: bool,
}

impl Verifier {
    /// A verifier for the service `audience`, with the keys behind `auth`.
    pub fn new(auth: Channel, audience: &str) -> Self {
        super::install_ed25519();
        // the algorithm is fixed here: the token's own word for it is never taken
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE, audience]);
        validation.leeway = LEEWAY;
        Self {
            auth: AuthServiceClient::new(auth),
            validation,
            keys: RwLock::default(),
            fetched: Mutex::default(),
        }
    }

    /// Who a request's `Authorization: Bearer …` speaks for.
    ///
    /// # Errors
    ///
    /// There is no token, it is not valid, or it has expired; or the keys cannot be had.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Failure> {
        let token = bearer(headers).ok_or_else(|| {
            Failure::new(Reason::Unauthenticated, "the call needs an access token")
        })?;
        self.verify(token).await
    }

    async fn verify(&self, token: &str) -> Result<Principal, Failure> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some("at+jwt") {
            return Err(invalid());
        }
        let key = self.key(&header.kid.ok_or_else(invalid)?).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => {
                    Failure::new(Reason::TokenExpired, "the access token has expired")
                }
                _ => invalid(),
            })?
            .claims;
        principal(&claims).ok_or_else(invalid)
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, Failure> {
        if let Some(key) = self.cached(kid) {
            return Ok(key);
        }
        self.fetch(kid).await?;
        self.cached(kid).ok_or_else(invalid)
    }

    fn cached(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }

    /// Fetches the keys, unless that was done a moment ago. One fetch at a time; who waited for it
    /// does not repeat it.
    async fn fetch(&self, kid: &str) -> Result<(), Failure> {
        let mut fetched = self.fetched.lock().await;
        if self.cached(kid).is_some() {
            return Ok(());
        }
        if let Some(last) = *fetched {
            if last.succeeded && last.at.elapsed() < REFETCH_INTERVAL {
                return Ok(());
            }
            if !last.succeeded && last.at.elapsed() < RETRY_INTERVAL {
                return Err(keys_unavailable());
            }
        }
        let result = self.load().await;
        *fetched = Some(Fetched { at: Instant::now(), succeeded: result.is_ok() });
        result
    }

    async fn load(&self) -> Result<(), Failure> {
        let request = Context::background(FETCH_LIMIT).outgoing(GetJwksRequest {});
        let jwks = self.auth.clone().get_jwks(request).await.map_err(|status| {
            tracing::warn!(code = ?status.code(), message = status.message(), "cannot fetch keys");
            keys_unavailable()
        })?;
        let keys = jwks
            .into_inner()
            .keys
            .into_iter()
            .filter(|key| key.kty == "OKP" && key.crv == "Ed25519")
            .filter_map(|key| Some((key.kid, DecodingKey::from_ed_components(&key.x).ok()?)))
            .collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Fetches the keys again before they are too old, until dropped. Part of a service's
    /// background work.
    pub async fn keep_fresh(&self) {
        loop {
            tokio::time::sleep(MAX_AGE).await;
            let mut fetched = self.fetched.lock().await;
            let succeeded = self.load().await.is_ok();
            *fetched = Some(Fetched { at: Instant::now(), succeeded });
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // the scheme is case-insensitive (RFC 9110, section 11.1)
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

fn principal(claims: &Claims) -> Option<Principal> {
    let subject = match claims.sub.strip_prefix("service:") {
        Some(client) => Subject::Service(client.to_owned()),
        None => Subject::User(claims.sub.parse().ok()?),
    };
    let session = match (&subject, claims.sid.as_str()) {
        (Subject::Service(_), "") => None,
        (_, session) => Some(session.parse().ok()?),
    };
    Some(Principal { subject, session, scopes: Scopes::parse(&claims.scope) })
}

fn invalid() -> Failure {
    Failure::new(Reason::Unauthenticated, "the access token is not valid")
}

fn keys_unavailable() -> Failure {
    Failure::unavailable("access tokens cannot be verified at the moment")
}
