//! The contract: decode, delegate, encode.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use souk_kit::request::open;
use souk_kit::{Failure, timestamp, validate};
use souk_proto::souk::auth::v1::auth_service_server::AuthService;
use souk_proto::souk::auth::v1::{
    self as proto, CreateTokenRequest, GetJwksRequest, GetMeRequest, Jwk, Jwks, RegisterRequest,
    RevokeTokenRequest, User,
};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::accounts::{Account, Accounts, Email, Name, Registration};
use crate::clients::Clients;
use crate::keys::{Keys, PublicKey};
use crate::sessions::{RefreshToken, Sessions};
use crate::tokens::Token;

/// The subjects behind the contract.
#[derive(Clone)]
pub struct Handlers {
    pub accounts: Accounts,
    pub sessions: Sessions,
    pub clients: Clients,
    pub keys: Keys,
}

#[tonic::async_trait]
impl AuthService for Handlers {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<User>, Status> {
        let (context, message) = open(request)?;
        let registration = registration(message)?;
        let account = self.accounts.register(&context, &registration).await?;
        Ok(Response::new(user(account)))
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<proto::Token>, Status> {
        let (context, message) = open(request)?;
        let token = match grant(message)? {
            Grant::Password { username, password } => {
                self.sessions.sign_in(&context, &username, &password).await?
            }
            Grant::RefreshToken(token) => self.sessions.refresh(&context, &token).await?,
            Grant::ClientCredentials { id, secret, audience } => {
                self.clients.token(&id, &secret, &audience)?
            }
        };
        Ok(Response::new(encode_token(&token)))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<()>, Status> {
        let (context, message) = open(request)?;
        self.sessions.revoke(&context, &RefreshToken::new(message.token)).await?;
        Ok(Response::new(()))
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<User>, Status> {
        let (context, _) = open(request)?;
        let id = context.principal()?.user().ok_or(Error::NoAccount)?;
        Ok(Response::new(user(self.accounts.get(id).await?)))
    }

    async fn get_jwks(&self, request: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        // not `open`: this service's own verifier asks from inside, where there is no context
        validate(request.get_ref())?;
        let keys = self.keys.public().await?.iter().map(jwk).collect();
        Ok(Response::new(Jwks { keys }))
    }
}

enum Grant {
    Password { username: String, password: SecretString },
    RefreshToken(RefreshToken),
    ClientCredentials { id: String, secret: SecretString, audience: String },
}

fn grant(message: CreateTokenRequest) -> Result<Grant, Failure> {
    match message.grant_type.as_str() {
        "password" => {
            require(&[("username", &message.username), ("password", &message.password)])?;
            Ok(Grant::Password { username: message.username, password: message.password.into() })
        }
        "refresh_token" => {
            require(&[("refresh_token", &message.refresh_token)])?;
            Ok(Grant::RefreshToken(RefreshToken::new(message.refresh_token)))
        }
        "client_credentials" => {
            require(&[
                ("client_id", &message.client_id),
                ("client_secret", &message.client_secret),
                ("audience", &message.audience),
            ])?;
            Ok(Grant::ClientCredentials {
                id: message.client_id,
                secret: message.client_secret.into(),
                audience: message.audience,
            })
        }
        _ => Err(Failure::invalid("grant_type", "is not known")),
    }
}

/// Names every field that the grant needs and does not have.
fn require(fields: &[(&str, &str)]) -> Result<(), Failure> {
    let issue = "is required for this grant type";
    let mut missing = fields.iter().filter(|(_, value)| value.is_empty());
    let Some((first, _)) = missing.next() else { return Ok(()) };
    Err(missing.fold(Failure::invalid(*first, issue), |failure, (field, _)| {
        failure.violation(*field, issue)
    }))
}

fn registration(message: RegisterRequest) -> Result<Registration, Error> {
    Ok(Registration {
        email: Email::parse(&message.email)?,
        password: message.password.into(),
        name: Name::parse(&message.name)?,
    })
}

fn user(account: Account) -> User {
    User {
        id: account.id.to_string(),
        email: account.email,
        name: account.name,
        roles: account.roles.iter().map(|role| role.name().to_owned()).collect(),
        created_at: Some(timestamp::to_proto(account.created_at)),
    }
}

fn encode_token(token: &Token) -> proto::Token {
    proto::Token {
        access_token: token.access.expose_secret().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: i32::try_from(token.lifetime.as_secs()).unwrap_or(i32::MAX),
        refresh_token: token.refresh.as_ref().map(|refresh| refresh.expose().to_owned()),
        scope: token.scope.clone(),
    }
}

fn jwk(key: &PublicKey) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: URL_SAFE_NO_PAD.encode(&key.bytes),
        kid: key.kid.clone(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}
