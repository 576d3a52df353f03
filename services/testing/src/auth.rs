//! An auth service that signs what a test needs: public keys and client credentials through the
//! contract, tokens of people directly.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use souk_kit::Channel;
use souk_kit::auth::{AUDIENCE, Claims, ISSUER, SigningKey};
use souk_kit::id::{self, SessionId, UserId};
use souk_proto::souk::auth::v1::auth_service_server::{AuthService, AuthServiceServer};
use souk_proto::souk::auth::v1::{
    CreateTokenRequest, GetJwksRequest, GetMeRequest, Jwks, RegisterRequest, RevokeTokenRequest,
    Token, User,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The secret of every service.
pub const CLIENT_SECRET: &str = "the secret of a service in tests";
/// How long tokens live, in seconds.
const LIFETIME: i64 = 900;

/// An auth service without accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FakeAuth {
    key: Arc<SigningKey>,
    /// What services may do.
    service_scopes: Arc<str>,
}

impl FakeAuth {
    /// An auth service that gives these scopes to any service with [`CLIENT_SECRET`].
    pub fn new(service_scopes: &str) -> Self {
        let key = Arc::new(SigningKey::new("the key of the tests", &[7; 32]));
        Self { key, service_scopes: service_scopes.into() }
    }

    /// How services reach it.
    pub fn channel(&self) -> Channel {
        Channel::in_process(AuthServiceServer::new(self.clone()))
    }

    /// An access token of a new account with these scopes.
    pub fn person(&self, scopes: &str) -> (UserId, String) {
        let user: UserId = id::new();
        (user, self.again(user, scopes))
    }

    /// Another access token of an account, with these scopes.
    pub fn again(&self, user: UserId, scopes: &str) -> String {
        let session: SessionId = id::new();
        self.sign(AUDIENCE, user.to_string(), session.to_string(), scopes, LIFETIME)
    }

    /// An access token whose time is over.
    pub fn expired(&self) -> String {
        let (user, session): (UserId, SessionId) = (id::new(), id::new());
        self.sign(AUDIENCE, user.to_string(), session.to_string(), "", -LIFETIME)
    }

    /// An access token of a service, for another service.
    pub fn service(&self, name: &str, audience: &str) -> String {
        let subject = format!("service:{name}");
        self.sign(audience, subject, String::new(), &self.service_scopes, LIFETIME)
    }

    /// The secret that services are configured with.
    pub fn client_secret() -> SecretString {
        CLIENT_SECRET.into()
    }

    fn sign(
        &self,
        audience: &str,
        subject: String,
        session: String,
        scopes: &str,
        lifetime: i64,
    ) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: audience.to_owned(),
            sub: subject,
            iat: now,
            exp: now + lifetime,
            jti: Uuid::new_v4().to_string(),
            sid: session,
            scope: scopes.to_owned(),
        };
        self.key.sign(&claims).unwrap()
    }
}

/// A request with an access token.
pub fn signed<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tonic::async_trait]
impl AuthService for FakeAuth {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        Ok(Response::new(Jwks { keys: vec![self.key.jwk()] }))
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<Token>, Status> {
        let CreateTokenRequest { grant_type, client_id, client_secret, audience, .. } =
            request.into_inner();
        if (grant_type.as_str(), client_secret.as_str()) != ("client_credentials", CLIENT_SECRET) {
            return Err(Status::unauthenticated("the credentials are wrong"));
        }
        Ok(Response::new(Token {
            access_token: self.service(&client_id, &audience),
            token_type: "Bearer".to_owned(),
            expires_in: i32::try_from(LIFETIME).unwrap(),
            refresh_token: None,
            scope: self.service_scopes.to_string(),
        }))
    }

    async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("there are no accounts"))
    }

    async fn revoke_token(&self, _: Request<RevokeTokenRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("there are no sessions"))
    }

    async fn get_me(&self, _: Request<GetMeRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("there are no accounts"))
    }
}
