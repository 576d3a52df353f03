//! What another service makes of a token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use sha2::Sha256;
use souk_kit::auth::{Principal, Subject, Verifier};
use souk_kit::{Channel, Failure};
use souk_proto::souk::auth::v1::auth_service_server::{AuthService, AuthServiceServer};
use souk_proto::souk::auth::v1::{
    CreateTokenRequest, GetJwksRequest, GetMeRequest, Jwk, Jwks, RegisterRequest,
    RevokeTokenRequest, Token, User,
};
use time::OffsetDateTime;
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::support::{EMAIL, PASSWORD, World, part, reason, world};

fn verifier(world: &World, audience: &str) -> Verifier {
    Verifier::new(Channel::in_process(world.auth.service().stack), audience)
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Arc<Principal>, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    verifier.authenticate(&headers).await
}

async fn refusal(verifier: &Verifier, token: &str) -> String {
    reason(verify(verifier, token).await.map_err(Status::from))
}

#[tokio::test]
async fn a_token_is_verified_offline_by_another_service() {
    let world = world().await;
    let user = world.register(EMAIL).await.unwrap();
    let first = world.sign_in(EMAIL, PASSWORD).await.unwrap().access_token;
    let second = world.sign_in(EMAIL, PASSWORD).await.unwrap().access_token;
    let keys = world.client.clone().get_jwks(GetJwksRequest {}).await.unwrap().into_inner().keys;
    let publisher = Publisher::of(keys);
    let catalog = publisher.verifier();
    verify(&catalog, &first).await.unwrap();
    // from here on the auth service answers nothing
    publisher.publish(None);
    verify(&catalog, &first).await.unwrap();
    let principal = verify(&catalog, &second).await.unwrap();
    assert_eq!(principal.user().unwrap().to_string(), user.id);
    assert!(principal.session.is_some());
    assert!(!principal.scopes.contains("catalog:write"));
}

#[tokio::test]
async fn a_service_token_is_for_its_audience_only() {
    let world = world().await;
    let token = world.service_token("catalog").await.access_token;
    let principal = verify(&verifier(&world, "catalog"), &token).await.unwrap();
    assert_eq!(principal.subject, Subject::Service("orders".to_owned()));
    assert!(principal.scopes.contains("stock:reserve"));
    assert_eq!(refusal(&verifier(&world, "payments"), &token).await, "UNAUTHENTICATED");
}

/// An auth service of which only the keys can be had, and those only while it has some.
#[derive(Clone)]
struct Publisher(Arc<Mutex<Option<Vec<Jwk>>>>);

impl Publisher {
    fn of(keys: Vec<Jwk>) -> Self {
        Self(Arc::new(Mutex::new(Some(keys))))
    }

    fn publish(&self, keys: Option<Vec<Jwk>>) {
        *self.0.lock().unwrap() = keys;
    }

    /// The catalog's verifier, with the keys published here.
    fn verifier(&self) -> Verifier {
        Verifier::new(Channel::in_process(AuthServiceServer::new(self.clone())), "catalog")
    }
}

#[tonic::async_trait]
impl AuthService for Publisher {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        let keys = self.0.lock().unwrap().clone();
        let keys = keys.ok_or_else(|| Status::unavailable("gone"))?;
        Ok(Response::new(Jwks { keys }))
    }

    async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<User>, Status> {
        Err(Status::unavailable("gone"))
    }

    async fn create_token(
        &self,
        _: Request<CreateTokenRequest>,
    ) -> Result<Response<Token>, Status> {
        Err(Status::unavailable("gone"))
    }

    async fn revoke_token(&self, _: Request<RevokeTokenRequest>) -> Result<Response<()>, Status> {
        Err(Status::unavailable("gone"))
    }

    async fn get_me(&self, _: Request<GetMeRequest>) -> Result<Response<User>, Status> {
        Err(Status::unavailable("gone"))
    }
}

