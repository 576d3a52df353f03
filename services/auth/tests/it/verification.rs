//! What another service makes of a token.

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
use time::OffsetDateTime;
use tonic::Status;

use crate::support::{EMAIL, PASSWORD, World, part, reason, world};

fn verifier(world: &World, audience: &str) -> Verifier {
    Verifier::new(Channel::in_process(world.auth.service().routes), audience)
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Principal, Failure> {
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
    let token = world.sign_in(EMAIL, PASSWORD).await.unwrap().access_token;
    let catalog = verifier(&world, "catalog");
    verify(&catalog, &token).await.unwrap();
    // from here on the auth service can answer nothing
    world.pool().close().await;
    let principal = verify(&catalog, &token).await.unwrap();
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

/// An issuer whose key the auth service publishes, so that a test can sign what it likes.
struct Forger {
    key: SigningKey,
    public: String,
}

impl Forger {
    async fn new(world: &World) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let bytes = key.verifying_key();
        let publish = "insert into signing_keys (kid, state, public_key, sealed_key)
                       values ('forger', 'published', $1, '')";
        sqlx::query(publish).bind(bytes.as_bytes()).execute(world.pool()).await.unwrap();
        Self { public: URL_SAFE_NO_PAD.encode(bytes), key }
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
