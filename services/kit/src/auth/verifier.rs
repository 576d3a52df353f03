//! Verifies access tokens offline, against the keys that the auth service publishes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
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
/// The same after a fetch that failed: the keys at hand still serve.
const MAX_AGE_RETRY: Duration = Duration::from_secs(10);
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::from_secs(5);
/// How many tokens are remembered, so that the next call with one costs no signature check.
const REMEMBERED: usize = 8_192;

/// Verifies access tokens for one service.
#[derive(Debug)]
pub struct Verifier {
    auth: AuthServiceClient<Channel>,
    validation: Validation,
    keys: RwLock<HashMap<String, DecodingKey>>,
    fetched: Mutex<Option<Fetched>>,
    /// How often keys were fetched.
    loads: AtomicU64,
    /// Tokens that were good, by their SHA-256: the tokens themselves are nowhere.
    known: Cache<[u8; 32], Arc<Principal>>,
}

#[derive(Debug, Clone, Copy)]
struct Fetched {
    at: Instant,
    succeeded: bool,
}

/// The header of a token, with what must not be there: an extension that we do not know could change
/// what the token means (RFC 7515, section 4.1.11; RFC 7797).
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

/// Any value will do, null too.
fn is_there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
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
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        Self {
            auth: AuthServiceClient::new(auth),
            validation,
            keys: RwLock::default(),
            fetched: Mutex::default(),
            loads: AtomicU64::new(0),
            known: Cache::new(REMEMBERED),
        }
    }

    /// Who a request's `Authorization: Bearer …` speaks for.
    ///
    /// # Errors
    ///
    /// There is no token, or more than one; it is not valid, or it has expired; or the keys cannot be
    /// had.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Failure> {
        let token = bearer(headers)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(principal) = self.known.get(&digest) {
            let is_good = SystemTime::now() - LEEWAY <= principal.expires_at;
            return if is_good { Ok(principal) } else { Err(expired()) };
        }
        let loads = self.loads.load(Ordering::Acquire);
        let principal = Arc::new(self.verify(token).await?);
        self.known.insert(digest, principal.clone());
        // keys that were fetched meanwhile may no longer have the one that this was verified with
        if self.loads.load(Ordering::Acquire) != loads {
            self.known.remove(&digest);
        }
        Ok(principal)
    }

    async fn verify(&self, token: &str) -> Result<Principal, Failure> {
        let header = header(token).ok_or_else(invalid)?;
        let key = self.key(&header.kid.ok_or_else(invalid)?).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => expired(),
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
        // a token of a key that is no longer published is no longer good
        self.loads.fetch_add(1, Ordering::AcqRel);
        self.known.clear();
        Ok(())
    }

    /// Fetches the keys again before they are too old, until dropped. Part of a service's
    /// background work.
    pub async fn keep_fresh(&self) {
        let mut age = MAX_AGE;
        loop {
            tokio::time::sleep(age).await;
            let mut fetched = self.fetched.lock().await;
            let succeeded = self.load().await.is_ok();
            *fetched = Some(Fetched { at: Instant::now(), succeeded });
            age = if succeeded { MAX_AGE } else { MAX_AGE_RETRY };
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let missing = || Failure::new(Reason::Unauthenticated, "the call needs an access token");
    let first = given.next().ok_or_else(missing)?;
    if given.next().is_some() {
        let message = "the call has more than one authorization header";
        return Err(Failure::new(Reason::MalformedRequest, message));
    }
    let parts = first.to_str().ok().and_then(|value| value.split_once(' '));
    let (scheme, token) = parts.ok_or_else(missing)?;
    // the scheme is case-insensitive (RFC 9110, section 11.1)
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_start()) } else { Err(missing()) }
}

/// The header of a token of the only kind that is taken.
fn header(token: &str) -> Option<Header> {
    let encoded = token.split('.').next()?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    let is_ours = header.alg == "EdDSA"
        && header.typ.as_deref() == Some("at+jwt")
        && !header.crit
        && !header.b64;
    is_ours.then_some(header)
}

fn expired() -> Failure {
    Failure::new(Reason::TokenExpired, "the access token has expired")
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
    let expires_at = UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp.try_into().ok()?))?;
    Some(Principal { subject, session, scopes: Scopes::parse(&claims.scope), expires_at })
}

fn invalid() -> Failure {
    Failure::new(Reason::Unauthenticated, "the access token is not valid")
}

fn keys_unavailable() -> Failure {
    Failure::unavailable("access tokens cannot be verified at the moment")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use souk_proto::souk::auth::v1::auth_service_server::{AuthService, AuthServiceServer};
    use souk_proto::souk::auth::v1::{
        CreateTokenRequest, GetMeRequest, Jwk, Jwks, RegisterRequest, RevokeTokenRequest, Token,
        User,
    };
    use tonic::{Request, Response, Status};

    use super::*;

    /// An auth service that publishes a key, or is out.
    #[derive(Default)]
    struct Publisher {
        is_out: AtomicBool,
        asked: AtomicUsize,
    }

    #[tonic::async_trait]
    impl AuthService for Publisher {
        async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_out.load(Ordering::Relaxed) {
                return Err(Status::unavailable("out"));
            }
            let key = Jwk {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
                kid: "the key".to_owned(),
                ..Jwk::default()
            };
            Ok(Response::new(Jwks { keys: vec![key] }))
        }

        async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<User>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn create_token(
            &self,
            _: Request<CreateTokenRequest>,
        ) -> Result<Response<Token>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn revoke_token(
            &self,
            _: Request<RevokeTokenRequest>,
        ) -> Result<Response<()>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn get_me(&self, _: Request<GetMeRequest>) -> Result<Response<User>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_could_not_be_fetched_are_asked_for_again_within_seconds() {
        let publisher = Arc::new(Publisher::default());
        publisher.is_out.store(true, Ordering::Relaxed);
        let auth = Channel::in_process(AuthServiceServer::from_arc(publisher.clone()));
        let verifier = Arc::new(Verifier::new(auth, AUDIENCE));
        let kept = verifier.clone();
        let keeping = tokio::spawn(async move { kept.keep_fresh().await });

        tokio::time::sleep(MAX_AGE + Duration::from_secs(1)).await;
        assert_eq!(publisher.asked.load(Ordering::Relaxed), 1);
        publisher.is_out.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(publisher.asked.load(Ordering::Relaxed), 2);
        assert!(verifier.cached("the key").is_some());
        // and no more often than need be from then on
        tokio::time::sleep(MAX_AGE - Duration::from_secs(5)).await;
        assert_eq!(publisher.asked.load(Ordering::Relaxed), 2);
        keeping.abort();
    }
}