/// An issuer whose key the auth service publishes, so that a test can sign what it likes.
struct Forger {
    key: SigningKey,
    public: String,
}

impl Forger {
    async fn new(world: &World) -> Self {
        let forger = Self::unknown();
        let publish = "insert into signing_keys (kid, state, public_key, sealed_key)
                       values ('forger', 'published', $1, '')";
        let bytes = forger.key.verifying_key();
        sqlx::query(publish).bind(bytes.as_bytes()).execute(&world.pool).await.unwrap();
        forger
    }

    /// One whose key nobody publishes yet.
    fn unknown() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        Self { public: URL_SAFE_NO_PAD.encode(key.verifying_key()), key }
    }

    fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: self.public.clone(),
            kid: "forger".to_owned(),
            r#use: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = good_claims();
        claims[name] = value;
        self.sign(&good_header(), &claims)
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&good_header(), &claims)
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = good_header();
        header[name] = value;
        self.sign(&header, &good_claims())
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn good_header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "forger"})
}

fn good_claims() -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let user = souk_kit::id::new::<souk_kit::id::kind::User>().to_string();
    let session = souk_kit::id::new::<souk_kit::id::kind::Session>().to_string();
    json!({"iss": "souk", "aud": "souk", "sub": user, "iat": now, "exp": now + 900,
           "jti": "1", "sid": session, "scope": ""})
}

#[tokio::test]
async fn a_token_names_its_type_and_no_algorithm_but_ours() {
    let world = world().await;
    let forger = Forger::new(&world).await;
    let catalog = verifier(&world, "catalog");
    // so that whatever is refused below is refused for what is wrong with it
    verify(&catalog, &forger.sign(&good_header(), &good_claims())).await.unwrap();

    let none = unsigned(&json!({"alg": "none", "typ": "at+jwt", "kid": "forger"}), &good_claims());
    assert_eq!(refusal(&catalog, &format!("{none}.")).await, "UNAUTHENTICATED");
    assert_eq!(refusal(&catalog, &none).await, "UNAUTHENTICATED");
    for key in [forger.key.verifying_key().as_bytes().as_slice(), forger.public.as_bytes()] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "forger"});
        let message = unsigned(&header, &good_claims());
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        assert_eq!(refusal(&catalog, &format!("{message}.{signature}")).await, "UNAUTHENTICATED");
    }
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("alg", json!("ES256")),
        ("kid", json!("nobody")),
        ("kid", Value::Null),
    ] {
        let token = forger.with_header(name, value.clone());
        assert_eq!(refusal(&catalog, &token).await, "UNAUTHENTICATED", "{name} {value}");
    }
}

#[tokio::test]
async fn a_token_says_whom_it_is_from_and_for_and_until_when() {
    let world = world().await;
    let forger = Forger::new(&world).await;
    let catalog = verifier(&world, "catalog");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert_eq!(
        refusal(&catalog, &forger.with_claim("exp", json!(now - 60))).await,
        "TOKEN_EXPIRED"
    );
    for (name, value) in [
        ("iss", json!("somebody")),
        ("aud", json!("orders")),
        ("aud", json!(["orders"])),
        ("sub", json!("ord_01h455vb4pex5vsknk084sn02q")),
        ("sub", json!("")),
        ("sid", json!("")),
    ] {
        let token = forger.with_claim(name, value.clone());
        assert_eq!(refusal(&catalog, &token).await, "UNAUTHENTICATED", "{name} {value}");
    }
    for name in ["iss", "aud", "sub", "exp", "jti", "sid", "scope"] {
        let token = forger.without_claim(name);
        assert_eq!(refusal(&catalog, &token).await, "UNAUTHENTICATED", "without {name}");
    }
}

