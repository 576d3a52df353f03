//! The gRPC interface: decode, delegate, encode.

mod messages;

use souk_db::{Access, Database};
use souk_kit::request::{Context, open};
use souk_kit::validate;
use souk_proto::souk::auth::v1::auth_service_server::AuthService;
use souk_proto::souk::auth::v1::{
    CreateTokenRequest, GetJwksRequest, GetMeRequest, Jwk, Jwks, RegisterRequest,
    RevokeTokenRequest, Token, User,
};
use tonic::{Request, Response, Status};

use self::messages::{Grant, grant, registration};
use crate::authorizing::Authorizing;
use crate::publishing::Publishing;
use crate::refreshing::Refreshing;
use crate::registering::Registering;
use crate::role::Role;
use crate::session::RefreshToken;
use crate::signing_in::SigningIn;
use crate::{Error, reading, revoking};

type Reply<T> = Result<Response<T>, Status>;

/// The use cases behind the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub database: Database,
    pub registering: Registering,
    pub signing_in: SigningIn,
    pub refreshing: Refreshing,
    pub authorizing: Authorizing,
    pub publishing: Publishing,
}

impl Handlers {
    fn until(&self, context: &Context) -> Access {
        self.database.until(context.deadline)
    }
}

#[tonic::async_trait]
impl AuthService for Handlers {
    async fn register(&self, request: Request<RegisterRequest>) -> Reply<User> {
        let (context, message) = open(request)?;
        let registration = registration(message)?;
        let account = self.registering.register(&context, &registration, &[Role::User]).await?;
        Ok(Response::new(account.into()))
    }

    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Reply<Token> {
        let (context, message) = open(request)?;
        let token = match grant(message)? {
            Grant::Password { username, password } => {
                self.signing_in.sign_in(&context, &username, &password).await?
            }
            Grant::RefreshToken(token) => self.refreshing.refresh(&context, &token).await?,
            Grant::ClientCredentials { id, secret, audience } => {
                self.authorizing.token(&id, &secret, &audience)?
            }
        };
        Ok(Response::new(token.into()))
    }

    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Reply<()> {
        let (context, message) = open(request)?;
        let token = RefreshToken::new(message.token);
        revoking::revoke(&self.until(&context), &context.request_id, &token).await?;
        Ok(Response::new(()))
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Reply<User> {
        let (context, _) = open(request)?;
        let id = context.principal()?.user().ok_or(Error::NoAccount)?;
        let account = reading::account(&self.until(&context), id).await?;
        Ok(Response::new(account.into()))
    }

    async fn get_jwks(&self, request: Request<GetJwksRequest>) -> Reply<Jwks> {
        // not `open`: this service's own verifier asks from inside, where there is no context
        validate(request.get_ref())?;
        let keys = self.publishing.keys().await?.iter().map(Jwk::from).collect();
        Ok(Response::new(Jwks { keys }))
    }
}