#[tokio::test]
async fn an_altered_token_is_refused() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    let token = world.sign_in(EMAIL, PASSWORD).await.unwrap().access_token;
    let catalog = verifier(&world, "catalog");
    verify(&catalog, &token).await.unwrap();

    let mut claims = part(&token, 1);
    claims["scope"] = json!("catalog:write");
    let parts: Vec<_> = token.split('.').collect();
    let promoted = URL_SAFE_NO_PAD.encode(claims.to_string());
    let promoted = format!("{}.{promoted}.{}", parts[0], parts[2]);
    assert_eq!(refusal(&catalog, &promoted).await, "UNAUTHENTICATED");
    for index in (0..token.len()).step_by(17) {
        let mut altered = token.clone().into_bytes();
        altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(refusal(&catalog, &altered).await, "UNAUTHENTICATED", "at {index}");
    }
    assert_eq!(refusal(&catalog, "").await, "UNAUTHENTICATED");
    assert_eq!(refusal(&catalog, "....").await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_token_that_means_more_than_we_know_is_refused() {
    let forger = Forger::unknown();
    let catalog = Publisher::of(vec![forger.jwk()]).verifier();
    verify(&catalog, &forger.sign(&good_header(), &good_claims())).await.unwrap();
    // RFC 7515, section 4.1.11, and RFC 7797
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["urn:example:unknown"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = forger.with_header(name, value.clone());
        assert_eq!(refusal(&catalog, &token).await, "UNAUTHENTICATED", "{name} {value}");
    }
    let mut header = good_header();
    header["b64"] = json!(false);
    header["crit"] = json!(["b64"]);
    assert_eq!(refusal(&catalog, &forger.sign(&header, &good_claims())).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_token_is_refused_before_its_time() {
    let forger = Forger::unknown();
    let catalog = Publisher::of(vec![forger.jwk()]).verifier();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    verify(&catalog, &forger.with_claim("nbf", json!(now))).await.unwrap();
    let later = forger.with_claim("nbf", json!(now + 60));
    assert_eq!(refusal(&catalog, &later).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn two_authorization_headers_are_refused_whatever_they_say() {
    let forger = Forger::unknown();
    let catalog = Publisher::of(vec![forger.jwk()]).verifier();
    let good = forger.sign(&good_header(), &good_claims());
    verify(&catalog, &good).await.unwrap();
    for other in [format!("Bearer {good}"), "Bearer x".to_owned(), "Basic eDp5".to_owned()] {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, format!("Bearer {good}").parse().unwrap());
        headers.append(AUTHORIZATION, other.parse().unwrap());
        let refused = catalog.authenticate(&headers).await.map_err(Status::from);
        assert_eq!(reason(refused), "MALFORMED_REQUEST", "{other}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_once_it_has_expired() {
    let forger = Forger::unknown();
    let catalog = Publisher::of(vec![forger.jwk()]).verifier();
    // still good by two seconds of the five that clocks may differ
    let end = OffsetDateTime::now_utc().unix_timestamp() - 3;
    let token = forger.with_claim("exp", json!(end));
    verify(&catalog, &token).await.unwrap();
    let expires = async {
        while verify(&catalog, &token).await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), expires).await.unwrap();
    assert_eq!(refusal(&catalog, &token).await, "TOKEN_EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_good_is_refused_once_its_key_is_no_longer_published() {
    let forger = Forger::unknown();
    let publisher = Publisher::of(vec![forger.jwk()]);
    let catalog = publisher.verifier();
    let token = forger.sign(&good_header(), &good_claims());
    verify(&catalog, &token).await.unwrap();
    let refresh = async || {
        tokio::select! {
            () = catalog.keep_fresh() => {}
            () = sleep(Duration::from_secs(600)) => {}
        }
    };
    refresh().await;
    verify(&catalog, &token).await.unwrap();
    publisher.publish(Some(Vec::new()));
    // the keys at hand serve until they are fetched again
    verify(&catalog, &token).await.unwrap();
    refresh().await;
    assert_eq!(refusal(&catalog, &token).await, "UNAUTHENTICATED");
}
